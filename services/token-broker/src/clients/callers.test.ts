import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { FaultCode } from '@onbehalf/node/core/fault';
import { faultOf } from '@onbehalf/node/core/fault.fake';
import { type FakeIssuer, makeKey, openIssuer } from '@onbehalf/node/core/keys/issuer.fake';
import { type CryptoKey, generateKeyPair, SignJWT } from 'jose';
import { assertionType, Callers, clusterKeys } from './callers.ts';
import { type Clients, parseClients } from './clients.ts';

const subject = 'system:serviceaccount:onbehalf:web';
const makeClients = (subjects: string[]): Clients =>
  parseClients(
    JSON.stringify({
      web: {
        ...{ tenantId: randomUUID(), clientId: randomUUID(), subjects, credentials: [{ type: 'federated' }] },
        ...{ grants: ['client_credentials'], scopes: ['x/.default'] },
      },
    }),
  );

describe('callers', () => {
  let issuer: FakeIssuer;
  before(async () => {
    issuer = await openIssuer();
  });
  after(() => issuer[Symbol.asyncDispose]());

  function open({
    keys = clusterKeys({ issuer: issuer.origin, jwksUri: `${issuer.origin}/keys` }),
    nowMs = Date.now,
  } = {}) {
    const state = { clients: makeClients([subject]), verified: 0 };
    const callers = new Callers({
      issuer: issuer.origin,
      audience: 'token-broker',
      keys: (header, token) => {
        state.verified += 1;
        return keys(header, token);
      },
      clients: () => state.clients,
      nowMs,
    });
    const authenticate = (assertion: string) => {
      const form = { client_assertion_type: assertionType, client_assertion: assertion };
      return callers.authenticate(form, undefined);
    };
    return { state, callers, authenticate };
  }
  const assertion = (claims: object = {}, forgery = {}) =>
    issuer.user({ iss: issuer.origin, aud: 'token-broker', sub: subject, ...claims }, forgery);

  it('are verified once while their assertion lives, and not a moment longer', async () => {
    const clock = { ms: Date.now() };
    const { state, authenticate } = open({ nowMs: () => clock.ms });
    const mine = assertion({ exp: Math.floor(clock.ms / 1_000) + 300 });
    for (let i = 0; i < 10; i += 1) assert.equal((await authenticate(mine)).name, 'web');
    assert.equal(state.verified, 1);
    await authenticate(assertion({ jti: 'another' }));
    assert.equal(state.verified, 2);
    clock.ms += 361_000;
    await assert.rejects(authenticate(mine), faultOf('invalid_client'));
  });

  it('are not remembered when they were refused', async () => {
    const { state, authenticate } = open();
    const forged = assertion({ aud: 'x' });
    for (let i = 1; i <= 2; i += 1) {
      await assert.rejects(authenticate(forged), faultOf('invalid_client'));
      assert.equal(state.verified, i);
    }
  });

  it('lose their client as soon as the configuration says so, remembered or not', async () => {
    const { state, authenticate } = open();
    const mine = assertion();
    await authenticate(mine);
    state.clients = makeClients(['system:serviceaccount:onbehalf:other']);
    await assert.rejects(authenticate(mine), faultOf('invalid_client'));
  });

  it('are not told that they are wrong while the keys cannot be fetched', async () => {
    issuer.answer(500);
    for (const keys of [
      clusterKeys({ issuer: issuer.origin, jwksUri: `${issuer.origin}/keys` }),
      clusterKeys({ issuer: issuer.origin }),
      clusterKeys({ issuer: 'http://127.0.0.1:1' }),
    ]) {
      await assert.rejects(
        open({ keys }).authenticate(assertion()),
        faultOf('unavailable', (fault) => {
          assert.equal(fault.retryAfterSeconds, 2);
        }),
      );
    }
    issuer.answer(200);
    const { authenticate } = open();
    assert.equal((await authenticate(assertion())).name, 'web');
  });

  it('with unknown keys cost one fetch in ten seconds, however many come', async () => {
    const { authenticate } = open();
    await authenticate(assertion());
    const before = issuer.fetches.length;
    const stranger = makeKey();
    for (let i = 0; i < 200; i += 1) {
      const forged = assertion({}, { header: { kid: randomUUID() }, key: stranger.privateKey });
      await assert.rejects(authenticate(forged), faultOf('invalid_client'));
    }
    assert.ok(issuer.fetches.length - before <= 1);
  });

  describe('while the cluster gives no keys', () => {
    const minuteMs = 60_000;
    const dayMs = 1_440 * minuteMs;

    /** A cluster of its own under a clock that is moved, and an assertion that is fresh under it. */
    async function openAt() {
      const cluster = await openIssuer();
      const clock = { ms: Date.now() };
      const nowMs = () => clock.ms;
      const keys = clusterKeys({ issuer: cluster.origin, jwksUri: `${cluster.origin}/keys`, nowMs });
      const options = { issuer: cluster.origin, audience: 'token-broker', keys, nowMs };
      const callers = new Callers({ ...options, clients: () => makeClients([subject]) });
      const fresh = (forgery = {}) => {
        const iat = Math.floor(clock.ms / 1_000);
        const claims = { iss: cluster.origin, aud: 'token-broker', sub: subject, iat, nbf: iat, exp: iat + 600 };
        return cluster.user({ ...claims, jti: randomUUID() }, forgery);
      };
      const ask = (client_assertion = fresh()) =>
        callers.authenticate({ client_assertion_type: assertionType, client_assertion }, undefined).then(
          ({ name }) => name,
          (error) => error.code,
        );
      return { cluster, clock, fresh, ask, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() };
    }

    it('are known by those at hand for a day, and not for longer, until it gives them again', async () => {
      await using at = await openAt();
      const { cluster, clock, ask } = at;
      assert.equal(await ask(), 'web');
      cluster.answer(503);
      const startMs = clock.ms;
      for (const minutes of [9, 10.5, 11, 60, 1_439]) {
        clock.ms = startMs + minutes * minuteMs;
        assert.equal(await ask(), 'web', `${minutes} minutes`);
      }
      clock.ms = startMs + dayMs + 1;
      assert.equal(await ask(), 'unavailable');
      cluster.answer(200);
      clock.ms += 2_000;
      assert.equal(await ask(), 'web');
    });

    for (const [how, body] of [
      ['nothing', ''],
      ['a page', '<html>Sign in to the network</html>'],
      ['null', 'null'],
      ['no member keys', '{}'],
      ['no key', '{"keys":[]}'],
      ['keys that are none', '{"keys":[null]}'],
      ['a key that verifies nothing', '{"keys":[{"kty":"oct","k":"AAAA"}]}'],
    ] as const) {
      it(`but ${how}, are known by those at hand`, async () => {
        await using at = await openAt();
        assert.equal(await at.ask(), 'web');
        at.cluster.answer(200, body);
        at.clock.ms += 11 * minuteMs;
        while (at.cluster.fetches.length < 4) {
          assert.equal(await at.ask(), 'web');
          at.clock.ms += 2_000;
        }
      });
    }

    it('cost it one fetch in ten seconds if their key is unknown, and are not told that they are wrong', async () => {
      await using at = await openAt();
      const { cluster, clock, ask, fresh } = at;
      assert.equal(await ask(), 'web');
      cluster.answer(503);
      clock.ms += 10_000;
      const stranger = makeKey();
      const strange = () => fresh({ header: { kid: randomUUID() }, key: stranger.privateKey });
      const verdicts = await Promise.all(Array.from({ length: 50 }, () => ask(strange())));
      for (let i = 0; i < 50; i += 1) verdicts.push(await ask(strange()));
      clock.ms += 9_999;
      verdicts.push(await ask(strange()));
      assert.deepEqual(new Set(verdicts), new Set(['unavailable']));
      assert.equal(cluster.fetches.length, 2);
      clock.ms += 1;
      assert.equal(await ask(strange()), 'unavailable');
      assert.equal(cluster.fetches.length, 3);
    });

    it('are refused by the first set that lacks their key, remembered or not', async () => {
      await using at = await openAt();
      const { cluster, clock, ask, fresh } = at;
      const next = makeKey();
      const lasting = cluster.user({
        ...{ iss: cluster.origin, aud: 'token-broker', sub: subject },
        exp: Math.floor(clock.ms / 1_000) + 86_400,
      });
      assert.equal(await ask(lasting), 'web');
      cluster.publish(next);
      cluster.withdraw(cluster.active);
      clock.ms += 10.5 * minuteMs;
      assert.equal(await ask(lasting), 'invalid_client');
      assert.equal(await ask(), 'invalid_client');
      assert.equal(await ask(fresh({ header: { kid: next.kid }, key: next.privateKey })), 'web');
    });
  });

  it('are never an outage, whatever they send', async () => {
    const { authenticate } = open();
    const good = assertion();
    const [header = '', payload = '', signature = ''] = good.split('.');
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const odd = [
      ...['', '.', '..', '...', 'a.b.c', `${header}..${signature}`, `${header}.${payload}.`, `${good}.`, ` ${good}`],
      ...[[], 1, null, 'x', {}, { alg: 1 }, { alg: 'RS256', kid: [] }, { alg: 'RS256', b64: false, crit: ['b64'] }].map(
        (one) => `${encode(one)}.${payload}.${signature}`,
      ),
      ...[
        { alg: 'RS256', crit: 'x' },
        { alg: 'ES256', kid: issuer.active.kid },
        { alg: 'PS256', kid: issuer.active.kid },
      ].map((one) => `${encode(one)}.${payload}.${signature}`),
    ];
    for (const one of odd) await assert.rejects(authenticate(one), faultOf('invalid_client'), one);
    for (const claims of [
      { exp: 1e300 },
      { exp: -1 },
      { nbf: 'x' },
      { iat: 'x' },
      { aud: 1 },
      { aud: {} },
      { sub: '' },
      { sub: 1 },
    ]) {
      await authenticate(assertion(claims)).then(() => assert.ok('exp' in claims), faultOf('invalid_client'));
    }
  });

  it('may be signed in every way that clusters sign, and in no other', async () => {
    const { privateKey: rsa, publicKey: rsaPublic } = makeKey();
    const signed = async (alg: string) => {
      const [privateKey, publicKey] = alg.startsWith('ES')
        ? Object.values(await generateKeyPair(alg)).toReversed()
        : [rsa, rsaPublic];
      const { authenticate } = open({ keys: async () => publicKey as CryptoKey });
      const claims = { iss: issuer.origin, aud: 'token-broker', sub: subject };
      const jwt = new SignJWT(claims).setProtectedHeader({ alg }).setExpirationTime('1h');
      return authenticate(await jwt.sign(privateKey as CryptoKey));
    };
    for (const alg of ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'PS256'])
      assert.equal((await signed(alg)).name, 'web', alg);
    for (const alg of ['PS384', 'PS512', 'ES512']) await assert.rejects(signed(alg), faultOf('invalid_client'), alg);
  });

  it('need an assertion that names them, and ends', async () => {
    const { authenticate } = open();
    for (const claims of [{ sub: undefined }, { exp: undefined }, { iss: undefined }, { aud: undefined }])
      await assert.rejects(authenticate(assertion(claims)), faultOf('invalid_client'), JSON.stringify(claims));
  });

  it('are known by one method at a time, and by an assertion alone', async () => {
    const { callers } = open();
    const proof = { client_assertion_type: assertionType, client_assertion: assertion() };
    assert.equal((await callers.authenticate(proof, undefined)).name, 'web');
    const refused: [form: Record<string, string>, authorization: string | undefined, expected: FaultCode][] = [
      [proof, 'Basic eDp5', 'invalid_request'],
      [{ ...proof, client_secret: 'x' }, undefined, 'invalid_request'],
      [{ client_secret: 'x' }, 'Basic eDp5', 'invalid_request'],
      [{ client_secret: 'x' }, undefined, 'invalid_client'],
      [{}, 'Basic eDp5', 'invalid_client'],
      [{}, undefined, 'invalid_client'],
      [{ client_assertion_type: assertionType }, 'Basic eDp5', 'invalid_request'],
      [{ client_assertion: proof.client_assertion }, 'Basic eDp5', 'invalid_request'],
      [{ client_assertion: proof.client_assertion }, undefined, 'invalid_client'],
      [{ ...proof, client_assertion_type: 'x' }, undefined, 'invalid_client'],
    ];
    for (const [form, authorization, expected] of refused) {
      await assert.rejects(
        callers.authenticate(form, authorization),
        faultOf(expected, (fault) => {
          const challenge = expected === 'invalid_client' ? 'Basic realm="token-broker"' : undefined;
          assert.equal(fault.toHeaders()['WWW-Authenticate'], challenge);
        }),
      );
    }
    assert.equal(assertionType, 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
  });

  it('with a secret or a key of their own are known by it, and a ServiceAccount all the same', async () => {
    const asked: unknown[] = [];
    const [web] = makeClients([subject]).byName.values();
    assert.ok(web);
    const callers = new Callers({
      ...{ issuer: issuer.origin, audience: 'token-broker', clients: () => makeClients([subject]) },
      keys: clusterKeys({ issuer: issuer.origin, jwksUri: `${issuer.origin}/keys` }),
      own: {
        async bySecret(...proof) {
          asked.push(proof);
          return [{ ...web, name: 'own' }];
        },
        async byAssertion(...proof) {
          asked.push(proof);
          return proof[0] === 'own key' ? [{ ...web, name: 'own' }] : undefined;
        },
      },
    });
    const toName = async (form: Record<string, string>, authorization?: string) =>
      (await callers.authenticate(form, authorization, '10.0.0.1')).name;
    const signed = (client_assertion: string) => ({ client_assertion_type: assertionType, client_assertion });
    assert.equal(await toName(signed('own key')), 'own');
    assert.equal(await toName({ client_secret: 's', client_id: 'own' }), 'own');
    assert.equal(await toName({ client_secret: 's' }), 'own');
    assert.equal(await toName({}, 'Basic b3duOnM='), 'own');
    const proofs = [['own key'], ['own', ['s']], ['', ['s']], ['own', ['s']]];
    assert.deepEqual(
      asked,
      proofs.map((one) => [...one, '10.0.0.1']),
    );
    assert.equal(await toName(signed(assertion())), 'web');
  });

  it('of several clients say which one, by its name or its id', async () => {
    const { callers, state } = open();
    const common = { tenantId: randomUUID(), subjects: [subject], credentials: [{ type: 'federated' }] };
    const grants = { grants: ['client_credentials'], scopes: ['x/.default'] };
    const [a, b, foreign] = [randomUUID(), randomUUID(), randomUUID()];
    state.clients = parseClients(
      JSON.stringify({
        a: { ...common, ...grants, clientId: a },
        b: { ...common, ...grants, clientId: b },
        foreign: { ...common, ...grants, clientId: foreign, subjects: ['system:serviceaccount:x:y'] },
      }),
    );
    const proof = { client_assertion_type: assertionType, client_assertion: assertion() };
    const as = (client_id?: string) => callers.authenticate({ ...proof, ...(client_id && { client_id }) }, undefined);
    const names = [(await as('a')).name, (await as(b)).name, (await as('b')).name, (await as(a)).name];
    assert.deepEqual(names, ['a', 'b', 'b', 'a']);
    for (const other of ['foreign', foreign, 'c']) await assert.rejects(as(other), faultOf('invalid_client'));
    await assert.rejects(as(), faultOf('invalid_request'));
  });
});
