import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createViewer } from '@onbehalf/trace-viewer/viewer';
import { freePort } from '../kit/ports.ts';
import { callApi, pick, signIn, signOut } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import { until } from '../kit/until.ts';
import { installApp } from '../packages/install.ts';
import { type Envelope, openIngestion } from './azure-monitor/ingestion.ts';
import { type Checks, clientTests } from './client.ts';
import { collector, documented, startCollector } from './collector.ts';

const version = '1.0.0-beta.47';
const junk = 20;
let envelopes: Envelope[] = [];

const connectionString = (url: string) =>
  `InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint=${url}`;

const byType = (type: string) => envelopes.filter(({ data }) => data.baseType === type);
const requests = () => byType('RequestData');
const dependencies = () => byType('RemoteDependencyData');
const dataOf = ({ data }: Envelope) => data.baseData;
const roleOf = ({ tags }: Envelope) => tags['ai.cloud.role'];

/** What three services export while people sign in, are asked for consent and refused, and the broker is lost. */
async function exportsOfADay(): Promise<string[]> {
  const bodies: string[] = [];
  await using viewer = await createViewer({
    onExport: (signal, body) => void (signal === 'traces' && bodies.push(body.toString())),
  });
  const otel = {
    OTEL_EXPORTER_OTLP_ENDPOINT: viewer.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '100',
  };
  await using system = await openSystem({
    frontend: true,
    name: 'azure-monitor',
    env: { web: otel, broker: otel, api: otel },
  });
  const alice = system.visitor();
  await signIn(alice, system, 'alice');
  await callApi(alice, system);
  await callApi(alice, system, 'Microsoft Graph');
  const dan = system.visitor();
  await dan.open(`${system.web}/sign-in`);
  await pick(dan, system, 'dan');
  for (let asked = 0; asked < junk; asked += 1)
    await dan.send(`${system.api}/whoami`, { headers: { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' } });
  await dan.open(`${system.web}/no-such-page`);
  system.relays.broker.cut();
  await alice.open(`${system.web}/whoami`);
  system.relays.broker.restore();
  await signOut(alice, system).catch(() => {});
  const has = (words: RegExp) => () => bodies.some((body) => words.test(body));
  await until(has(/"unavailable"/), 'no span of the outage');
  await until(has(/sign-out/), 'no span of the sign-out');
  return bodies;
}

/** Lived once, told to both. */
let day: Promise<string[]> | undefined;

async function feedExporter() {
  day ??= exportsOfADay();
  const bodies = await day;
  await using app = await installApp([`@azure/monitor-opentelemetry-exporter@${version}`]);
  await using ingestion = await openIngestion();
  const file = await app.write('traces.jsonl', bodies.join('\n'));
  const program = await app.write('feed.mjs', await readFile('test/clients/azure-monitor/feed.mjs', 'utf8'));
  await promisify(execFile)(process.execPath, [program, file], {
    timeout: 60_000,
    cwd: app.folder,
    env: {
      NODE_EXTRA_CA_CERTS: await app.write('ca.pem', ingestion.authority),
      APPLICATIONINSIGHTS_CONNECTION_STRING: connectionString(ingestion.url),
      APPLICATION_INSIGHTS_NO_STATSBEAT: 'true',
    },
  });
  ({ envelopes } = ingestion);
  return { version, flows: { [map]: {}, [urls]: {}, [failureRate]: {} } };
}

const map = 'draws the map: each role that is called, and what each role calls';
const urls = 'gives each request that a route matched a URL, without what a person or a stranger wrote into it';
const failureRate =
  'counts as failed what failed for us: no 401, no consent that is asked for, no page that is not there';

/** A real Collector with the exporter as docs/telemetry.md has it. */
async function feedCollector() {
  day ??= exportsOfADay();
  const bodies = await day;
  await using ingestion = await openIngestion();
  const directory = 'out/clients-azure-collector';
  await mkdir(directory, { recursive: true });
  const authority = join(directory, 'ca.pem');
  await writeFile(authority, ingestion.authority);
  const port = await freePort();
  const { processors = {}, exporters = {} } = documented('processors:\n  attributes/azure:');
  const env = { SSL_CERT_FILE: authority, APPLICATIONINSIGHTS_CONNECTION_STRING: connectionString(ingestion.url) };
  await using _ = await startCollector({ directory, port, processors, exporters, env });
  const headers = { 'content-type': 'application/json' };
  for (const body of bodies) {
    const { status } = await fetch(`http://127.0.0.1:${port}/v1/traces`, { method: 'POST', headers, body });
    assert.equal(status, 200);
  }
  const of401 = () => ingestion.envelopes.filter(({ data }) => data.baseData.responseCode === '401').length;
  await until(() => of401() >= junk, 'what was refused');
  // The last of its batches.
  const size = () => ingestion.envelopes.length;
  for (let before = -1; before < size(); await delay(12_000)) before = size();
  ({ envelopes } = ingestion);
  return { version: collector.version, flows: { [map]: {}, [urls]: {}, [failureRate]: {} } };
}

const checks: Checks = {
  [map]: () => {
    assert.deepEqual([...new Set(requests().map(roleOf))].sort(), ['downstream-api', 'token-broker', 'web-frontend']);
    // The broker, the API and Redis are at 127.0.0.1 here, the emulator at localhost.
    const calls = dependencies().filter((one) => dataOf(one).target);
    const edges = new Set(
      calls.map((one) => `${roleOf(one)}: ${dataOf(one).type?.toLowerCase()} ${dataOf(one).target}`),
    );
    assert.deepEqual([...edges].sort(), [
      ...['downstream-api: http 127.0.0.1', 'downstream-api: http localhost'],
      ...['token-broker: http 127.0.0.1', 'token-broker: http localhost', 'token-broker: redis 127.0.0.1'],
      ...['web-frontend: http 127.0.0.1', 'web-frontend: http localhost'],
    ]);
  },

  [urls]: () => {
    const seen = new Set(requests().map((one) => dataOf(one).url));
    const routes = [...seen].filter((url) => url !== '').map((url) => new URL(String(url)));
    assert.ok(routes.length > 8, String(routes));
    for (const { href, pathname } of routes) assert.match(href, new RegExp(`^http://127.0.0.1(?::\\d+)?${pathname}$`));
    assert.ok(![...seen].some((url) => url?.includes('no-such-page')));
  },

  [failureRate]: () => {
    const by = (status: string) => requests().filter((one) => dataOf(one).responseCode === status);
    assert.equal(by('401').length, junk);
    assert.ok(by('400').length > 0 && by('404').length > 0 && by('503').length > 0);
    const failed = requests().filter((one) => !dataOf(one).success);
    assert.deepEqual(
      failed.map((one) => dataOf(one).responseCode),
      by('503').map(() => '503'),
    );
    const failedCalls = dependencies().filter((one) => !dataOf(one).success);
    assert.deepEqual([...new Set(failedCalls.map(roleOf))], ['web-frontend']);
  },
};

clientTests({ client: 'Azure Monitor’s exporter', at: 'our spans', run: feedExporter, withinMs: 170_000 }, checks);
clientTests(
  { client: collector.client, at: 'our spans, for Azure Monitor', run: feedCollector, withinMs: 170_000 },
  checks,
);
