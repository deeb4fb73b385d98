import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { encode, sum } from './histogram.ts';
import { lineSchema, type Part, type PlanInput, type Progress, type Seen } from './plan.ts';

/** One process sends so many requests a second without being what is measured. */
const perProcess = 5_000;
/** Until every process has started, read its plan and opened its connections. */
const startMs = 2_500;

type Options = {
  /** How many processes; as many as the rate needs unless said. */
  processes?: number;
  /** Only every `of`-th request is ours, and of these the processes share. */
  share?: { index: number; of: number };
  tell?: (progress: Progress) => void;
  /** Told once they run: the processes, and when the first request is due, epoch milliseconds. */
  onStart?: (pids: number[], startAtMs: number) => void;
};

/** What all generator processes saw together. */
export type Sight = { parts: Part[]; kinds: Seen[]; tookSeconds: number };

/** Sends a plan from processes of their own, and adds up what they saw. */
export async function runPlan(plan: Omit<PlanInput, 'startAtMs' | 'share'>, options: Options = {}): Promise<Sight> {
  const { share = { index: 0, of: 1 }, tell = () => {}, onStart = () => {} } = options;
  const processes = options.processes ?? Math.ceil(plan.schedule.ratePerSecond / share.of / perProcess);
  const startAtMs = Date.now() + startMs + totalPeople(plan) / 20;
  const latest: Progress[] = [];
  const children = Array.from({ length: processes }, (_, i) => {
    const index = share.index + i * share.of;
    const own = { ...plan, startAtMs, share: { index, of: share.of * processes } };
    return startGenerator(own, (progress) => {
      latest[i] = progress;
      if (i === 0) tell(together(latest));
    });
  });
  onStart(
    children.map(({ pid }) => pid),
    startAtMs,
  );
  const parts = await Promise.all(children.map(({ part }) => part));
  const kinds = plan.kinds.map((_, i) => addUp(parts.flatMap(({ kinds: seen }) => seen[i] ?? [])));
  return { parts, kinds, tookSeconds: Math.max(...parts.map(({ tookSeconds }) => tookSeconds)) };
}

function startGenerator(plan: PlanInput, tell: (progress: Progress) => void) {
  const child = spawn(process.execPath, ['test/load/generator.ts'], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => {}).end(JSON.stringify(plan));
  const words = text(child.stderr);
  const read = async (): Promise<Part> => {
    let part: Part | undefined;
    for await (const line of createInterface(child.stdout)) {
      const said = lineSchema.parse(JSON.parse(line));
      if ('progress' in said) tell(said.progress);
      else part = said.part;
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    if (!part) throw new Error(`a generator ended without a word of what it saw: ${(await words).slice(-500)}`);
    return part;
  };
  const stop = () => void child.kill();
  process.once('exit', stop);
  return { pid: child.pid ?? 0, part: read().finally(() => process.off('exit', stop)) };
}

function totalPeople({ kinds }: { kinds: PlanInput['kinds'] }): number {
  return kinds.reduce((total, { people }) => total + people.length, 0);
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
