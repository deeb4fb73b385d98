import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { environmentOf, readSidecarContainer } from '../kit/sidecar-container.ts';
import { type Bases, buildImages, confined, development, imageOf, type Service, shipped } from './build.ts';
import { type Engine, openEngine } from './engine.ts';
import { tellFigure } from './told.ts';

const services: readonly Service[] = [...shipped, ...development];

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

const untilReady = `for (let left = 100; ; left--) {
  try { if ((await fetch('http://127.0.0.1:9090/readyz')).ok) break; } catch {}
  if (left === 0) process.exit(1);
  await new Promise((resolve) => setTimeout(resolve, 50));
}`;

describe('the images', () => {
  let engine: Engine;
  let bases: Bases;
  const inspected = new Map<Service, Inspection>();
  before(async () => {
    engine = await openEngine();
    const built = await buildImages(engine, services);
    bases = built.bases;
    const { seconds } = built;
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

  it('run as a numeric user, node first, with the file that was built', () => {
    for (const service of services) {
      const { User, Entrypoint, Cmd, StopSignal, WorkingDir, Labels } = config(service);
      assert.equal(User, '65532:65532');
      assert.deepEqual(Entrypoint, ['/usr/local/bin/node']);
      assert.deepEqual(Cmd, ['dist/main.js']);
      assert.equal(StopSignal, 'SIGTERM');
      assert.equal(WorkingDir, `/app/services/${service}`);
      assert.equal(Labels['org.opencontainers.image.title'], service);
      assert.equal(Labels['org.opencontainers.image.version'], '0.1.0');
    }
  });

  it('hold the service as JavaScript, and of packages no code', async () => {
    const list = `
      import { readdirSync } from 'node:fs';
      console.log(JSON.stringify(readdirSync('/app', { recursive: true })));`;
    for (const service of services) {
      const paths: string[] = JSON.parse(await node(service, list));
      const has = (pattern: RegExp) => paths.filter((path) => pattern.test(path));
      assert.deepEqual(has(/\.ts$/), [], service);
      assert.deepEqual(has(/node_modules\/.*\/[^/]+\.[cm]?js$/), [], service);
      assert.deepEqual(has(/^[^/]+$|^services\/[^/]+$/).sort(), ['services', `services/${service}`]);
      if (service !== 'token-broker') assert.deepEqual(has(/node_modules\/@(azure|redis)$/), [], service);
    }
  });

  it('add at most 60 MB to their base, Node aside', async () => {
    const [base] = JSON.parse(await engine.docker('inspect', bases.runtime)) as [Inspection];
    const sizeOfNode = "console.log((await import('node:fs')).statSync('/usr/local/bin/node').size)";
    for (const service of services) {
      const above = (inspected.get(service) as Inspection).Size - base.Size;
      const own = (above - Number(await node(service, sizeOfNode))) / 1e6;
      tellFigure(`${service}: ${own.toFixed(1)} MB above the base, beside Node's own`);
      assert.ok(own <= 60, service);
    }
  });

  it('have no npm', async () => {
    const look = `import { existsSync } from 'node:fs';
      console.log(['/usr/local/bin/npm', '/usr/local/lib/node_modules'].filter(existsSync).length);`;
    for (const service of shipped) assert.equal(await node(service, look), '0', service);
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
    for (const service of shipped) {
      // Unconfigured it ends by itself, naming what it lacks.
      const log = await engine
        .docker('run', '--rm', ...confined, '--env', 'NODE_DEBUG_NATIVE=COMPILE_CACHE', imageOf(service))
        .catch((error: { stdout: string; stderr: string }) => error.stdout + error.stderr);
      const reads = log.match(/reading cache from .*/g) ?? [];
      const warm = reads.filter((line) => line.includes('success')).length;
      const rejected = log.match(/ was rejected/g)?.length ?? 0;
      console.log(`${service}: ${warm} of ${reads.length} modules from the compile cache, ${rejected} rejected`);
      assert.ok(warm > 1, `${service}: ${warm}`);
      assert.deepEqual([reads.length - warm, rejected], [0, 0], service);
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

  /** Starts a container, waits until it is ready, does `more` in it, and ends it: with 0, soon after SIGTERM. */
  async function live(service: Service, args: string[], more: (id: string) => Promise<void> = async () => {}) {
    const startedMs = performance.now();
    const id = await engine.docker('run', '--detach', ...args, imageOf(service));
    try {
      await engine.docker('exec', id, 'node', '--input-type=module', '-e', untilReady);
      console.log(`${service}: ready ${((performance.now() - startedMs) / 1_000).toFixed(1)} s after docker run`);
      await engine.docker('exec', id, ...config(service).Healthcheck.Test.slice(1));
      await more(id);
      const stoppedAtMs = Date.now();
      await engine.docker('stop', '--time', '10', id);
      type State = { ExitCode: number; FinishedAt: string };
      const state = JSON.parse(await engine.docker('inspect', '--format', '{{json .State}}', id)) as State;
      const endedAfterMs = Date.parse(state.FinishedAt) - stoppedAtMs;
      console.log(`${service}: ended ${endedAfterMs} ms after docker stop`);
      assert.equal(state.ExitCode, 0);
      assert.ok(endedAfterMs < 2_000, `${endedAfterMs} ms`);
    } finally {
      await engine.docker('rm', '--force', id);
    }
  }

  it('are healthy soon, and end with 0 soon after SIGTERM', async () => {
    // The one production image that needs no other: signing keys are fetched in the background.
    const environment = [
      ...['ENTRA_AUDIENCE=a9100000-7e57-4000-8000-000000000021', 'BROKER_URL=http://127.0.0.1:1'],
      ...['ENTRA_TENANTS=c0a70500-7e57-4000-8000-000000000001', 'BROKER_ASSERTION_FILE=/tmp/none'],
      ...['ENTRA_AUTHORITY_HOST=https://127.0.0.1:1', 'SHUTDOWN_DELAY_MS=0'],
    ].flatMap((one) => ['--env', one]);
    await live('downstream-api', [...confined, ...environment]);
  });

  it('run the sidecar as its page shows it: nothing writable, its own token, the contract on loopback alone', async () => {
    const { container } = await readSidecarContainer();
    const directory = await mkdtemp(join(tmpdir(), 'sidecar-'));
    await chmod(directory, 0o755);
    await writeFile(join(directory, 'token'), 'a-token');
    const [mount] = container.volumeMounts ?? [];
    const environment = Object.entries({ ...environmentOf(container), SHUTDOWN_DELAY_MS: '0' });
    const look = `
      const ask = async (url) => { try { return (await fetch(url)).status } catch { return 'closed' } };
      const own = Object.values((await import('node:os')).networkInterfaces()).flat().find(({ internal }) => !internal);
      console.log(JSON.stringify(await Promise.all([
        ask('http://localhost:5178/healthz'),
        ask('http://localhost:5178/AuthorizationHeader/Graph'),
        ask('http://' + own.address + ':5178/healthz'),
        ask('http://' + own.address + ':9090/readyz'),
      ])));`;
    const args = [
      ...['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--memory', '256m'],
      ...['--user', `${container.securityContext?.runAsUser}`, '--volume', `${directory}:${mount?.mountPath}:ro`],
      ...environment.flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    ];
    try {
      await live('sidecar', args, async (id) => {
        const seen = await engine.docker('exec', id, 'node', '--input-type=module', '-e', look);
        assert.deepEqual(JSON.parse(seen), [200, 401, 'closed', 200]);
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
