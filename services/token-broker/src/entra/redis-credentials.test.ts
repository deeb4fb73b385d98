import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import type { Client } from '../clients/clients.ts';
import { refusal } from './entra.fake.ts';
import type { Acquired, Entra, Refused } from './entra.ts';
import { entraCredentials } from './redis-credentials.ts';

const identity = { clientId: 'client', tenantId: 'tenant' };
const lifeSeconds = 3_600;
const turns = async () => {
  for (let i = 0; i < 20; i += 1) await new Promise(setImmediate);
};
const makeJwt = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.s`;
type Credentials = { username?: string; password?: string };

/** The provider as the Redis client sees it, over an Entra that gives a token a call, and a clock that is moved. */
function open({ mock }: TestContext, claims: object = { oid: 'object', sub: 'subject' }) {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const asked: { client: Client; scopes: string[] }[] = [];
  const events: string[] = [];
  const entra = { refused: undefined as Refused | undefined, gate: async () => {} };
  const appToken: Entra['appToken'] = async (client, { scopes }) => {
    asked.push({ client, scopes });
    const number = asked.length;
    await entra.gate();
    if (entra.refused) return entra.refused;
    const accessToken = makeJwt({ ...claims, number });
    const issuedAtSeconds = Date.now() / 1_000;
    return { kind: 'token', accessToken, scope: '', issuedAtSeconds, expiresInSeconds: lifeSeconds } as Acquired;
  };
  const logger = createLogger(
    { level: 'info', service: 'test' },
    { write: (line: string) => events.push(JSON.parse(line).event) },
  );
  const provider = entraCredentials({ appToken } as Entra, identity, logger);
  if (provider.type !== 'streaming-credentials-provider') assert.fail(provider.type);
  const subscribe = provider.subscribe.bind(provider);
  async function connect() {
    const renewed: Credentials[] = [];
    const listener = { onNext: (next: Credentials) => void renewed.push(next), onError: () => assert.fail() };
    const [first, subscription] = await subscribe(listener as unknown as Parameters<typeof subscribe>[0]);
    return { first: first as Credentials, renewed, subscription };
  }
  const passed = async (seconds: number) => {
    mock.timers.tick(seconds * 1_000);
    await turns();
  };
  return { entra, asked, events, connect, passed, token: (number: number) => makeJwt({ ...claims, number }) };
}

describe('the credentials for Redis by Entra ID', () => {
  it("are the identity's object id and a token for Redis", async (context) => {
    const { asked, connect, token } = open(context);
    const { first } = await connect();
    assert.deepEqual(first, { username: 'object', password: token(1) });
    assert.deepEqual(asked[0]?.scopes, ['https://redis.azure.com/.default']);
    const { clientId, tenantId, credentials } = asked[0]?.client ?? {};
    assert.deepEqual({ clientId, tenantId, credentials }, { ...identity, credentials: [{ type: 'federated' }] });
  });

  it('are by its subject where the token names no object', async (context) => {
    assert.equal((await open(context, { sub: 'subject' }).connect()).first.username, 'subject');
  });

  it('serve every connection by one token, renewed for all of them before it ends', async (context) => {
    const { asked, connect, passed, token } = open(context);
    const both = await Promise.all([connect(), connect()]);
    await passed(10);
    const all = [...both, await connect()];
    for (const { first } of all) assert.equal(first.password, token(1));
    await passed(0.7 * lifeSeconds - 11);
    assert.equal(asked.length, 1);
    await passed(1);
    assert.equal(asked.length, 2);
    for (const { renewed } of all) assert.deepEqual(renewed, [{ username: 'object', password: token(2) }]);
    assert.equal((await connect()).first.password, token(2));
    await passed(0.7 * lifeSeconds);
    for (const { renewed } of all) assert.deepEqual(renewed.at(-1)?.password, token(3));
  });

  it('are asked for again each second while Entra gives none', async (context) => {
    const { entra, asked, events, connect, passed, token } = open(context);
    const { renewed } = await connect();
    entra.refused = refusal('transient');
    await passed(0.7 * lifeSeconds);
    for (let seconds = 1; seconds <= 3; seconds += 1) {
      assert.deepEqual([asked.length, events.length], [1 + seconds, seconds]);
      await passed(1);
    }
    assert.equal(events[0], 'redis.token_failed');
    assert.deepEqual(renewed, []);
    entra.refused = undefined;
    await passed(1);
    assert.deepEqual(renewed, [{ username: 'object', password: token(6) }]);
    const calls = asked.length;
    await passed(1_000);
    assert.equal(asked.length, calls);
  });

  it('fail a connection by the class of the refusal; the next one asks anew', async (context) => {
    const { entra, connect, token } = open(context);
    entra.refused = refusal('credential');
    await assert.rejects(connect(), { name: 'NoRedisToken', code: 'ENTRA_CREDENTIAL' });
    entra.refused = undefined;
    assert.equal((await connect()).first.password, token(2));
  });

  it('are not renewed for a connection that is gone', async (context) => {
    const { asked, connect, passed } = open(context);
    const { renewed, subscription } = await connect();
    subscription.dispose();
    await passed(2 * lifeSeconds);
    assert.deepEqual([asked.length, renewed], [1, []]);
  });
});
