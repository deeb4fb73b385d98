import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

type ChildOptions = {
  name: string;
  command: string;
  args: readonly string[];
  env?: Record<string, string>;
  /** Given to its standard input, which is then closed. */
  input?: string;
  /** Where its output goes. */
  logFile: string;
  /** Whether it is ready; asked until it says yes. */
  ready: () => Promise<boolean>;
  /** How long it may take to become ready. */
  withinMs?: number;
  /** Ends the wait for readiness. */
  signal?: AbortSignal;
  /** Called once when it ends without having been asked to, with its name. */
  onDeath?: (sentence: string, name: string) => void;
};

export type Child = AsyncDisposable & { name: string; process: ChildProcess; logFile: string };

/** What a program may take to leave after SIGTERM before it is killed. */
const leaveWithinMs = 5_000;
const askEveryMs = 20;

/** Has the kernel end a program whose parent was killed and could not; every Debian has it, macOS does not. */
const setpriv = '/usr/bin/setpriv';
const dyingWithUs = existsSync(setpriv) ? [setpriv, '--pdeathsig', 'TERM', '--'] : [];

/**
 * Starts a program and waits until it is ready. It stands in a process group of its own, so that Ctrl-C reaches it
 * through us alone; disposing ends it with SIGTERM, then with SIGKILL.
 * @throws Error with one sentence naming the program, its last words and its log.
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { name, command, args, input, logFile, ready, withinMs = 10_000 } = options;
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, 'a', 0o600);
  const [program, ...programArgs] = [...dyingWithUs, command, ...args];
  const child = spawn(program ?? command, programArgs, {
    stdio: [input === undefined ? 'ignore' : 'pipe', log, log],
    env: options.env ?? { PATH: process.env.PATH ?? '' },
    detached: true,
  });
  closeSync(log);
  child.stdin?.on('error', () => {}).end(input);
  let ending = false;
  const gone = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`cannot be started (${error.message})`));
    child.once('exit', (code, signal) => resolve(signal ? `was ended by ${signal}` : `ended with exit code ${code}`));
  });
  const sentence = (how: string) => `${name} ${how}${lastWords(logFile)}. Its log: ${relative('.', logFile)}`;
  const stop = async () => {
    ending = true;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    child.kill('SIGTERM');
    const killer = setTimeout(() => child.kill('SIGKILL'), leaveWithinMs);
    await gone;
    clearTimeout(killer);
  };

  const patience = new AbortController();
  try {
    const outcome = await Promise.race([
      gone,
      ...(options.signal ? [abortOf(options.signal)] : []),
      untilReady(ready, withinMs, patience.signal).then((yes) => (yes ? undefined : `was not ready in ${withinMs} ms`)),
    ]);
    if (outcome !== undefined) throw new Error(sentence(outcome));
  } catch (error) {
    await stop();
    throw error;
  } finally {
    patience.abort();
  }
  void gone.then((how) => ending || options.onDeath?.(sentence(how), name));
  return { name, process: child, logFile, [Symbol.asyncDispose]: stop };
}

async function untilReady(ready: () => Promise<boolean>, withinMs: number, signal: AbortSignal): Promise<boolean> {
  const endMs = performance.now() + withinMs;
  while (!signal.aborted && performance.now() < endMs) {
    if (await ready().catch(() => false)) return true;
    await delay(askEveryMs);
  }
  return false;
}

async function abortOf(signal: AbortSignal): Promise<string> {
  if (!signal.aborted) await once(signal, 'abort');
  return 'was stopped before it was ready';
}

/** What a program said last, without a stack: configuration errors and crashes say there what is wrong. */
function lastWords(logFile: string): string {
  const lines = readFileSync(logFile, 'utf8').split('\n');
  const words = lines
    .map((line) => line.trim())
    .filter((line) => line && !/^(at |\{"level":"info"|Node\.js v|\^)/.test(line));
  return words.length > 0 ? `, saying: ${lastLines(words).join(' ')}` : '';
}

/** The last four lines at most that are not too long together; of one that is too long by itself, its beginning. */
function lastLines(lines: string[], most = 400): string[] {
  let room = most;
  const fit = lines.slice(-4).reverse();
  const tooLong = fit.findIndex((line) => {
    room -= line.length;
    return room < 0;
  });
  const kept = tooLong < 0 ? fit : fit.slice(0, Math.max(tooLong, 1));
  return kept.reverse().map((line) => line.slice(0, most));
}

/** Whether an address answers 200. */
export async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
  await response.body?.cancel();
  return response.ok;
}

/** Ends when the program that was started has ended. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}
