import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { argumentsOf, type Part } from './part.ts';

const here = (file: string) => new URL(file, import.meta.url);

/**
 * `waitedMs`: how much of `ms` nothing ran, since the test's process had no core or everything stood still; `stillMs`:
 * the latter alone.
 */
export type Trial = { passed: boolean; ms: number; waitedMs: number; stillMs: number; failure: string };

const tickMs = 200;

/** An endless one would stay behind when this process is killed; no test file takes so many seconds of a core. */
const limited = ['-c', 'ulimit -t 120 && exec "$@"', 'sh'];

/**
 * Runs tests as Node runs them, to their first failure. What does not end in time has failed; time without a core does
 * not count.
 * @param env what its processes are told besides; `MUTANT_ROOM` and `MUTANT_SOURCE` are read by `substitute.ts`.
 * @param durationsTo a file for what `durations.ts` lists.
 */
export async function tryTests(
  part: Part,
  timeoutMs: number,
  env: Record<string, string>,
  durationsTo?: string,
): Promise<Trial> {
  const startedAtMs = performance.now();
  // A test that tries a test: it is to run as a program of its own.
  const { NODE_TEST_CONTEXT: _, ...own } = process.env;
  const child = spawn('sh', [...limited, process.execPath, ...reportersTo(durationsTo), ...argumentsOf(part)], {
    // Its own group, so that what it has started ends with it.
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...own, NODE_OPTIONS: `--import ${here('substitute.ts').href}`, ...env },
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-500);
  });
  let [late, coreMs, stillMs, tickedAtMs] = [false, 0, 0, startedAtMs];
  const timer = setInterval(() => {
    const nowMs = performance.now();
    coreMs = waitedMsOf(child.pid) ?? coreMs;
    // A tick that comes late: this process did not run either, be it stopped or frozen.
    if (nowMs - tickedAtMs > 5 * tickMs) stillMs += nowMs - tickedAtMs;
    tickedAtMs = nowMs;
    if (nowMs - startedAtMs - coreMs - stillMs < timeoutMs) return;
    late = true;
    endGroup(child.pid);
  }, tickMs);
  const { promise, resolve: ended, reject } = Promise.withResolvers<number | null>();
  child.on('error', reject).on('exit', (code) => ended(code));
  const code = await promise;
  clearInterval(timer);
  endGroup(child.pid);
  const failure = late ? 'does not end' : output.trim() || `exit code ${code}`;
  const ms = performance.now() - startedAtMs;
  return { passed: code === 0 && !late, ms, waitedMs: coreMs + stillMs, stillMs, failure };
}

function reportersTo(durations: string | undefined): string[] {
  const reporter = (file: string, destination: string) => [
    ...['--test-reporter', here(file).href],
    ...['--test-reporter-destination', destination],
  ];
  return [...reporter('first-failure.ts', 'stdout'), ...(durations ? reporter('durations.ts', durations) : [])];
}

/** How long a process waited for a core, as Linux counts it. */
function waitedMsOf(pid: number | undefined): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
  } catch {
    // Another system, or the process has ended.
    return undefined;
  }
}

/** Also of the child that has ended: what it left behind. */
function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody of the group is left.
  }
}

export const environmentOf = (room: string, source: string) => ({
  MUTANT_ROOM: resolve(room),
  MUTANT_SOURCE: resolve(source),
  NODE_COMPILE_CACHE: resolve('out/mutants/compiled'),
});
