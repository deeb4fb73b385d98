import type { EventData, run } from 'node:test';
import { inspect } from 'node:util';
import type { Coverage } from './coverage.ts';

type TestsStream = ReturnType<typeof run>;
type Result = EventData.TestPass | EventData.TestFail;

export type TestEvent = { type: string; data: unknown };

/**
 * What a test file came to. `titles` are the tests that passed, `text` is for people, `events` are for other reporters,
 * `coverage` is empty unless the run counts it.
 */
export type Report = {
  passed: number;
  failed: number;
  skipped: number;
  titles: string[];
  text: string;
  events: TestEvent[];
  coverage: Coverage[];
};

/**
 * Counts the tests of one file, and tells their statements, what failed with its error and the file's own output. A
 * file that holds no test has failed: it proves nothing and nobody would notice. An event's own file is where the test
 * is written, which may be a suite that several files run.
 * @param path of the file, as it was given to the stream.
 * @param mayBeEmpty whether only tests of some names run, so that a file may run none.
 */
export async function report(path: string, stream: TestsStream, { mayBeEmpty = false } = {}): Promise<Report> {
  const outcome: Omit<Report, 'text'> = { passed: 0, failed: 0, skipped: 0, titles: [], events: [], coverage: [] };
  const lines: string[] = [];
  let output = '';
  for await (const event of stream as AsyncIterable<TestEvent>) {
    // What is rejected after its test has ended is told as a diagnostic.
    if (['test:stdout', 'test:stderr', 'test:diagnostic'].includes(event.type)) {
      output += (event.data as EventData.TestStdout).message;
    }
    if (event.type === 'test:coverage') outcome.coverage.push(...(event.data as EventData.TestCoverage).summary.files);
    const isFile = (event.data as Partial<Result>).name === path;
    // A file stands among its tests only where it is what failed.
    if (event.type === 'test:fail' || (['test:start', 'test:pass'].includes(event.type) && !isFile)) {
      outcome.events.push(event);
    }
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const result = event.data as Result;
    const failed = event.type === 'test:fail';
    if (result.details.type === 'suite' && !(failed && ownFault(result))) continue;
    if (isFile && !failed && mayBeEmpty) continue;
    if (isFile && !failed) {
      outcome.failed += 1;
      lines.push('  ✖ holds no test');
    } else if (failed) {
      outcome.failed += 1;
      lines.push(`  ✖ ${isFile ? 'could not be run' : statement(result)}`, indent(describe(result)));
      if (output) lines.push(indent(`its output:\n${output.trimEnd().slice(-4_000)}`));
      output = '';
    } else if (result.skip !== undefined || result.todo !== undefined) {
      outcome.skipped += 1;
      lines.push(`  – ${statement(result)} (skipped)`);
    } else {
      outcome.passed += 1;
      outcome.titles.push(result.name);
      lines.push(`  ✔ ${statement(result)}`);
    }
  }
  return { ...outcome, text: lines.join('\n') };
}

function statement({ name, details }: Result): string {
  const { classname } = details as { classname?: string };
  const ms = Math.round(details.duration_ms);
  return `${classname ? `${classname}: ` : ''}${name}${ms >= 100 ? ` (${(ms / 1_000).toFixed(1)} s)` : ''}`;
}

/** A suite fails with its tests, which are counted themselves; only a fault of its own hooks or body is one more. */
function ownFault(result: Result): boolean {
  const { error } = result.details as { error?: { failureType?: string } };
  return error?.failureType !== 'subtestsFailed';
}

function describe(result: Result): string {
  const { error } = result.details as { error?: Error & { exitCode?: number; signal?: string } };
  if (error?.exitCode !== undefined || error?.signal) {
    return `its process ended with exit code ${error.exitCode}, signal ${error.signal ?? 'none'}`;
  }
  const cause = error?.cause ?? error;
  // An AssertionError's own fields only repeat its message.
  if (cause instanceof Error && cause.name === 'AssertionError') return cause.stack ?? cause.message;
  return cause instanceof Error ? inspect(cause) : String(cause);
}

function indent(text: string): string {
  return text.replace(/^/gm, '      ');
}
