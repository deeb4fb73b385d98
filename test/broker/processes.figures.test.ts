import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import { record } from '../../tools/run/figures.ts';
import { openRedisCluster, type RedisCluster } from '../kit/redis/cluster.ts';
import { redisPassword } from '../kit/system/environments.ts';
import { openSystem } from '../kit/system/open.ts';
import { apiScope, consentedWeb, grants, graphScope, tenantId } from '../kit/system/registrations.ts';
import type { BrokerResponse, System } from '../kit/system/system.ts';

const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
const refreshToken = 'urn:ietf:params:oauth:token-type:refresh_token';
const brokers = [0, 1, 2];
let cluster: RedisCluster;
let system: System;

before(async () => {
  cluster = await openRedisCluster('out/broker-processes-redis');
  system = await openSystem({
    name: 'broker-processes',
    brokers: brokers.length,
    seed: (usual) => consentedWeb(usual, [apiScope, graphScope]),
    clients: (usual) => ({
      ...usual,
      web: { ...usual.web, processes: { clients: ['nightly'], lifeSeconds: 86_400 } },
      // A job with a ServiceAccount of its own.
      nightly: { ...usual.job, grants: ['refresh_token'], scopes: [], subjects: usual.job.subjects },
    }),
    redisEnv: async (stateDir) => ({
      REDIS_URL: `redis://127.0.0.1:${cluster.nodes[0]?.port}`,
      REDIS_MODE: 'cluster',
      ...(await redisPassword(stateDir, cluster.password)),
    }),
  });
  await system.until(async () => (await system.signIn('bob').catch(() => '')) !== '');
});
after(async () => {
  await system.close();
  await cluster[Symbol.asyncDispose]();
});

/** Begins a process with a session, for the job. */
async function start(session: string): Promise<string> {
  const { status, body } = await system.post(0, '/oauth2/token', {
    ...{ grant_type: grants.exchange, subject_token: session, subject_token_type: accessToken },
    ...{ requested_token_type: refreshToken, audience: 'nightly', scope: `${apiScope} ${graphScope}` },
  });
  assert.deepEqual(
    [status, body.issued_token_type, body.token_type, body.expires_in],
    [200, refreshToken, 'N_A', 86_400],
  );
  return String(body.access_token);
}

const ask = (broker: number, process: string, scope: string) =>
  system.post(
    broker,
    '/oauth2/token',
    { grant_type: 'refresh_token', refresh_token: process, scope, client_id: 'nightly' },
    'job',
  );

/** Milliseconds until every broker refuses. */
async function untilRefused(process: string): Promise<number> {
  const startedMs = performance.now();
  const refused = ({ status, body }: BrokerResponse) => status === 400 && body.error === 'invalid_grant';
  const ends = brokers.map(async (broker) => {
    await system.until(async () => refused(await ask(broker, process, apiScope)));
    return performance.now() - startedMs;
  });
  return Math.max(...(await Promise.all(ends)));
}

describe('a process, over three brokers and a Redis Cluster', () => {
  it('acquires what nobody had acquired before its person left, by the refresh token that MSAL kept', async () => {
    const session = await system.signIn('alice');
    const process = await start(session);
    assert.equal((await system.post(1, '/oauth2/revoke', { token: session })).status, 200);
    assert.equal((await system.exchange(0, session)).body.error, 'invalid_grant');
    const tokens = await Promise.all(brokers.map((broker) => ask(broker, process, graphScope)));
    assert.deepEqual(
      tokens.map(({ status }) => status),
      [200, 200, 200],
    );
    assert.equal(new Set(tokens.map(({ body }) => body.access_token)).size, 1);
    const { oid } = decodeJwt(String(tokens[0]?.body.access_token));
    assert.equal(oid, system.emulator.ids.users.alice);
    const token = await ask(2, process, apiScope);
    assert.equal(decodeJwt(String(token.body.access_token)).scp, 'access_as_user');
  });

  it('ends at every broker with a sign-out everywhere of a later session, and by the operator', async () => {
    const first = await start(await system.signIn('alice'));
    const later = await system.signIn('alice');
    assert.equal((await ask(1, first, apiScope)).status, 200);
    await system.post(2, '/sessions/end', { subject_token: later });
    record('process: until every broker refuses after a sign-out everywhere', await untilRefused(first));
    const second = await start(await system.signIn('alice'));
    const oid = String(system.emulator.ids.users.alice);
    const listed = await system.post(0, '/processes/list', { tid: tenantId, oid }, 'operator');
    assert.deepEqual(
      (listed.body.processes as { client_id: string }[]).map(({ client_id }) => client_id),
      ['nightly'],
    );
    await system.post(1, '/sessions/end', { tid: tenantId, oid }, 'operator');
    record('process: until every broker refuses after the operator', await untilRefused(second));
  });

  it('ends, with all sessions, when Entra ID says that the account is disabled', async () => {
    const session = await system.signIn('alice');
    const process = await start(session);
    await system.admin('POST', '/users/alice@contoso.test/disable');
    const response = await ask(0, process, graphScope);
    await system.admin('POST', '/users/alice@contoso.test/enable');
    assert.deepEqual([response.status, response.body.error], [400, 'invalid_grant'], JSON.stringify(response.body));
    await untilRefused(process);
    assert.equal((await system.post(1, '/oauth2/introspect', { token: session })).body.active, false);
  });
});
