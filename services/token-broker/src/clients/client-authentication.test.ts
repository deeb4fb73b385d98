import assert from 'node:assert/strict';
import { createPublicKey, type KeyObject, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { faultOf } from '@onbehalf/node/core/fault.fake';
import { makeKey } from '@onbehalf/node/core/keys/issuer.fake';
import { RateLimit } from '@onbehalf/node/core/network/rate-limit';
import { type FakeBroker, type Fields, gatewaySecret, openBroker } from '../grants/broker.fake.ts';
import { ClientAuthentication } from './client-authentication.ts';
import { parseClients } from './clients.ts';

const token = '/oauth2/token';
let broker: FakeBroker;
before(async () => {
  broker = await openBroker();
});
after(() => broker[Symbol.asyncDispose]());

const ask = async (fields: Fields, headers = {}) =>
  (await broker.post(token, undefined, { ...broker.appGrant(), ...fields }, headers)).status;
/** What a file holds from now on; the broker looks once a second at most. */
async function holds(name: string, text: string, until: () => Promise<boolean>): Promise<void> {
  await writeFile(join(broker.directory, name), text);
  const endMs = performance.now() + 20_000;
  while (!(await until())) {
    assert.ok(performance.now() < endMs, 'it did not become so');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const configuration = {
  ...{ tenantId: randomUUID(), clientId: randomUUID(), credentials: [{ type: 'federated' }] },
  grants: ['client_credentials'],
};
/** Three proofs at once, and one more a second. */
function open() {
  const clock = { ms: Date.now() };
  const state = { clients: broker.clients };
  const attempts = new RateLimit({ perSecond: 1, burst: 3 }, () => clock.ms);
  const lines: string[] = [];
  const logger = createLogger({ level: 'info', service: 'test' }, { write: (line) => void lines.push(line) });
  const proofs = new ClientAuthentication({
    ...{ clients: () => state.clients, audiences: [broker.config.brokerUrl], attempts, logger },
    nowMs: () => clock.ms,
  });
  return { proofs, clock, state, lines };
}

describe('a client without a ServiceAccount', () => {
  it('proves itself by its secret in the header, encoded as RFC 6749 has it or not', async () => {
    const encoded = encodeURIComponent(gatewaySecret).replaceAll('%20', '+');
    for (const secret of [gatewaySecret, encoded]) assert.equal(await ask({}, broker.basic('gateway', secret)), 200);
    const clientId = String(broker.clients.byName.get('gateway')?.clientId);
    assert.equal(await ask({}, broker.basic(clientId.toUpperCase(), encoded)), 200);
    assert.equal(await ask({ client_id: 'gateway' }, broker.basic('gateway', encoded)), 200);
    assert.equal(broker.entra.calls.at(-1)?.client, 'gateway');
  });

  it('proves itself by its secret in the body, by name or client id, and by an older one while that stands', async () => {
    for (const client_id of ['gateway', broker.clients.byName.get('gateway')?.clientId]) {
      for (const client_secret of [gatewaySecret, 'old-secret-canary']) {
        assert.equal(await ask({ client_id, client_secret }), 200);
      }
    }
  });

  it('proves itself by a JWT of its own key, for any of our addresses, again and again until it ends', async () => {
    const clientId = broker.clients.byName.get('gateway')?.clientId;
    for (const claims of [
      {},
      { iss: clientId, sub: clientId },
      { aud: `${broker.config.brokerUrl}${token}` },
      { aud: ['https://elsewhere.test', `${broker.config.brokerUrl}/oauth2/introspect`] },
      { iat: undefined, nbf: undefined, jti: 'x' },
    ]) {
      const caller = broker.ownCaller(claims);
      for (let i = 0; i < 2; i += 1) assert.equal(await ask(caller), 200, JSON.stringify(claims));
    }
  });

  it('is one beside the ServiceAccounts, which it leaves as they are', async () => {
    assert.equal(await ask(broker.caller('vault')), 200, 'a client may have both');
    assert.equal(await ask({}, broker.basic('vault', 'other-secret-canary')), 200);
    const { body } = await broker.send({ method: 'GET', path: '/.well-known/oauth-authorization-server' });
    assert.deepEqual(body.token_endpoint_auth_methods_supported, [
      'private_key_jwt',
      'client_secret_basic',
      'client_secret_post',
    ]);
  });

  it('is told to slow down before its proof is looked at, by address and client', async () => {
    const { proofs, clock } = open();
    const slow = faultOf('too_many_requests');
    for (let i = 0; i < 3; i += 1) assert.deepEqual(await proofs.bySecret('gateway', ['wrong'], 'a'), []);
    await assert.rejects(proofs.bySecret('gateway', [gatewaySecret], 'a'), slow);
    const forged = String(broker.ownCaller({}, { key: makeKey().privateKey }).client_assertion);
    await assert.rejects(proofs.byAssertion(forged, 'a'), slow);
    assert.equal((await proofs.bySecret('gateway', [gatewaySecret], 'b')).length, 1, 'another address');
    assert.equal((await proofs.bySecret('vault', ['other-secret-canary'], 'a')).length, 1, 'another client');
    clock.ms += 1_000;
    assert.equal((await proofs.bySecret('gateway', [gatewaySecret], 'a')).length, 1);
  });

  it('is verified once while its assertion lives, and not after the configuration has changed', async () => {
    const { proofs, clock, state } = open();
    const assertion = String(broker.ownCaller().client_assertion);
    for (let i = 0; i < 10; i += 1) assert.equal((await proofs.byAssertion(assertion, 'a'))?.length, 1);
    state.clients = parseClients(
      JSON.stringify({ vault: { ...configuration, subjects: ['system:serviceaccount:a:b'] } }),
    );
    assert.equal(await proofs.byAssertion(assertion, 'a'), undefined);
    state.clients = broker.clients;
    clock.ms += 600_000;
    assert.deepEqual(await proofs.byAssertion(assertion, 'a'), []);
  });

  it('may sign for ten minutes ahead, as its clock has them', async () => {
    const { proofs, clock } = open();
    const found = async (seconds: number) => {
      const exp = Math.floor(clock.ms / 1_000) + seconds;
      return (await proofs.byAssertion(String(broker.ownCaller({ exp }).client_assertion), `${seconds}`))?.length;
    };
    assert.deepEqual([await found(600), await found(659), await found(662), await found(3_600)], [1, 1, 0, 0]);
  });

  it('is one of several each time, where they share a key', async () => {
    const { proofs, state } = open();
    const authentication = [{ type: 'private_key_jwt', file: join(broker.directory, 'jwks') }];
    state.clients = parseClients(
      JSON.stringify({
        one: { ...configuration, authentication },
        two: { ...configuration, authentication },
      }),
    );
    const { clientId } = configuration;
    const assertion = String(broker.ownCaller({ iss: clientId, sub: clientId }).client_assertion);
    for (let i = 0; i < 2; i += 1) assert.equal((await proofs.byAssertion(assertion, `${i}`))?.length, 2);
  });

  it('is refused while a file is not there, which is said once', async () => {
    const { proofs, state, lines } = open();
    const authentication = ['client_secret', 'private_key_jwt'].map((type) => ({ type, file: '/nowhere/canary' }));
    state.clients = parseClients(JSON.stringify({ vm: { ...configuration, authentication } }));
    const assertion = String(broker.ownCaller({ iss: 'vm', sub: 'vm' }).client_assertion);
    for (const address of ['a', 'b', 'c']) {
      assert.deepEqual(await proofs.bySecret('vm', ['x'], address), []);
      assert.deepEqual(await proofs.byAssertion(assertion, address), []);
    }
    const told = lines
      .map((line) => JSON.parse(line))
      .map(({ event, client, authentication: type }) => [event, client, type]);
    assert.deepEqual(told, [
      ['authentication.unusable', 'vm', 'client_secret'],
      ['authentication.unusable', 'vm', 'private_key_jwt'],
    ]);
  });

  it('has its new secret and key as soon as they are mounted, and keeps the last good ones of a broken file', async () => {
    const next = makeKey();
    const pem = (key: KeyObject) => String(key.export({ type: 'spki', format: 'pem' }));
    const remembered = broker.ownCaller({}, { header: { kid: undefined } });
    assert.equal(await ask(remembered), 200);
    const by = (key: KeyObject) => async () =>
      (await ask(broker.ownCaller({}, { header: { kid: undefined }, key }))) === 200;
    await holds('jwks', pem(createPublicKey(next.privateKey)) + pem(broker.ownKey.publicKey), by(next.privateKey));
    assert.ok(await by(broker.ownKey.privateKey)(), 'either of two keys');
    const unusable = () => broker.lines.filter((line) => line.includes('authentication.unusable'));
    for (const text of [
      '{"keys":[{"kty":"oct","k":"canary"}]}',
      'canary',
      '',
      pem(next.publicKey).replace('MII', 'canary'),
    ]) {
      const before = unusable().length;
      await holds('jwks', text, async () => (await by(next.privateKey)()) && unusable().length > before);
      for (let i = 0; i < 3; i += 1) assert.ok(await by(next.privateKey)());
      assert.equal(unusable().length, before + 1, 'said once');
      assert.doesNotMatch(unusable().join(), /canary/);
    }
    await holds('jwks', pem(next.publicKey), async () => (await ask(remembered)) === 401);
    const secret = async (client_secret: string) => (await ask({ client_id: 'gateway', client_secret })) === 200;
    await holds('old', 'new-secret-canary', () => secret('new-secret-canary'));
    assert.ok(!(await secret('old-secret-canary')));
  });
});
