import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const here = (file: string) => new URL(file, import.meta.url);

/** `waitedMs`: how much of `ms` the test's process could have run and had no core. */
export type Trial = { passed: boolean; ms: number; waitedMs: number; failure: string };

/**
 * Runs one test file as Node runs it, to its first failure. One that does not end in time has failed; time without a
 * core does not count.
 * @param env what its processes are told besides; `MUTANT_ROOM` and `MUTANT_SOURCE` are read by `substitute.ts`.
 */
export async function tryTest(test: string, timeoutMs: number, env: Record<string, string>): Promise<Trial> {
  const startedAtMs = performance.now();
  // A test that tries a test: it is to run as a program of its own.
  const { NODE_TEST_CONTEXT: _, ...own } = process.env;
  const child = spawn(process.execPath, ['--test-reporter', here('first-failure.ts').href, test], {
    // Its own group, so that what it has started ends with it.
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...own, NODE_OPTIONS: `--import ${here('substitute.ts').href}`, ...env },
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-500);
  });
  let [late, waitedMs] = [false, 0];
  const timer = setInterval(() => {
    waitedMs = waitedMsOf(child.pid) ?? waitedMs;
    if (performance.now() - startedAtMs - waitedMs < timeoutMs) return;
    late = true;
    endGroup(child.pid);
  }, 200);
  const { promise, resolve: ended, reject } = Promise.withResolvers<number | null>();
  child.on('error', reject).on('exit', (code) => ended(code));
  const code = await promise;
  clearInterval(timer);
  endGroup(child.pid);
  const failure = late ? 'does not end' : output.trim() || `exit code ${code}`;
  return { passed: code === 0 && !late, ms: performance.now() - startedAtMs, waitedMs, failure };
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
