import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { answers, startChild } from '../../test/kit/child.ts';
import { startPrometheus } from '../../test/kit/debian/prometheus.ts';
import { findDebianTool } from '../../test/kit/debian/tool.ts';
import { freePort } from '../../test/kit/ports.ts';
import { signOut } from '../../test/kit/steps.ts';
import { openSystem } from '../../test/kit/system/open.ts';
import type { System } from '../../test/kit/system/system.ts';
import { signInUrl } from '../../test/outage/people.ts';
import type { Series } from './draw.ts';

export type Live = AsyncDisposable & { system: System; query: (expr: string, name: string) => Promise<Series[]> };

const services = ['web-frontend', 'token-broker', 'downstream-api'];
const range = z.object({
  data: z.object({
    result: z.array(
      z.object({ metric: z.record(z.string(), z.string()), values: z.array(z.tuple([z.number(), z.string()])) }),
    ),
  }),
});

/** The services, and a Prometheus that looks at them and at their Redis each second. */
export async function openLive(people: number): Promise<Live> {
  const opened = new AsyncDisposableStack();
  const measured = { METRICS_ENABLED: 'true', PUBLIC_RATE_BURST: '10000' };
  const env = { web: measured, broker: measured, api: measured };
  const system = opened.use(await openSystem({ frontend: true, name: 'dashboards', people, env }));
  const redis = await startRedisExporter(system);
  opened.use(redis.child);
  const jobs = services.map((job) => ({ job, address: new URL(system.adminOf(job)).host }));
  const targets = [...jobs, { job: 'redis', address: redis.address }];
  const { url } = opened.use(await startPrometheus({ directory: system.stateDir, targets, rules: '{"groups": []}' }));
  const began = Date.now() / 1_000;
  return {
    system,
    async query(expr, name) {
      const step = 2;
      const asked = { query: expr, start: `${began}`, end: `${Date.now() / 1_000}`, step: `${step}` };
      const response = await fetch(`${url}/api/v1/query_range?${new URLSearchParams(asked)}`);
      return range.parse(await response.json()).data.result.map(({ metric, values }) => ({
        name: name.replace(/\{\{(\w+)\}\}/g, (_, label) => metric[label] ?? '').trim(),
        points: evenly(values, began, step),
      }));
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** With null where Prometheus has none: it leaves such a moment out. */
function evenly(values: [number, string][], began: number, step: number): Series['points'] {
  const at = new Map(values.map(([time, value]) => [Math.round((time - began) / step), Number(value)]));
  return Array.from({ length: Math.max(...at.keys()) + 1 }, (_, place): [number, number | null] => {
    const value = at.get(place);
    return [place * step, value !== undefined && Number.isFinite(value) ? value : null];
  });
}

async function startRedisExporter({ redis, stateDir }: System) {
  const packages = ['prometheus-redis-exporter'];
  const { command } = await findDebianTool({ name: 'prometheus-redis-exporter', packages }, '.cache');
  const address = `127.0.0.1:${await freePort()}`;
  const child = await startChild({
    ...{ name: 'redis_exporter', command, logFile: join(stateDir, 'redis-exporter.log') },
    args: [`--redis.addr=redis://${redis.host}:${redis.port}`, `--web.listen-address=${address}`],
    env: { REDIS_USER: redis.username ?? '', REDIS_PASSWORD: redis.password ?? '' },
    ready: () => answers(`http://${address}/metrics`),
  });
  return { address, child };
}

/** People who come, call and leave for some minutes; Entra ID throttles, Redis hangs and the API is away for a while. */
export async function busyMinutes(system: System, people: number): Promise<void> {
  let over = false;
  const whole = async (person: number) => {
    const visitor = system.visitor();
    const name = `load${String((person % people) + 1).padStart(5, '0')}@contoso.test`;
    await visitor.open(signInUrl(system, name, '/'));
    const call = () => visitor.fetch('/api/downstream-api/whoami', { headers: { 'x-csrf': '1' } });
    // One acquires the token, the others wait for it.
    await Promise.all([call(), call(), call()]);
    await visitor.open(`${system.web}/graph/me`);
    for (let calls = 0; calls < 40 && !over; calls += 1) await Promise.all([call(), delay(150)]);
    if (person % 3 > 0) await signOut(visitor, system);
  };
  const come = async (first: number) => {
    for (let person = first; !over; person += 8) await whole(person).catch(() => delay(500));
  };
  await system.admin('PUT', '/interaction', { mode: 'auto', user: 'alice@contoso.test' });
  const coming = Array.from({ length: 8 }, (_, place) => come(place));
  const throttled = [{ match: { path: '/token' }, then: { status: 429, retryAfter: 3 } }];
  await delay(50_000);
  await system.admin('PUT', '/faults', throttled);
  await delay(12_000);
  await system.admin('DELETE', '/faults');
  await delay(33_000);
  system.relays.redis.freeze();
  await delay(10_000);
  system.relays.redis.restore();
  await delay(45_000);
  over = true;
  await Promise.all(coming);
}
