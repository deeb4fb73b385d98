import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Fault } from '@onbehalf/node/core/fault';
import { faultOf } from '@onbehalf/node/core/fault.fake';
import type { Client } from '../clients/clients.ts';
import { refusal } from '../entra/entra.fake.ts';
import { api, appScope, openPods, type Pods, readScope, tenantId, web, writeScope } from '../tokens/pods.fake.ts';

const traceId = '0'.repeat(32);

describe('on behalf of', () => {
  const assertion = (pods: Pods, more: object = {}) => {
    const iat = Math.floor(pods.clock.ms / 1_000) - 10;
    const claims = { aud: api.clientId, tid: tenantId, oid: randomUUID(), scp: 'x', iat, exp: iat + 3_600, ...more };
    return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
  };
  const rows: [what: string, claims: object | undefined][] = [
    ['for another audience', { aud: web.clientId }],
    ['for no audience', { aud: undefined }],
    ['of another tenant', { tid: randomUUID() }],
    ['of no tenant', { tid: 'tenant' }],
    ['of nobody', { oid: '' }],
    ['of no one who is named', { oid: undefined }],
    ['without scopes', { scp: undefined }],
    ['with empty scopes', { scp: '' }],
    ['of an app', { idtyp: 'app' }],
    ['issued at no time', { iat: undefined }],
    ['without an end', { exp: undefined }],
    ['that has ended', { exp: 1_800_000_000 }],
    ['that is none', undefined],
  ];
  for (const [what, claims] of rows) {
    it(`an assertion ${what} Entra is not asked`, async () => {
      const pods = openPods();
      const shown = claims ? assertion(pods, claims) : 'e30.x.x';
      await assert.rejects(pods.first.onBehalfOf(shown), faultOf('invalid_grant'));
      assert.deepEqual(pods.entra.calls, []);
    });
  }

  it('of a user of the tenant Entra is asked, and of any tenant where the client serves many', async () => {
    const pods = openPods();
    for (const more of [{}, { idtyp: 'user' }, { exp: 1_800_000_001 }]) {
      assert.ok(await pods.first.onBehalfOf(assertion(pods, more)));
    }
    const many = { ...api, tenantId: 'organizations' };
    const other = assertion(pods, { tid: randomUUID() });
    const asked = { scope: readScope, traceId };
    assert.ok((await pods.first.broker.onBehalfOf(many, other, asked)).record.accessToken);
    assert.equal(pods.entra.calls.length, 4);
  });

  for (const [name, kept] of [
    ['assertion', false],
    ['revoked', false],
    ['interaction', true],
    ['transient', true],
  ] as const) {
    it(`an assertion that Entra responds to with ${name} is ${kept ? 'kept with' : 'rid of'} its other tokens`, async () => {
      const pods = openPods();
      const shown = assertion(pods);
      await pods.first.onBehalfOf(shown);
      pods.entra.responses.onBehalfOf = () => refusal(name);
      await assert.rejects(pods.first.onBehalfOf(shown, writeScope));
      assert.equal(pods.keys('obo').length, kept ? 1 : 0);
    });
  }
});

