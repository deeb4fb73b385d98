import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { resultSchema } from '../../services/load-generator/src/results/result.ts';
import { checkJourney } from '../../tools/check-journey.ts';
import { callApi, signIn } from '../kit/steps.ts';
import { openBalancer } from './balancer.ts';
import { type Bases, buildImages, buildLoadImage, development, imageOf, production } from './build.ts';
import { provideCompose } from './compose.ts';
import { type Demo, openDemo } from './demo.ts';
import { type Engine, openEngine } from './engine.ts';

const run = promisify(execFile);
const composeFile = join(import.meta.dirname, '../../docker/compose.yaml');

describe('the demo in containers', () => {
  let engine: Engine;
  let bases: Bases;
  before(async () => {
    engine = await openEngine();
    bases = (await buildImages(engine, [...production, ...development])).bases;
    await buildLoadImage(engine);
  });
  after(() => engine[Symbol.asyncDispose]());

  describe('as docker compose up brings it', () => {
    let demo: Demo;
    before(async () => {
      demo = await openDemo(engine, bases, 'onbehalf-demo');
    });
    after(() => demo?.[Symbol.asyncDispose]());

    it('walks the whole journey by docker compose up', async () => {
      await checkJourney(demo.system, (step, ms, result) => console.log(`${step}: ${result} (${ms.toFixed(0)} ms)`));
    });

    it('passes the charts’ own helm tests', async () => {
      const [cluster] = await containersOf(engine, demo.project, 'cluster');
      const path = '/state/service-accounts/onbehalf/default/token-broker';
      const foreign = await engine.docker('exec', cluster ?? '', 'node', '-p', `fs.readFileSync('${path}', 'utf8')`);
      const directory = await mkdtemp(join(tmpdir(), 'foreign-'));
      await writeFile(join(directory, 'assertion'), foreign);
      await chmod(directory, 0o755);
      const environments: Record<string, string[]> = {
        'web-frontend': [`PUBLIC_BASE_URLS=${demo.system.web}`, 'ENTRA_CLIENT_ID=3eb00000-7e57-4000-8000-000000000011'],
        'token-broker': [],
        'downstream-api': [],
      };
      try {
        for (const service of production) {
          const env = [`TARGET_URL=http://${service}:8080`, ...(environments[service] ?? [])];
          const script = join(import.meta.dirname, '../../charts', service, 'files/test.mjs');
          const said = await engine.docker(
            ...['run', '--rm', '--read-only', '--cap-drop', 'ALL', '--network', `${demo.project}_default`],
            ...['--volume', `${script}:/test/test.mjs:ro`, '--volume', `${directory}:/var/run/secrets/foreign:ro`],
            ...env.flatMap((one) => ['--env', one]),
            ...[imageOf(service), '/test/test.mjs'],
          );
          console.log(`${service}: ${said}`);
        }
      } finally {
        await rm(directory, { recursive: true });
      }
    });

    it('loads the demo’s broker by its profile', async () => {
      const args = ['-p', demo.project, '-f', composeFile, '--profile', 'load', 'run', '--rm', '--no-deps', 'load'];
      const load = ['cold', '--rate', '5', '--users', '20', '--duration', '4', '--replicas', '1', '--quick'];
      const env = { PATH: process.env.PATH, DOCKER_HOST: engine.host, WEB_PORT: String(demo.webPort) };
      // Half a core a container judges nothing: what counts is that everybody got a token, and their own.
      const ended = await run(await provideCompose(), [...args, ...load], { env, timeout: 120_000 }).catch(
        (error) => error,
      );
      const line = String(ended.stdout).trimEnd().split('\n').at(-1) ?? '';
      assert.match(line, /^\{"version"/, ended.stderr);
      const [first] = resultSchema.parse(JSON.parse(line)).runs;
      const { requests, errors, foreign } = first?.totals ?? {};
      assert.deepEqual({ requests, errors, foreign }, { requests: 20, errors: 0, foreign: 0 });
    });
  });

  it('fails no request while every pod is replaced under load', async () => {
    await using demo = await openDemo(engine, bases, 'onbehalf-rollout', '../test/images/two-of-each.yaml');
    const containers = (service: string) => containersOf(engine, demo.project, service);
    const addressOf = (id: string) =>
      engine.docker('inspect', '--format', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', id);
    const frontends = await containers('web-frontend');
    assert.equal(frontends.length, 2);
    await using _balancer = await openBalancer(demo.webPort, () => Promise.all(frontends.map(addressOf)));

    const cookies: string[] = [];
    for (const person of ['alice', 'bob', 'alice', 'bob']) {
      const visitor = demo.system.visitor();
      await signIn(visitor, demo.system, person);
      await callApi(visitor, demo.system);
      cookies.push(await visitor.jar.getCookieString(demo.system.web));
    }

    const failures: string[] = [];
    let requests = 0;
    const rolling = new AbortController();
    const load = cookies.map(async (cookie) => {
      while (!rolling.signal.aborted) {
        for (const path of ['/session', '/api/downstream-api/whoami']) {
          requests++;
          const outcome = await get(demo.webPort, path, cookie);
          if (outcome !== '200') failures.push(`${path}: ${outcome}`);
        }
        await delay(100);
      }
    });
    for (const service of ['token-broker', 'downstream-api', 'web-frontend']) {
      for (const id of await containers(service)) {
        await engine.docker('restart', '--time', '45', id);
        await untilHealthy(engine, id);
      }
    }
    rolling.abort();
    await Promise.all(load);
    console.log(`rolling restart of six containers: ${requests} requests, ${failures.length} failed`);
    if (failures.length > 0) {
      const logs = await Promise.all(frontends.map((id) => engine.docker('logs', id)));
      console.log(logs.flatMap((log) => log.split('\n').filter((line) => line.includes('unavailable'))).join('\n'));
    }
    assert.deepEqual(failures, []);
    assert.ok(requests > 200, String(requests));
  });
});

async function containersOf(engine: Engine, project: string, service: string): Promise<string[]> {
  const label = (name: string, value: string) => ['--filter', `label=com.docker.compose.${name}=${value}`];
  const ids = await engine.docker('ps', '-q', ...label('project', project), ...label('service', service));
  return ids.split('\n').filter(Boolean);
}

/** One request on a connection of its own, as a gateway that has just looked who is ready; its status or its error. */
function get(port: number, path: string, cookie: string): Promise<string> {
  const headers = { cookie, host: `localhost:${port}`, 'x-csrf': '1', 'sec-fetch-site': 'same-origin' };
  return new Promise((resolve) => {
    request({ host: '127.0.0.1', port, path, headers, agent: false, timeout: 15_000 }, (response) => {
      response.resume().on('end', () => resolve(String(response.statusCode)));
    })
      .on('timeout', () => resolve('timeout'))
      .on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      .end();
  });
}

async function untilHealthy(engine: Engine, id: string): Promise<void> {
  for (let left = 120; left > 0; left--) {
    if ((await engine.docker('inspect', '--format', '{{.State.Health.Status}}', id)) === 'healthy') return;
    await delay(500);
  }
  throw new Error(`${id} did not become healthy`);
}
