import { z } from 'zod';
import type { BrokerSeries } from '../results/result.ts';
import type { Stage } from '../target/stage.ts';
import { buckets, parseMetrics, quantileBetween, total } from './metrics-text.ts';
import { processFigures } from './process-figures.ts';

const countersSchema = z.object({
  counts: z.array(z.object({ endpoint: z.string(), outcome: z.string(), count: z.number() })),
});

/** Everything that only ever grows, as it stands at one moment. */
type Reading = { l1: number; l2: number; entra: number; stampedes: number; calls: number; throttled: number };
const nothing: Reading = { l1: 0, l2: 0, entra: 0, stampedes: 0, calls: 0, throttled: 0 };
const names = ['l1', 'l2', 'entra', 'stampedes', 'calls', 'throttled'] as const;

type Watched = { name: string; admin: string; pid: number };
type BrokerReading = {
  levels: Pick<Reading, 'l1' | 'l2' | 'entra' | 'stampedes'>;
  redis: Map<number, number>;
  cpuSeconds: number;
};

const readWithinMs = 900;
const readEveryMs = 1_000;

/**
 * Reads brokers and emulator once a second: where tokens came from, calls, CPU, memory, event loop, Redis. A broker
 * that was replaced keeps what it had counted.
 */
export function createSampler(stage: Stage) {
  const series = new Map<string, BrokerSeries>();
  const last = new Map<string, BrokerReading>();
  const seconds = new Map<number, Reading>();
  const emulator = { calls: 0, throttled: 0 };
  let totals = nothing;
  let emulatorCpuSeconds = 0;

  const watched = (): Watched[] =>
    stage.brokers.map(({ url, admin, child }, i) => ({
      name: `token-broker-${i + 1} (port ${new URL(url).port})`,
      ...{ admin, pid: child.process.pid ?? 0 },
    }));

  async function readBroker(
    { name, admin, pid }: Watched,
    atSeconds: number,
    tookSeconds: number,
  ): Promise<Partial<Reading>> {
    const response = await fetch(`${admin}/metrics`, { signal: AbortSignal.timeout(readWithinMs) }).catch(
      () => undefined,
    );
    const samples = parseMetrics((await response?.text().catch(() => '')) ?? '');
    if (samples.length === 0) return {};
    const acquired = (source: string) =>
      total(samples, 'onbehalf_token_acquire_duration_seconds_count', (l) => l.onbehalf_token_source === source);
    const levels = {
      l1: acquired('memory'),
      l2: acquired('redis'),
      entra: acquired('entra'),
      stampedes: total(samples, 'onbehalf_token_stampede_total'),
    };
    const redis = buckets(samples, 'onbehalf_cache_operation_duration_seconds');
    const { cpuSeconds = 0, rssBytes } = processFigures(pid) ?? {};
    const before = last.get(name);
    last.set(name, { levels, redis, cpuSeconds });
    if (!before) return atSeconds < 0 ? {} : levels;
    const redisP99 = quantileBetween(before.redis, redis, 0.99);
    const one = series.get(name) ?? { name, seconds: [] };
    series.set(name, one);
    if (atSeconds >= 0)
      one.seconds.push({
        atSeconds,
        cpu: rssBytes === undefined ? null : (cpuSeconds - before.cpuSeconds) / tookSeconds,
        eventLoopP99Ms: total(samples, 'nodejs_eventloop_delay_p99_seconds') * 1_000,
        rssBytes: rssBytes ?? null,
        redisP99Ms: redisP99 === null ? null : redisP99 * 1_000,
      });
    const grown = (key: keyof typeof levels) => levels[key] - before.levels[key];
    return { l1: grown('l1'), l2: grown('l2'), entra: grown('entra'), stampedes: grown('stampedes') };
  }

  async function readEmulator(): Promise<Partial<Reading>> {
    const { counts } = countersSchema.parse(await stage.admin('GET', '/counters'));
    const token = counts.filter(({ endpoint }) => endpoint === 'token');
    const of = (suits: (outcome: string) => boolean) =>
      token.reduce((sum, { outcome, count }) => (suits(outcome) ? sum + count : sum), 0);
    const [calls, throttled] = [of(() => true), of((outcome) => outcome === 'fault')];
    const grown = { calls: calls - emulator.calls, throttled: throttled - emulator.throttled };
    Object.assign(emulator, { calls, throttled });
    return grown;
  }

  /** What it reads belongs to the second that has just ended; before the start it only remembers. */
  async function read(atSeconds: number, tookSeconds = readEveryMs / 1_000): Promise<void> {
    const parts: Partial<Reading>[] = await Promise.all([
      ...watched().map((one) => readBroker(one, atSeconds, tookSeconds)),
      readEmulator().catch(() => ({})),
    ]);
    if (atSeconds < 0) return;
    const sum = Object.fromEntries(names.map((name) => [name, parts.reduce((so, part) => so + (part[name] ?? 0), 0)]));
    seconds.set(atSeconds, add(seconds.get(atSeconds) ?? nothing, sum));
    totals = add(totals, sum);
  }

  return {
    /** Begins at that time; disposing takes the last reading. */
    start(startAtMs: number) {
      const emulatorBefore = processFigures(stage.emulatorPid)?.cpuSeconds ?? 0;
      let [busy, lastAtMs, reading] = [false, Date.now(), read(-1)];
      // What is read when a second begins belongs to the one that has just ended.
      const tick = async () => {
        if (busy) return;
        busy = true;
        await reading;
        const nowMs = Date.now();
        const ended = Math.round((nowMs - startAtMs) / readEveryMs) - 1;
        reading = read(nowMs < startAtMs ? -1 : Math.max(0, ended), (nowMs - lastAtMs) / 1_000);
        lastAtMs = nowMs;
        await reading;
        busy = false;
      };
      let timer: NodeJS.Timeout | undefined;
      const begin = () => {
        timer = setInterval(() => void tick(), readEveryMs);
      };
      const beginning = setTimeout(begin, Math.max(0, startAtMs - Date.now()));
      return {
        async [Symbol.asyncDispose]() {
          clearTimeout(beginning);
          clearInterval(timer);
          await reading;
          const nowMs = Date.now();
          await read(Math.max(0, Math.floor((nowMs - startAtMs) / 1_000)), (nowMs - lastAtMs) / 1_000);
          emulatorCpuSeconds = (processFigures(stage.emulatorPid)?.cpuSeconds ?? 0) - emulatorBefore;
        },
      };
    },
    seconds,
    get brokers() {
      return [...series.values()];
    },
    get totals() {
      return totals;
    },
    get emulatorCpuSeconds() {
      return emulatorCpuSeconds;
    },
  };
}

function add(reading: Reading, grown: Partial<Reading>): Reading {
  return Object.fromEntries(names.map((name) => [name, reading[name] + (grown[name] ?? 0)])) as Reading;
}

/** How often each command ran at Redis since it began. */
export async function redisCommands(stage: Stage): Promise<Record<string, number>> {
  const info = String(await stage.redisCommand(['INFO', 'commandstats']));
  return Object.fromEntries(
    [...info.matchAll(/^cmdstat_([\w|]+):calls=(\d+)/gm)].map(([, name = '', calls]) => [
      name.toUpperCase(),
      Number(calls),
    ]),
  );
}
