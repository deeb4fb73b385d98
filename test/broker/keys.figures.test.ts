import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import { issueClientCertificate } from '../../services/entra-emulator/src/tokens/tls.ts';
import { record } from '../../tools/run/figures.ts';
import { openRedisInspector, sealedPart } from '../kit/redis/inspector.ts';
import { openSystem } from '../kit/system/open.ts';
import { apiScope, appScope, consentedWeb, grants, graphScope } from '../kit/system/registrations.ts';
import type { BrokerResponse } from '../kit/system/system.ts';

const otherScope = 'api://other-api/access_as_user';
const graphAppScope = 'https://graph.microsoft.com/.default';
const federatedSubject = (name: string) => `system:serviceaccount:onbehalf:${name}`;
const exchangeAudience = 'api://AzureADTokenExchange';
let lastPerson = 0;

const system = await openSystem({
  name: 'broker-keys',
  brokers: 3,
  people: 200,
  scopes: [otherScope],
  seed: (usual) => consentedWeb(usual, [apiScope, graphScope, otherScope]),
  clients: (usual, _emulator, directory) => {
    const web = (name: string, credentials: object[]) => ({
      [name]: { ...usual.web, subjects: [federatedSubject(name)], credentials },
    });
    return {
      ...usual,
      job: { ...usual.job, scopes: [appScope, graphAppScope] },
      ...web('web-secret', [{ type: 'secret', file: join(directory, 'web.secret') }]),
      ...web('web-certificate', [{ type: 'certificate', file: join(directory, 'web.pem') }]),
      ...web('web-federated', [{ type: 'federated', file: join(directory, 'web.token') }]),
      ...web('web-ordered', [
        { type: 'secret', file: join(directory, 'web.wrong') },
        { type: 'federated' },
        { type: 'certificate', file: join(directory, 'web.pem') },
      ]),
    };
  },
});
after(() => system.close());
const inspector = system.use(await openRedisInspector(system));

/** Replaces a mounted file as the kubelet does: all at once. */
async function swap(name: string, content: string, directory = system.stateDir): Promise<void> {
  await writeFile(join(directory, `.${name}.next`), content, { mode: 0o600 });
  await rename(join(directory, `.${name}.next`), join(directory, name));
}
const federatedToken = (name: string) =>
  system.cluster.mint({ namespace: 'onbehalf', name, audience: exchangeAudience });

const { cert, key } = system.emulator.clientCertificates.web ?? { cert: '', key: '' };
await swap('web.pem', `${cert}\n${key}`);
await swap('web.secret', 'web-secret');
await swap('web.wrong', 'a secret Entra never heard of');
await swap('web.token', await federatedToken('token-broker'));

const nextPerson = () => `load${String(++lastPerson).padStart(5, '0')}@contoso.test`;

const exchangeForm = (session: string, scope: string) => ({
  grant_type: grants.exchange,
  subject_token: session,
  subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  scope,
});

type Person = { upn: string; session: string; oid: string; account: string; assertion: string };

/** Signs somebody new in and acquires the first token, both at one broker. */
async function newcomer(broker = 0): Promise<Person> {
  const upn = nextPerson();
  const session = await system.signIn(upn, broker);
  const assertion = tokenOf(await system.exchange(broker, session, apiScope));
  const { oid, tid } = decodeJwt<{ oid: string; tid: string }>(assertion);
  return { upn, session, oid, assertion, account: inspector.redisKeys.account('web', `${oid}.${tid}`) };
}

function tokenOf({ status, body }: BrokerResponse): string {
  assert.equal(status, 200, `${body.error}: ${body.error_description}`);
  return String(body.access_token);
}
const oidOf = (token: string) => decodeJwt<{ oid: string }>(token).oid;
const appToken = (broker: number, scope = appScope) =>
  system.post(broker, '/oauth2/token', { grant_type: 'client_credentials', scope }, 'job');
const introspect = async (broker: number, token: string) =>
  (await system.post(broker, '/oauth2/introspect', { token })).body.active;

