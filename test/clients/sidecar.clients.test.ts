import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readClaims } from '../../services/entra-emulator/src/rig.fake.ts';
import { answers, startChild } from '../kit/child.ts';
import { freePort } from '../kit/ports.ts';
import { openSystem } from '../kit/system/open.ts';
import { appScope, graphScope } from '../kit/system/registrations.ts';
import type { System } from '../kit/system/system.ts';
import { clientTests, runProgram } from './client.ts';

const name = 'clients-sidecar';
let system: System;
const sidecars: string[] = [];

/** A sidecar as a pod would run it, whose ServiceAccount is that of this client of the broker. */
async function startSidecar(as: 'api' | 'job', more: Record<string, string> = {}): Promise<string> {
  const { apps, tenants } = system.emulator.ids;
  const [httpPort, adminPort] = [await freePort(), await freePort()];
  const assertionFile = join(system.stateDir, `sidecar-${httpPort}.jwt`);
  await writeFile(
    assertionFile,
    await system.cluster.mint({ namespace: 'onbehalf', name: as, audience: 'token-broker' }),
  );
  const child = await startChild({
    ...{ name: `sidecar-${httpPort}`, command: process.execPath, args: ['services/sidecar/src/main.ts'] },
    env: {
      ...{ PATH: process.env.PATH ?? '', NODE_EXTRA_CA_CERTS: join(system.stateDir, 'emulator', 'ca.pem') },
      ...{ HTTP_PORT: `${httpPort}`, ADMIN_PORT: `${adminPort}`, SHUTDOWN_DELAY_MS: '0', BIND_ADDRESS: '127.0.0.1' },
      ...{ BROKER_URL: system.broker, BROKER_ASSERTION_FILE: assertionFile },
      ...{ AzureAd__Instance: system.emulator.origin, AzureAd__TenantId: tenants.contoso, AzureAd__ClientId: apps.api },
      ...{ DownstreamApis__Job__Scopes__0: appScope, DownstreamApis__Job__RequestAppToken: 'true' },
      ...{ DownstreamApis__Graph__Scopes__0: graphScope, DownstreamApis__Graph__RelativePath: 'me' },
      DownstreamApis__Graph__BaseUrl: `${system.emulator.origin}/v1.0/`,
      ...more,
    },
    logFile: join(system.logDir, `sidecar-${httpPort}.log`),
    ready: () => answers(`http://127.0.0.1:${adminPort}/readyz`),
  });
  system.use(child);
  return `http://localhost:${httpPort}`;
}

before(async () => {
  system = await openSystem({ name, brokers: 3, signing: 'each' });
  sidecars.push(...(await Promise.all([startSidecar('api'), startSidecar('api'), startSidecar('api')])));
});
after(() => system?.close());

const tokenOfAlice = async () => {
  const session = await system.signIn('alice@contoso.test');
  return String((await system.exchange(0, session)).body.access_token);
};

async function ask(at: string, path: string, token: string, init: RequestInit = {}) {
  const headers = { authorization: `Bearer ${token}`, ...init.headers };
  const response = await fetch(`${at}${path}`, { ...init, headers, signal: AbortSignal.timeout(20_000) });
  const body = (await response.json()) as {
    authorizationHeader: string;
    statusCode: number;
    content: string;
    claims: { oid: string };
  };
  return { status: response.status, body };
}

describe('three sidecars of three brokers', () => {
  it('make one call to Entra for a hundred requests of one user, and give all the same token', async () => {
    const token = await tokenOfAlice();
    await system.admin('DELETE', '/counters');
    const asked = Array.from({ length: 99 }, (_, n) => ask(sidecars[n % 3] ?? '', '/AuthorizationHeader/Graph', token));
    const responses = await Promise.all(asked);
    const headers = new Set(responses.map(({ body }) => body.authorizationHeader));
    assert.equal(headers.size, 1);
    const { aud, azp, oid } = readClaims(String([...headers][0]).replace('Bearer ', ''));
    const { apps, users } = system.emulator.ids;
    assert.deepEqual([aud, azp, oid], ['https://graph.microsoft.com', apps.api, users.alice]);
    assert.equal(await system.calls(), 1);
  });

  it('call the API for the user, and say who a token is of', async () => {
    const token = await tokenOfAlice();
    const { status, body } = await ask(sidecars[0] ?? '', '/DownstreamApi/Graph', token, { method: 'POST' });
    assert.deepEqual([status, body.statusCode], [200, 200]);
    assert.equal(JSON.parse(body.content).userPrincipalName, 'alice@contoso.test');
    const { oid } = (await ask(sidecars[1] ?? '', '/Validate', token)).body.claims;
    assert.equal(oid, system.emulator.ids.users.alice);
  });

  it('give nobody a token whose own token is of another API, has ended, or is none', async () => {
    const session = await system.signIn('alice@contoso.test');
    const graph = String((await system.exchange(0, session, graphScope)).body.access_token);
    for (const token of [graph, session, 'none'])
      assert.equal((await ask(sidecars[0] ?? '', '/AuthorizationHeader/Graph', token)).status, 401);
  });
});

clientTests(
  {
    client: 'Microsoft Agents SDK (entra-auth-sidecar)',
    at: 'sidecar',
    async run() {
      const away = { BROKER_URL: `http://127.0.0.1:${await freePort()}` };
      const [SIDECAR, SIDECAR_AWAY] = await Promise.all([startSidecar('job'), startSidecar('job', away)]);
      return await runProgram('python', 'entra_auth_sidecar', { SIDECAR, SIDECAR_AWAY });
    },
  },
  {
    'gets an app token by the name of an API, and again the same': ({ access_token, same, healthy }) => {
      const { aud, azp } = readClaims(String(access_token));
      assert.deepEqual(
        [aud, azp, same, healthy],
        [system.emulator.ids.apps.api, system.emulator.ids.apps.job, true, true],
      );
    },
    'is told that the broker is away as an outage, not as a refusal': ({ error, healthy }) => {
      assert.match(String(error), /503/);
      assert.equal(healthy, true);
    },
  },
);
