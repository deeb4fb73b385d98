import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { checkJourney } from '../check-journey.ts';
import { callApi, signIn } from '../steps.ts';
import { openBalancer } from './balancer.ts';
import { type Bases, buildImages, development, production } from './build.ts';
import { openDemo } from './demo.ts';
import { type Engine, openEngine } from './engine.ts';

describe('the demo in containers', () => {
  let engine: Engine;
  let bases: Bases;
  before(async () => {
    engine = await openEngine();
    bases = (await buildImages(engine, [...production, ...development])).bases;
  });
  after(() => engine[Symbol.asyncDispose]());

  it('walks the whole journey by docker compose up', async () => {
    await using demo = await openDemo(engine, bases, 'onbehalf-journey');
    await checkJourney(demo.world, (step, ms, result) => console.log(`${step}: ${result} (${ms.toFixed(0)} ms)`));
  });

  it('fails no request while every pod is replaced under load', async () => {
    await using demo = await openDemo(engine, bases, 'onbehalf-rollout', '../test/images/two-of-each.yaml');
    const containers = async (service: string) => {
      const label = (name: string, value: string) => ['--filter', `label=com.docker.compose.${name}=${value}`];
      const ids = await engine.docker('ps', '-q', ...label('project', demo.project), ...label('service', service));
      return ids.split('\n').filter(Boolean);
    };
    const addressOf = (id: string) =>
      engine.docker('inspect', '--format', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', id);
    const frontends = await containers('web-frontend');
    assert.equal(frontends.length, 2);
    await using _balancer = await openBalancer(demo.webPort, () => Promise.all(frontends.map(addressOf)));

    const cookies = await Promise.all(
      ['alice', 'bob', 'alice', 'bob'].map(async (person) => {
        const visitor = demo.world.visitor();
        await signIn(visitor, demo.world, person);
        await callApi(visitor, demo.world);
        return visitor.jar.getCookieString(demo.world.web);
      }),
    );

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
    assert.deepEqual(failures, []);
    assert.ok(requests > 200, String(requests));
  });
});

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