/** The lines of one event in a broker's log. */
function logged(broker: number, event: string): Record<string, unknown>[] {
  const lines = readFileSync(system.brokers[broker]?.child.logFile ?? '', 'utf8').split('\n');
  return lines.filter((line) => line.includes(`"event":"${event}"`)).map((line) => JSON.parse(line));
}

/** Waits until every broker has so many keys, and seals with this one. */
async function untilRing(keys: number, current?: string): Promise<void> {
  await system.until(async () =>
    system.brokers.every((_, broker) => {
      const last = logged(broker, 'keys.reloaded').at(-1);
      return last?.keys === keys && (current === undefined || last.current === current);
    }),
  );
}

/** The key under which a value lies. */
async function keyIdOf(key: string, field?: string): Promise<string> {
  const value = (await inspector.raw(key, field)) ?? Buffer.alloc(1);
  const sealed = field === undefined ? value : sealedPart(field, value);
  return sealed.toString('latin1', 1, 1 + (sealed[0] ?? 0));
}

const sessionKeyOf = async ({ account }: Person) => {
  const [field = ''] = (await inspector.fields(account)).filter((name) => name.startsWith('s:'));
  return inspector.redisKeys.session(field.slice(2));
};
const sealedFieldsOf = async (key: string) =>
  (await inspector.fields(key)).filter((name) => name === 'msal' || name.startsWith('t:'));

