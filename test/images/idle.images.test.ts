import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { buildImages, confined, imageOf, production } from './build.ts';
import { type Engine, openEngine } from './engine.ts';
import { tellFigure } from './told.ts';

type Measured = (typeof production)[number];

/** The most that an idle service may hold, in megabytes of RSS: docs/start.md. */
const most: Record<Measured, { plain: number; traced: number }> = {
  'token-broker': { plain: 105, traced: 120 },
  'web-frontend': { plain: 90, traced: 95 },
  'downstream-api': { plain: 80, traced: 80 },
};

/** Where each has to be to start; what is not there it asks again in the background. */
const nowhere = 'http://127.0.0.1:1';
const shared = {
  ...{ BROKER_URL: nowhere, BROKER_ASSERTION_FILE: '/mounted/assertion', ENTRA_AUTHORITY_HOST: 'https://127.0.0.1:1' },
};
const environments: Record<Measured, Record<string, string>> = {
  'token-broker': {
    ...{ CLIENTS_FILE: '/mounted/clients.json', CALLERS_ISSUER: nowhere, CALLERS_ALLOW_PLAINTEXT: 'true' },
    ...{ SEALING_KEYS_DIR: '/mounted/keys', REDIS_URL: 'redis://127.0.0.1:1', REDIS_ALLOW_PLAINTEXT: 'true' },
    ...{ AZURE_FEDERATED_TOKEN_FILE: '/mounted/assertion' },
  },
  'web-frontend': {
    ...{ PUBLIC_BASE_URL: 'http://localhost:3000', SESSION_KEYS_DIR: '/mounted/keys', APIS_FILE: '/mounted/apis.json' },
    ...{ ENTRA_TENANT_ID: 'c0a70500-7e57-4000-8000-000000000001' },
    ...{ ENTRA_CLIENT_ID: '3eb00000-7e57-4000-8000-000000000011' },
  },
  'downstream-api': {
    ...{ ENTRA_AUDIENCE: 'a9100000-7e57-4000-8000-000000000021' },
    ...{ ENTRA_TENANTS: 'c0a70500-7e57-4000-8000-000000000001' },
  },
};
const tracing = { OTEL_EXPORTER_OTLP_ENDPOINT: nowhere, METRICS_ENABLED: 'true' };

describe('an idle container', () => {
  let engine: Engine;
  let mounted: string;
  before(async () => {
    engine = await openEngine();
    await buildImages(engine, production);
    mounted = await mkdtemp(join(tmpdir(), 'idle-'));
    await writeAll(mounted);
  });
  after(async () => {
    await rm(mounted, { recursive: true, force: true });
    await engine[Symbol.asyncDispose]();
  });

  /** Starts one, and gives when it was ready, by its log and the engine's clock, and what it holds some seconds later. */
  async function measure(service: Measured, more: Record<string, string>) {
    const environment = Object.entries({ ...shared, ...environments[service], ...more, SHUTDOWN_DELAY_MS: '0' });
    const options = [...confined, '--volume', `${mounted}:/mounted:ro`];
    const env = environment.flatMap(([name, value]) => ['--env', `${name}=${value}`]);
    const id = await engine.docker('run', '--detach', ...options, ...env, imageOf(service));
    try {
      const readyAtMs = await untilServing(id);
      const startedAt = await engine.docker('inspect', '--format', '{{.State.StartedAt}}', id);
      await delay(3_000);
      const script = "fs.readFileSync('/proc/1/status', 'utf8')";
      const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await engine.docker('exec', id, 'node', '-p', script)) ?? [];
      return { readyMs: readyAtMs - Date.parse(startedAt), rssMb: Number(kilobytes) / 1_024 };
    } finally {
      await engine.docker('rm', '--force', id);
    }
  }

  /** When the line was written that names the port. */
  async function untilServing(id: string): Promise<number> {
    for (let left = 300; left > 0; left -= 1) {
      const log = await engine.docker('logs', id);
      const lines = log.split('\n').filter((line) => line.startsWith('{'));
      const found = lines.map((line) => JSON.parse(line)).find(({ port }) => port !== undefined);
      if (found) return Date.parse(found.time);
      if ((await engine.docker('inspect', '--format', '{{.State.Running}}', id)) === 'false') break;
      await delay(100);
    }
    throw new Error(`it does not serve: ${await engine.docker('logs', id)}`);
  }

  for (const service of production) {
    it(`of ${service} holds as little as docs/start.md says, with telemetry and without`, async () => {
      for (const [kind, more] of [
        ['plain', {}],
        ['traced', tracing],
      ] as const) {
        const { readyMs, rssMb } = await measure(service, more);
        tellFigure(`${service}, ${kind}: serves ${readyMs} ms after its start, holds ${rssMb.toFixed(0)} MB`);
        assert.ok(rssMb <= most[service][kind], `${kind}: ${rssMb.toFixed(1)} MB`);
      }
    });
  }
});

/** What Kubernetes would mount, readable by whoever the container runs as. */
async function writeAll(folder: string): Promise<void> {
  const key = () => randomBytes(32).toString('base64');
  const demo = (name: string) => readFile(join(import.meta.dirname, '../../docker', name), 'utf8');
  await mkdir(join(folder, 'keys'));
  const clients = (await demo('clients.json')).replaceAll('PUBLIC_BASE_URL', 'http://localhost:3000');
  const files = {
    ...{ assertion: 'a-token', 'clients.json': clients, 'apis.json': await demo('apis.json') },
    ...{ 'keys/current': 'k1', 'keys/k1': key(), 'keys/index': key() },
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content, { mode: 0o644 });
  for (const path of [folder, join(folder, 'keys')]) await chmod(path, 0o755);
}
