import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { encode, sum } from '../results/histogram.ts';
import { cpuPressureUs } from './cpu-pressure.ts';
import { lineSchema, type Part, type PlanInput, type Progress, type Seen } from './plan.ts';

/** One request in so many is traced; the slowest are kept. */
export const traceEvery = 50;
/** One process sends so many requests a second without being what is measured. */
const perProcess = 5_000;

/**
 * Where it may (as root), a generator goes before everything else on the machine: one that is kept waiting makes a run
 * invalid. On two busy cores the 99th percentile of its lag is 1 ms then, otherwise 10 ms and more.
 */
const chrt = ['/usr/bin/chrt', '--rr', '1'];
const first = spawnSync(chrt[0] ?? '', [...chrt.slice(1), 'true']).status === 0 ? chrt : [];
/** Until the time of the start has come to every process. */
const beginMs = 200;

type Options = {
  /** How many processes; as many as the rate needs unless said. */
  processes?: number;
  /** When the first request is due, epoch milliseconds; as soon as all are ready unless said. */
  startAtMs?: number | undefined;
  /** Only every `of`-th request is ours, and of these the processes share. */
  share?: { index: number; of: number };
  tell?: (progress: Progress) => void;
  /** Told when the first request is due, epoch milliseconds. */
  onStart?: (startAtMs: number) => void;
};

/** What all generator processes saw together. */
export type LoadResults = {
  parts: Part[];
  kinds: Seen[];
  tookSeconds: number;
  /** When the first request was due, epoch milliseconds. */
  startAtMs?: number;
  /** The part of the time in which something on this machine waited for a processor; null where nobody tells. */
  cpuPressure?: number | null;
};

/** Sends a plan from processes of their own, and adds up what they saw. */
export async function runPlan(plan: Omit<PlanInput, 'share'>, options: Options = {}): Promise<LoadResults> {
  const { share = { index: 0, of: 1 }, tell = () => {}, onStart = () => {} } = options;
  const processes = options.processes ?? Math.ceil(plan.schedule.ratePerSecond / share.of / perProcess);
  const latest: Progress[] = [];
  const generators = Array.from({ length: processes }, (_, i) => {
    const own = { ...plan, share: { index: share.index + i * share.of, of: share.of * processes } };
    return startGenerator(own, (progress) => {
      latest[i] = progress;
      if (i === 0) tell(together(latest));
    });
  });
  const reading = Promise.all(generators.map(({ part }) => part));
  await Promise.race([Promise.all(generators.map(({ ready }) => ready)), reading]);
  const startAtMs = options.startAtMs ?? Date.now() + beginMs;
  if (startAtMs < Date.now()) throw new Error('The preparation took longer than the moment of the start allows.');
  for (const { begin } of generators) begin(startAtMs);
  onStart(startAtMs);
  const [pressedUs, sinceMs] = [cpuPressureUs(), performance.now()];
  const parts = await reading;
  const pressed = pressedUs === undefined ? undefined : (cpuPressureUs() ?? pressedUs) - pressedUs;
  const cpuPressure = pressed === undefined ? null : pressed / 1_000 / (performance.now() - sinceMs);
  const kinds = plan.kinds.map((_, i) => addUp(parts.flatMap(({ kinds: seen }) => seen[i] ?? [])));
  const tookSeconds = Math.max(...parts.map(({ tookSeconds: took }) => took));
  return { parts, kinds, tookSeconds, startAtMs, cpuPressure };
}

function startGenerator(plan: PlanInput, tell: (progress: Progress) => void) {
  const [program = '', ...args] = [...first, process.execPath, join(import.meta.dirname, 'generator.ts')];
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => {}).write(`${JSON.stringify(plan)}\n`);
  const words = text(child.stderr);
  const { promise: ready, resolve: readied } = Promise.withResolvers<void>();
  const read = async (): Promise<Part> => {
    let part: Part | undefined;
    for await (const line of createInterface(child.stdout)) {
      const said = lineSchema.parse(JSON.parse(line));
      if ('ready' in said) readied();
      else if ('progress' in said) tell(said.progress);
      else part = said.part;
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    if (!part) throw new Error(`a generator ended without a word of what it saw: ${(await words).slice(-500)}`);
    return part;
  };
  const stop = () => void child.kill();
  process.once('exit', stop);
  return {
    ready,
    part: read().finally(() => process.off('exit', stop)),
    begin: (startAtMs: number) => void child.stdin.write(`${JSON.stringify({ startAtMs })}\n`),
  };
}

function together(all: readonly Progress[]): Progress {
  const of = (name: keyof Progress) => all.map((one) => one[name]);
  const total = (name: keyof Progress) => of(name).reduce((a, b) => a + b, 0);
  const most = (name: keyof Progress) => Math.max(...of(name));
  return {
    ...{ atSeconds: most('atSeconds'), sent: total('sent'), errors: total('errors'), inFlight: total('inFlight') },
    ...{ p50Ms: most('p50Ms'), p99Ms: most('p99Ms') },
  };
}

/** Adds what several processes saw of one kind. */
export function addUp(all: readonly Seen[]): Seen {
  const total = (of: (one: Seen) => number) => all.reduce((so, one) => so + of(one), 0);
  const types = [...new Set(all.flatMap(({ errors }) => Object.keys(errors)))];
  const encoded = (of: (one: Seen) => string | undefined, digits: 2 | 3 = 3) =>
    sumEncoded(
      all.flatMap((one) => of(one) ?? []),
      digits,
    );
  const at = [...new Set(all.flatMap(({ seconds }) => seconds.map(({ atSeconds }) => atSeconds)))].sort(
    (a, b) => a - b,
  );
  return {
    name: all[0]?.name ?? '',
    response: encoded(({ response }) => response),
    service: encoded(({ service }) => service),
    errors: Object.fromEntries(types.map((type) => [type, total(({ errors }) => errors[type] ?? 0)])),
    errorLatencies: Object.fromEntries(types.map((type) => [type, encoded(({ errorLatencies: of }) => of[type])])),
    withoutRetryAfter: total((one) => one.withoutRetryAfter),
    risingRetryAfter: total((one) => one.risingRetryAfter),
    opened: total((one) => one.opened),
    foreign: total((one) => one.foreign),
    askedAgain: total((one) => one.askedAgain),
    firstSuccessAfterErrorSeconds: all.flatMap((one) => one.firstSuccessAfterErrorSeconds).sort((a, b) => a - b),
    seconds: at.map((atSeconds) => {
      const these = all.flatMap(({ seconds }) => seconds.filter((one) => one.atSeconds === atSeconds));
      return {
        atSeconds,
        requests: these.reduce((so, one) => so + one.requests, 0),
        errors: these.reduce((so, one) => so + one.errors, 0),
        histogram: sumEncoded(
          these.map(({ histogram }) => histogram),
          2,
        ),
      };
    }),
  };
}

function sumEncoded(texts: string[], digits: 2 | 3): string {
  const [only, ...others] = texts;
  return only !== undefined && others.length === 0 ? only : encode(sum(texts, digits));
}