describe('a token on behalf of a person', () => {
  const open = () => {
    const pods = openPods();
    const person = randomUUID();
    const index = pods.redisKeys.user(`${person}.${tenantId}`);
    return { pods, person, index, get: () => pods.first.onBehalfOf(pods.makeAssertion(person)) };
  };
  const away = () => new Fault('unavailable', 'away');
  /** Fails one operation of this name: the first, or a later one. */
  function fail(pods: Pods, name: string, nth = 1): void {
    let times = 0;
    pods.watch.step = async (when, operation) => {
      if (when !== 'before' || operation !== name) return;
      times += 1;
      if (times === nth) throw away();
    };
  }

  it('is in their index before it is written, and named there again after, for its life', async () => {
    const { pods, index, get } = open();
    const operations: string[] = [];
    pods.watch.step = async (when, operation) => {
      if (when !== 'before') return;
      if (['addMember', 'writeToken'].includes(operation)) operations.push(operation);
      // As a tidier does that takes it for dead.
      if (operation === 'writeToken')
        for (const key of await pods.store.members(index)) await pods.store.removeMember(index, key);
    };
    await get();
    assert.deepEqual(operations, ['addMember', 'writeToken', 'addMember']);
    assert.equal(pods.watch.ttls().get(index), 3_600_000);
    assert.equal((await pods.store.members(index)).length, 1);
  });

  it('is given and not kept where it cannot be named before, and neither where it cannot be after', async () => {
    const first = open();
    fail(first.pods, 'addMember');
    assert.ok(await first.get());
    assert.deepEqual(first.pods.keys('obo'), []);
    const second = open();
    fail(second.pods, 'addMember', 2);
    await assert.rejects(second.get(), faultOf('unavailable'));
    assert.deepEqual(second.pods.keys('obo'), []);
  });

  it('is given and not kept where it cannot be noted that it was issued after an end', async () => {
    const { pods, person } = open();
    pods.writeAssertions(300);
    await pods.first.broker.revoke(web, await pods.first.signIn(person));
    const fresh = await pods.first.exchange(await pods.first.signIn(person));
    fail(pods, 'set');
    assert.ok(await pods.first.onBehalfOf(fresh));
    assert.deepEqual(pods.keys('obo'), []);
  });

  it('is taken back, on all pods, where the person left while it was written', async () => {
    const { pods, person, get } = open();
    pods.watch.step = async (when, operation) => {
      if (when === 'before' && operation === 'writeToken') await pods.first.broker.endPerson(api, tenantId, person);
      if (when !== 'before' || !['delete', 'invalidate'].includes(operation)) return;
      for (let turns = operation === 'delete' ? 5 : 1; turns > 0; turns -= 1) await turn();
    };
    await assert.rejects(get(), faultOf('invalid_grant'));
    assert.deepEqual(pods.keys('obo'), []);
    const { writes } = pods.watch;
    const since = writes.slice(writes.findIndex((one) => one.startsWith('writeToken')));
    assert.deepEqual(
      since.map((one) => one.split(' ')[0]).filter((one) => one === 'delete' || one === 'invalidate'),
      ['delete', 'invalidate'],
    );
    assert.match(String(since.find((one) => one.startsWith('invalidate'))), / ob:v1:obo:/);
  });

  it('that was refused may be asked for again once this person signed in, and nobody else', async () => {
    const { pods, person, get } = open();
    pods.entra.responses.onBehalfOf = () => refusal('consent');
    const assertion = pods.makeAssertion(person);
    await assert.rejects(pods.first.onBehalfOf(assertion), faultOf('consent_required'));
    pods.entra.responses.onBehalfOf = undefined;
    await pods.first.signIn(randomUUID());
    await assert.rejects(pods.first.onBehalfOf(assertion), faultOf('consent_required'));
    await pods.first.signIn(person);
    assert.ok(await pods.first.onBehalfOf(assertion));
    assert.ok(await get());
  });

  it('is for scopes of the client, for all that are asked', async () => {
    const { pods, person } = open();
    for (const scope of ['', ' ', `${readScope} api://unknown/x`, 'api://unknown/x']) {
      await assert.rejects(pods.first.onBehalfOf(pods.makeAssertion(person), scope), faultOf('invalid_scope'), scope);
    }
    assert.equal(pods.entra.calls.length, 0);
    await pods.first.onBehalfOf(pods.makeAssertion(person), `${writeScope}  ${readScope} ${writeScope}`);
    assert.deepEqual(pods.entra.calls[0]?.scopes, [readScope, writeScope]);
    pods.entra.responses.onBehalfOf = () => refusal('consent');
    await assert.rejects(
      pods.first.onBehalfOf(pods.makeAssertion(person), `${writeScope} ${readScope}`),
      faultOf('consent_required', (fault) => {
        assert.equal(fault.toBody('t').scope, `${readScope} ${writeScope}`);
      }),
    );
  });

  it('is not asked for once they left', async () => {
    const { pods, person, get } = open();
    await pods.first.broker.endPerson(api, tenantId, person);
    await assert.rejects(get(), faultOf('invalid_grant'));
    assert.deepEqual(pods.entra.calls, []);
  });
});

