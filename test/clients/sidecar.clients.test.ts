import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createViewer, type Viewer } from '@onbehalf/trace-viewer/viewer';
import { readClaims } from '../../services/entra-emulator/src/rig.fake.ts';
import { toLabel, toSequence } from '../../services/trace-viewer/src/draw/steps.js';
import { answers, startChild } from '../kit/child.ts';
import { freePort } from '../kit/ports.ts';
import { openSystem } from '../kit/system/open.ts';
import { appScope, graphScope } from '../kit/system/registrations.ts';
import type { System } from '../kit/system/system.ts';
import { until } from '../kit/until.ts';
import { clientTests, runProgram } from './client.ts';

const name = 'clients-sidecar';
let system: System;
let viewer: Viewer;
const traced = () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: viewer.url, OTEL_BSP_SCHEDULE_DELAY: '200' });
const sidecars: string[] = [];

/** A sidecar as a pod would run it, whose ServiceAccount is that of this client of the broker. */
async function startSidecar(as: 'api' | 'job' | 'assistant', more: Record<string, string> = {}): Promise<string> {
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
      ...traced(),
      ...more,
    },
    logFile: join(system.logDir, `sidecar-${httpPort}.log`),
    ready: () => answers(`http://127.0.0.1:${adminPort}/readyz`),
  });
  system.use(child);
  return `http://localhost:${httpPort}`;
}

before(async () => {
  viewer = await createViewer();
  system = await openSystem({ name, brokers: 3, signing: 'each', env: { broker: traced() } });
  sidecars.push(...(await Promise.all([startSidecar('api'), startSidecar('api'), startSidecar('api')])));
});
after(async () => {
  await system?.close();
  await viewer?.[Symbol.asyncDispose]();
});

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