describe('the keys of three brokers', () => {
  it('answer 500 when Entra refuses every credential, ask it no more, and serve what is stored', async () => {
    // Within MSAL's margin it is no hit, but good: it serves while no new one can be had.
    await system.admin('PUT', '/lifetimes', { access: 299 });
    const stored = tokenOf(await appToken(0));
    await system.admin('PUT', '/lifetimes', { access: 3_600 });
    await system.admin('PATCH', '/apps/job', { secrets: [] });
    await system.admin('DELETE', '/counters');
    for (const round of [1, 2, 3]) {
      for (const broker of [0, 1, 2]) {
        const refused = await appToken(broker, graphAppScope);
        assert.deepEqual([refused.status, refused.body.error], [500, 'server_error'], `round ${round}`);
        assert.ok(!JSON.stringify(refused.body).includes('7000215'), 'our trouble is no business of a caller');
        assert.equal(tokenOf(await appToken(broker)), stored);
      }
    }
    assert.equal(
      await system.calls('client_credentials'),
      2 * 2,
      'a call and a retry with the file read anew, each token',
    );
    assert.ok(logged(0, 'credential.refused').length > 0);
  });

  it('take a new key under load without an error, seal anew what is read, and lose only what was not', async () => {
    const people: Person[] = [];
    for (let i = 0; i < 12; i += 1) people.push(await newcomer(i % 3));
    const idle = await newcomer();
    for (const { assertion } of people) tokenOf(await system.onBehalfOf(0, assertion));
    assert.equal(await keyIdOf(idle.account, 'msal'), 'k1');

    // Started later than the others, it also looks at the ring at another moment.
    system.brokers.push(await system.startBroker());
    await using load = startLoad(people);
    await swap('k2', randomBytes(32).toString('base64'), inspector.ringDirectory);
    await swap('current', 'k2', inspector.ringDirectory);
    await untilRing(2);
    await untilRing(2, 'k2');
    await inspector.reload();
    // One with nothing in memory, so that it reads everything.
    const fresh = system.brokers.push(await system.startBroker()) - 1;
    const everything = async () => {
      for (const { session, assertion } of people) {
        for (const scope of [apiScope, graphScope]) tokenOf(await system.exchange(fresh, session, scope));
        tokenOf(await system.onBehalfOf(fresh, assertion));
      }
      tokenOf(await appToken(fresh));
    };
    await everything();
    let old = 0;
    const isAnew = async (key: string, field?: string) => (await keyIdOf(key, field)) === 'k2';
    for (const person of people) {
      const obo = inspector.redisKeys.obo('api', person.assertion);
      const places: [key: string, field?: string][] = [[await sessionKeyOf(person)]];
      for (const key of [person.account, obo]) {
        for (const field of await sealedFieldsOf(key)) places.push([key, field]);
      }
      // It is sealed anew behind who reads it.
      for (const place of places) await system.until(() => isAnew(...place)).catch(() => (old += 1));
    }
    record('sealing key changed under load: values read and still under the old key', old);
    assert.equal(await keyIdOf(idle.account, 'msal'), 'k1', 'nobody touched this one');

    await rm(join(inspector.ringDirectory, 'k1'));
    await untilRing(1, 'k2');
    await inspector.reload();
    for (const broker of system.brokers.keys()) {
      for (const { session, oid } of people) {
        assert.equal(oidOf(tokenOf(await system.exchange(broker, session, otherScope))), oid, 'refreshed or held');
        assert.equal(await introspect(broker, session), true);
      }
    }
    await load.stop();
    record('sealing key changed under load: wrong answers and sign-outs', load.wrong.length);
    assert.ok(load.requests > 100, `a load of ${load.requests} requests`);
    const lost = await system.exchange(fresh, idle.session, apiScope);
    assert.deepEqual([lost.status, lost.body.error], [400, 'invalid_grant']);
    tokenOf(await system.exchange(fresh, await system.signIn(idle.upn), apiScope));
  });

  it('take a flipped byte for a miss', async () => {
    const flip = async (key: string, field: string | undefined, part: number) => {
      const value = Buffer.from((await inspector.raw(key, field)) ?? '');
      const at = Math.min(value.length - 1, Math.floor(value.length * part));
      value[at] = (value[at] ?? 0) ^ 1;
      await inspector.put(key, field, value);
    };
    const recordOf = async (key: string) => (await inspector.fields(key)).filter((name) => name.startsWith('t:'))[0];
    let flipped = 0;
    const failures = logged(1, 'cache.open_failed').length;
    for (const part of [0, 0.1, 0.5, 1]) {
      const person = await newcomer();
      const { session, oid, account, assertion } = person;

      await flip(account, await recordOf(account), part);
      assert.equal(oidOf(tokenOf(await system.exchange(1, session, apiScope))), oid);
      assert.ok(await inspector.open(account, String(await recordOf(account))), 'the record is whole again');

      for (const field of ['v', (await inspector.fields(account)).find((name) => name.startsWith('s:'))]) {
        await flip(account, field, part);
        assert.equal(oidOf(tokenOf(await system.exchange(1, session, graphScope))), oid);
      }

      const obo = inspector.redisKeys.obo('api', assertion);
      tokenOf(await system.onBehalfOf(0, assertion));
      await flip(obo, await recordOf(obo), part);
      assert.equal(oidOf(tokenOf(await system.onBehalfOf(1, assertion))), oid);

      await flip(account, 'msal', part);
      tokenOf(await system.exchange(2, session, graphScope));
      const again = await system.exchange(2, session, otherScope);
      assert.deepEqual([again.status, again.body.error], [400, 'login_required']);
      const anew = await system.signIn(person.upn);
      assert.equal(oidOf(tokenOf(await system.exchange(2, anew, otherScope))), oid);

      const other = await newcomer();
      await flip(await sessionKeyOf(other), undefined, part);
      const ended = await system.exchange(1, other.session, apiScope);
      assert.deepEqual([ended.status, ended.body.error], [400, 'invalid_grant']);
      flipped += 6;
    }
    const told = logged(1, 'cache.open_failed').slice(failures);
    const kinds = new Set(told.map(({ kind }) => kind));
    assert.deepEqual([...kinds].sort(), ['account', 'obo', 'session']);
    record('a byte flipped in each of 24 values: taken for a miss', flipped);
  });

  it('take a spoilt record of throttling for none', async () => {
    const { session, upn } = await newcomer();
    await system.admin('PUT', '/faults', [{ match: { user: upn, grant: 'refresh_token' }, then: { status: 429 } }]);
    assert.equal((await system.exchange(0, session, graphScope)).status, 429);
    await system.admin('DELETE', '/faults');
    assert.equal((await system.exchange(1, session, graphScope)).status, 429);
    for (const key of await system.keys('throttle:*')) await inspector.put(key, undefined, randomBytes(100));
    tokenOf(await system.exchange(2, session, graphScope));
  });

  it('open no value that lies in the place of another', async () => {
    type Place = [key: string, field?: string | undefined];
    const exchanged = async (one: Place, other: Place) => {
      const [first, second] = [await inspector.raw(...one), await inspector.raw(...other)];
      assert.ok(first && second);
      await inspector.put(one[0], one[1], second);
      await inspector.put(other[0], other[1], first);
      for (const place of [one, other]) if (await inspector.open(...place)) opened += 1;
    };
    let opened = 0;
    const [a, b] = [await newcomer(), await newcomer()];
    const recordsOf = async ({ account }: Person) =>
      (await inspector.fields(account)).filter((name) => name.startsWith('t:'));
    const [field] = await recordsOf(a);
    await exchanged([a.account, field], [b.account, field]);
    for (const { session, oid } of [a, b]) {
      assert.equal(oidOf(tokenOf(await system.exchange(1, session, apiScope))), oid, "two people's records");
    }

    tokenOf(await system.exchange(0, a.session, graphScope));
    const [one, two] = await recordsOf(a);
    await exchanged([a.account, one], [a.account, two]);
    const audience = (token: string) => decodeJwt(token).aud;
    assert.equal(audience(tokenOf(await system.exchange(2, a.session, apiScope))), system.emulator.ids.apps.api);
    assert.equal(audience(tokenOf(await system.exchange(2, a.session, graphScope))), 'https://graph.microsoft.com');

    await exchanged([a.account, 'msal'], [b.account, 'msal']);
    for (const { session } of [a, b]) {
      const refused = await system.exchange(2, session, otherScope);
      assert.deepEqual([refused.status, refused.body.error], [400, 'login_required'], "two people's caches");
    }
    const [c, d] = [await newcomer(), await newcomer()];
    await exchanged([await sessionKeyOf(c)], [await sessionKeyOf(d)]);
    for (const { session } of [c, d]) {
      const refused = await system.exchange(1, session, apiScope);
      assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_grant'], "two people's sessions");
    }
    record('values laid in the place of another: opened', opened);
  });

  let newCertificate = '';
  const federated = (...names: string[]) =>
    names.map((name) => ({ subject: federatedSubject(name), audience: exchangeAudience }));
  const patchWeb = (change: object) => system.admin('PATCH', '/apps/web', change);
  /** Each kind: Entra learns the new one beside the old, and forgets the old after the file was replaced. */
  const rotations = {
    secret: {
      async change() {
        await patchWeb({ secrets: [{ value: 'web-secret' }, { value: 'web-secret-2' }] });
        await swap('web.secret', 'web-secret-2');
      },
      forget: () => patchWeb({ secrets: [{ value: 'web-secret-2' }] }),
    },
    certificate: {
      async change() {
        const { cert, key } = await issueClientCertificate('web');
        newCertificate = cert;
        await patchWeb({ certificates: [system.emulator.clientCertificates.web?.cert, cert] });
        await swap('web.pem', `${cert}\n${key}`);
      },
      forget: () => patchWeb({ certificates: [newCertificate] }),
    },
    'federated token': {
      async change() {
        await patchWeb({ federated: federated('token-broker', 'broker-2') });
        await swap('web.token', await federatedToken('broker-2'));
      },
      forget: () => patchWeb({ federated: federated('broker-2') }),
    },
  };

  for (const kind of ['secret', 'certificate', 'federated token'] as const) {
    const { change, forget } = rotations[kind];
    it(`change to a new ${kind} while Entra forgets the old, without a failure`, async () => {
      const as = `web-${kind.split(' ')[0]}`;
      // A life within MSAL's margin is never a hit: every exchange is a call.
      await system.admin('PUT', '/lifetimes', { access: 299 });
      const sessions: string[] = [];
      for (const broker of [0, 1, 2]) {
        const { fields } = await system.startSignIn(nextPerson());
        sessions.push(tokenOf(await system.post(broker, '/oauth2/token', fields, as)));
      }
      const once = (broker: number) =>
        system.post(broker, '/oauth2/token', exchangeForm(sessions[broker] ?? '', apiScope), as);
      for (const broker of [0, 1, 2]) tokenOf(await once(broker));
      await system.admin('DELETE', '/counters');
      let [running, served, failed] = [true, 0, 0];
      const workers = [0, 1, 2].map(async (broker) => {
        for (; running; served += 1) if ((await once(broker)).status !== 200) failed += 1;
      });
      await change();
      await forget();
      const servedThen = served;
      await Promise.race([Promise.all(workers), system.until(async () => served > servedThen + 150)]);
      running = false;
      await Promise.all(workers);
      const extra = (await system.calls('refresh_token')) - served;
      assert.ok(extra <= 3, `${extra} refused calls by three brokers`);
      await system.admin('PUT', '/lifetimes', { access: 3_600 });
      record(`${kind} replaced under load: requests that failed`, failed);
    });
  }

  it('go on to the next credential where one is refused, and do not ask with it each time', async () => {
    await patchWeb({ federated: federated('token-broker') });
    await system.admin('DELETE', '/counters');
    const { fields } = await system.startSignIn(nextPerson());
    const session = tokenOf(await system.post(0, '/oauth2/token', fields, 'web-ordered'));
    assert.equal(await system.calls(), 3, 'the wrong secret, read anew, then the federated token');
    for (const scope of [apiScope, graphScope, otherScope]) {
      tokenOf(await system.post(0, '/oauth2/token', exchangeForm(session, scope), 'web-ordered'));
    }
    assert.equal(await system.calls('refresh_token'), 3);
  });

  it('ask again with a refused credential after a while, once for all, and go on when it is good', async (t) => {
    await system.admin('DELETE', '/counters');
    const asked = async () => {
      for (const broker of [0, 1, 2]) assert.equal((await appToken(broker, graphAppScope)).status, 500);
      return await system.calls('client_credentials');
    };
    await system.until(async () => (await asked()) > 0);
    const askedAtMs = Date.now();
    assert.equal(await asked(), 2, 'a call and a retry with the file read anew');
    await system.until(async () => (await asked()) > 2);
    const againMs = Date.now() - askedAtMs;
    assert.ok(againMs >= 8_000, `asked again after ${againMs} ms`);
    // A new file is tried at once.
    await system.admin('PATCH', '/apps/job', { secrets: [{ value: 'job-secret-2' }] });
    await swap('secret', 'job-secret-2', join(system.stateDir, 'job'));
    for (const broker of [0, 1, 2]) {
      await system.until(async () => (await appToken(broker, graphAppScope)).status === 200);
    }
    t.diagnostic(`asked again after ${(againMs / 1_000).toFixed(1)} s`);
  });

  it('leave no key without a TTL', async () => {
    record('keys without an end after the rotations', (await system.immortalKeys()).length);
  });
});

