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
  sources: Pick<Reading, 'l1' | 'l2' | 'entra' | 'stampedes'>;
  redis: Map<number, number>;
  cpuSeconds: number;
  rssBytes: number | undefined;
  eventLoopP99Ms: number;
};

const readWithinMs = 900;
const readEveryMs = 1_000;

/**
 * Reads brokers and emulator once a second: where tokens came from, calls, CPU, memory, event loop, Redis. A broker
 * that was replaced keeps what it had counted.
 */
export class Sampler {
  readonly seconds = new Map<number, Reading>();
  readonly #stage: Stage;
  readonly #series = new Map<string, BrokerSeries>();
  readonly #last = new Map<string, BrokerReading>();
  #emulator = { calls: 0, throttled: 0 };
  #totals = nothing;
  #emulatorCpuSeconds = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  get brokers(): BrokerSeries[] {
    return [...this.#series.values()];
  }

  get totals(): Reading {
    return this.#totals;
  }

  get emulatorCpuSeconds(): number {
    return this.#emulatorCpuSeconds;
  }

  /** Begins at that time, epoch milliseconds; disposing takes the last reading. */
  start(startAtMs: number): AsyncDisposable {
    const emulatorBefore = processFigures(this.#stage.emulatorPid)?.cpuSeconds ?? 0;
    let [busy, lastAtMs, reading] = [false, Date.now(), this.#read(-1)];
    // What is read when a second begins belongs to the one that has just ended.
    const tick = async () => {
      if (busy) return;
      busy = true;
      await reading;
      const nowMs = Date.now();
      const ended = Math.round((nowMs - startAtMs) / readEveryMs) - 1;
      reading = this.#read(nowMs < startAtMs ? -1 : Math.max(0, ended), (nowMs - lastAtMs) / 1_000);
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
      [Symbol.asyncDispose]: async () => {
        clearTimeout(beginning);
        clearInterval(timer);
        await reading;
        const nowMs = Date.now();
        await this.#read(Math.max(0, Math.floor((nowMs - startAtMs) / 1_000)), (nowMs - lastAtMs) / 1_000);
        this.#emulatorCpuSeconds = (processFigures(this.#stage.emulatorPid)?.cpuSeconds ?? 0) - emulatorBefore;
      },
    };
  }

  /** What it reads belongs to the second that has just ended; before the start it only remembers. */
  async #read(atSeconds: number, tookSeconds = readEveryMs / 1_000): Promise<void> {
    const watched = this.#stage.brokers.map(({ url, admin, child }, i) => ({
      name: `token-broker-${i + 1} (port ${new URL(url).port})`,
      ...{ admin, pid: child.process.pid ?? 0 },
    }));
    const parts: Partial<Reading>[] = await Promise.all([
      ...watched.map((one) => this.#readBroker(one, atSeconds, tookSeconds)),
      this.#readEmulator().catch(() => ({})),
    ]);
    if (atSeconds < 0) return;
    const sum = Object.fromEntries(names.map((name) => [name, parts.reduce((so, part) => so + (part[name] ?? 0), 0)]));
    this.seconds.set(atSeconds, add(this.seconds.get(atSeconds) ?? nothing, sum));
    this.#totals = add(this.#totals, sum);
  }

  async #readBroker(watched: Watched, atSeconds: number, tookSeconds: number): Promise<Partial<Reading>> {
    const { name } = watched;
    const reading = await readMetrics(watched);
    if (!reading) return {};
    const before = this.#last.get(name);
    this.#last.set(name, reading);
    const { sources, redis, cpuSeconds, rssBytes, eventLoopP99Ms } = reading;
    if (!before) return atSeconds < 0 ? {} : sources;
    const redisP99 = quantileBetween(before.redis, redis, 0.99);
    const one = this.#series.get(name) ?? { name, seconds: [] };
    this.#series.set(name, one);
    if (atSeconds >= 0)
      one.seconds.push({
        ...{ atSeconds, eventLoopP99Ms, rssBytes: rssBytes ?? null },
        cpu: rssBytes === undefined ? null : (cpuSeconds - before.cpuSeconds) / tookSeconds,
        redisP99Ms: redisP99 === null ? null : redisP99 * 1_000,
      });
    const grown = (key: keyof typeof sources) => sources[key] - before.sources[key];
    return { l1: grown('l1'), l2: grown('l2'), entra: grown('entra'), stampedes: grown('stampedes') };
  }

  async #readEmulator(): Promise<Partial<Reading>> {
    const { counts } = countersSchema.parse(await this.#stage.admin('GET', '/counters'));
    const token = counts.filter(({ endpoint }) => endpoint === 'token');
    const count = (suits: (outcome: string) => boolean) =>
      token.reduce((sum, { outcome, count: times }) => (suits(outcome) ? sum + times : sum), 0);
    const now = { calls: count(() => true), throttled: count((outcome) => outcome === 'fault') };
    const before = this.#emulator;
    this.#emulator = now;
    return { calls: now.calls - before.calls, throttled: now.throttled - before.throttled };
  }
}

/** What a broker's metrics page and its process say at this moment; undefined where nothing answers. */
async function readMetrics({ admin, pid }: Watched): Promise<BrokerReading | undefined> {
  const signal = AbortSignal.timeout(readWithinMs);
  const response = await fetch(`${admin}/metrics`, { signal }).catch(() => undefined);
  const samples = parseMetrics((await response?.text().catch(() => '')) ?? '');
  if (samples.length === 0) return undefined;
  const acquired = (source: string) =>
    total(samples, 'onbehalf_token_acquire_duration_seconds_count', (l) => l.onbehalf_token_source === source);
  const stampedes = total(samples, 'onbehalf_token_stampede_total');
  const { cpuSeconds = 0, rssBytes } = processFigures(pid) ?? {};
  return {
    sources: { l1: acquired('memory'), l2: acquired('redis'), entra: acquired('entra'), stampedes },
    redis: buckets(samples, 'onbehalf_cache_operation_duration_seconds'),
    ...{ cpuSeconds, rssBytes },
    eventLoopP99Ms: total(samples, 'nodejs_eventloop_delay_p99_seconds') * 1_000,
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