describe('the drawing of an agent', () => {
  it('is of the spans that sidecar and brokers export, and says as whom it acts', async () => {
    const at = await startSidecar('assistant', { AzureAd__ClientId: system.emulator.ids.apps.agents ?? '' });
    const { apps, users } = system.emulator.ids;
    const agent = `AgentIdentity=${apps.scout}`;
    const beganMs = Date.now();
    for (const asked of [`Graph?${agent}&AgentUserId=${users.scout}`, `Job?${agent}`])
      assert.equal((await ask(at, `/AuthorizationHeaderUnauthenticated/${asked}`, '')).status, 200);
    const drawn = () =>
      viewer
        .flows()
        .filter(({ startMs, services }) => startMs >= beganMs && services.length === 2)
        .reverse()
        .map(({ traceId }) => toSequence(viewer.spans(traceId)).steps)
        .filter((steps) => steps.filter(({ type }) => type === 'reply').length === 2);
    await until(() => drawn().length === 2, 'the traces of both requests');
    const [asUser, itself] = drawn().map((steps) => steps.map(toLabel));
    const [first, second] = [asUser?.slice(0, 2), itself?.slice(0, 2)];
    assert.deepEqual(first, ['header for an API', 'token as the agent’s user · from Entra ID']);
    assert.deepEqual(second, ['header for an API', 'app token of an agent · from Entra ID']);
    const toEntra = (labels: string[] = []) =>
      labels.filter((label) => /^(app token|token as the agent’s user) · [\d.]+ m?s$/.test(label)).length;
    // The blueprint's token for the agent, the agent's own, the user's; then the first is there.
    assert.deepEqual([toEntra(asUser), toEntra(itself)], [3, 1]);
    assert.ok(itself?.some((label) => label.startsWith('read token · ')));
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

clientTests(
  {
    client: 'Microsoft Agents SDK (@microsoft/agents-hosting)',
    at: 'sidecar',
    async run() {
      const away = { BROKER_URL: `http://127.0.0.1:${await freePort()}` };
      const [SIDECAR, SIDECAR_AWAY, SIDECAR_OF_AGENTS] = await Promise.all([
        startSidecar('job'),
        startSidecar('job', away),
        startSidecar('assistant'),
      ]);
      const { tenants, apps } = system.emulator.ids;
      const whom = { TENANT: tenants.contoso, AGENT: apps.scout ?? '', OTHER_AGENT: apps.stranger ?? '' };
      return await runProgram('node', 'agents_hosting', { SIDECAR, SIDECAR_AWAY, SIDECAR_OF_AGENTS, ...whom });
    },
  },
  {
    'gets an app token by the name of an API, and again the same': ({ access_token, same, healthy }) => {
      const { aud, azp } = readClaims(String(access_token));
      const { api, job } = system.emulator.ids.apps;
      assert.deepEqual([aud, azp, same, healthy], [api, job, true, true]);
    },
    'is told that the broker is away as an outage, not as a refusal': ({ error, healthy }) => {
      assert.match(String(error), /503/);
      assert.equal(healthy, true);
    },
    'acts as an agent itself': ({ access_token }) => {
      const { azp, idtyp, xms_par_app_azp } = readClaims(String(access_token));
      const { scout, agents } = system.emulator.ids.apps;
      assert.deepEqual([azp, idtyp, xms_par_app_azp], [scout, 'app', agents]);
    },
    'acts as the user of an agent': ({ access_token }) => {
      const { azp, aud, scp, preferred_username } = readClaims(String(access_token));
      const { scout } = system.emulator.ids.apps;
      assert.deepEqual([azp, aud, preferred_username], [scout, 'https://graph.microsoft.com', 'scout@contoso.test']);
      assert.match(String(scp), /User\.Read/);
    },
    'gets nothing as an agent that its client may not be': ({ error }) => {
      assert.match(String(error), /401.*invalid_token/);
    },
    'is told by the title of a problem that an API is not configured': ({ error }) => {
      assert.match(String(error), /400.*invalid_request/);
    },
  },
);

clientTests(
  {
    client: 'a client generated by @hey-api/openapi-ts',
    at: 'sidecar',
    async run() {
      const session = await system.signIn('carol@contoso.test');
      const TOKEN_WITHOUT_CONSENT = String((await system.exchange(0, session)).body.access_token);
      const TOKEN = await tokenOfAlice();
      // Its Graph is called on behalf of people, as the API; the job's own app has no part in it.
      const [SIDECAR] = sidecars as [string];
      return await runProgram('node', 'generated_sidecar', { SIDECAR, TOKEN, TOKEN_WITHOUT_CONSENT });
    },
  },
  {
    'ValidateAuthorizationHeader: the caller’s claims': ({ status, protocol, claims }) => {
      const { oid } = claims as { oid: string };
      assert.deepEqual([status, protocol, oid], [200, 'Bearer', system.emulator.ids.users.alice]);
    },
    'AuthorizationHeader: a header on behalf of the caller': ({ status, authorizationHeader }) => {
      const { aud } = readClaims(String(authorizationHeader).replace('Bearer ', ''));
      assert.deepEqual([status, aud], [200, 'https://graph.microsoft.com']);
    },
    'AuthorizationHeader: a consent that is missing, by its number and the caller’s correlation id': ({ problem }) => {
      const { detail: _, ...members } = problem as Record<string, unknown>;
      assert.deepEqual(members, {
        ...{ type: 'about:blank', title: 'invalid_token', status: 401, scope: graphScope, error_codes: [65_001] },
        correlation_id: '2f2ae0b4-1111-4222-8333-444455556666',
      });
    },
    'AuthorizationHeaderUnauthenticated: an app that may have no token': ({ status, problem }) => {
      assert.deepEqual([status, (problem as { title: string }).title], [401, 'invalid_token']);
    },
    'DownstreamApi: what the API says': ({ status, statusCode, content }) => {
      assert.deepEqual([status, statusCode], [200, 200]);
      assert.equal(JSON.parse(String(content)).userPrincipalName, 'alice@contoso.test');
    },
    'DownstreamApiUnauthenticated: no API of this name': ({ status, problem }) => {
      assert.equal(status, 400);
      assert.match((problem as { detail: string }).detail, /no such API in DownstreamApis/);
    },
    'AuthorizationHeader: nobody': ({ status }) => assert.equal(status, 401),
  },
);