/** Asks all the time for what these people have, and lets others sign in; `wrong` is every answer that was not right. */
function startLoad(people: Person[]) {
  const load = { requests: 0, wrong: [] as string[] };
  const all = system.brokers.length;
  let running = true;
  const check = (right: boolean, what: string) => {
    load.requests += 1;
    if (!right) load.wrong.push(what);
  };
  const worker = async (n: number) => {
    for (let i = n; running; i += 1) {
      const broker = i % all;
      const { session, oid, assertion } = people[i % people.length] as Person;
      const exchanged = await system.exchange(broker, session, i % 5 === 0 ? graphScope : apiScope);
      const right = exchanged.status === 200 && oidOf(String(exchanged.body.access_token)) === oid;
      check(right, `exchange ${exchanged.status} ${exchanged.body.error}`);
      check((await introspect((broker + 1) % all, session)) === true, 'introspect');
      check((await system.onBehalfOf((broker + 2) % all, assertion)).status === 200, 'on behalf of');
      if (n > 0 || i % 50 !== 0) continue;
      // Signed in at one broker, in use at another a moment later.
      const { session: other } = await newcomer(broker);
      check((await system.exchange((broker + 1) % all, other, graphScope)).status === 200, 'a newcomer');
    }
  };
  const workers = [0, 1, 2].map((n) => worker(n).catch((error) => load.wrong.push(String(error))));
  const stop = async () => {
    running = false;
    await Promise.all(workers);
  };
  return Object.assign(load, { stop, [Symbol.asyncDispose]: stop });
}