describe('a token of a new session', () => {
  it('is noted as issued after the end of the one before, for its own life', async () => {
    const pods = openPods();
    pods.writeAssertions(300);
    const person = randomUUID();
    await pods.first.broker.revoke(web, await pods.first.signIn(person));
    const fresh = await pods.first.exchange(await pods.first.signIn(person));
    const lives = () => pods.keys('issued').map((key) => pods.watch.ttls().get(key));
    assert.deepEqual(lives(), [3_600_000]);
    await pods.first.onBehalfOf(fresh);
    assert.deepEqual(lives(), [3_600_000, 3_600_000]);
  });
});

describe('an app', () => {
  const ask = (pods: Pods, scope: string, client: Client = api) =>
    pods.first.broker.appToken(client, { scope, traceId });

  it('gets a token for exactly one resource as a whole', async () => {
    const pods = openPods();
    const both = { ...api, scopes: ['api://a/read', ...api.scopes] };
    for (const [scope, client] of [
      [readScope, api],
      [`${appScope} ${readScope}`, api],
      [`api://a/read ${appScope}`, both],
      ['', api],
      ['api://unknown/.default', api],
    ] as const)
      await assert.rejects(ask(pods, scope, client), faultOf('invalid_scope'), scope);
    assert.deepEqual(pods.entra.calls, []);
    assert.ok(await ask(pods, appScope));
    assert.ok(await ask(pods, `${appScope}  ${appScope}`), 'the same twice is one');
    assert.equal(pods.entra.calls.length, 1);
  });
});

describe('a sign-in', () => {
  const redeem = (pods: Pods, client: Client, more: object = {}) => {
    pods.entra.codes.set('code', randomUUID());
    const asked = { code: 'code', codeVerifier: 'v', redirectUri: 'https://app.test/callback', traceId };
    return pods.first.broker.redeem(client, { ...asked, ...more });
  };

  it('is begun for an address of its client alone, and a code shown with another is not spent', async () => {
    const pods = openPods();
    const refused = redeem(pods, web, { redirectUri: 'https://app.test/callback/' });
    await assert.rejects(refused, faultOf('unauthorized_client'));
    assert.deepEqual([pods.entra.calls, pods.watch.writes], [[], []]);
    assert.ok((await redeem(pods, web)).token);
  });

  it('tells its life, and what it is good for as far as that is named', async () => {
    const pods = openPods({ idleSeconds: 600, absoluteSeconds: 3_600 });
    const signIn = await redeem(pods, web, { scope: `openid ${readScope} unknown openid` });
    assert.deepEqual([signIn.expiresInSeconds, signIn.scope], [600, `openid ${readScope}`]);
    const given = 'openid profile offline_access';
    for (const scope of [undefined, 'unknown', '']) {
      assert.equal((await redeem(openPods(), web, { scope })).scope, given, scope);
    }
  });

  it('is marked for a minute for what was refused on behalf of the person before it', async () => {
    const pods = openPods();
    pods.watch.step = async (when, operation) => void (when === 'before' && operation === 'set' && (await turn()));
    await redeem(pods, web);
    assert.deepEqual(
      pods.keys('signin').map((key) => pods.watch.ttls().get(key)),
      [60_000],
    );
  });

  it('is given though that mark cannot be kept, and not where its session could not be ended everywhere', async () => {
    const pods = openPods();
    let sets = 0;
    pods.watch.step = async (when, operation) => {
      if (when === 'before' && operation === 'set') sets += 1;
      if (when === 'before' && operation === 'set' && sets === 2) throw new Fault('unavailable', 'away');
    };
    assert.ok((await redeem(pods, web)).token);
    pods.watch.step = undefined;
    assert.deepEqual(pods.keys('signin'), []);
    pods.entra.reset();
    pods.store.permitted = async () => {
      throw new Fault('unavailable', 'no channel');
    };
    await assert.rejects(redeem(pods, web), faultOf('unavailable'));
    assert.deepEqual(pods.entra.calls, []);
  });
});
