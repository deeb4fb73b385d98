import { relative } from 'node:path';
import type { EventData, run } from 'node:test';
import { inspect } from 'node:util';

type TestsStream = ReturnType<typeof run>;
type Result = EventData.TestPass | EventData.TestFail;
export type Counts = { passed: number; failed: number; skipped: number };
/** What a run came to. Files are named from the working directory; `seconds` includes a file's start. */
export type Report = Counts & {
  passes: { file: string; title: string }[];
  times: { file: string; seconds: number }[];
};

/**
 * Prints the statements of each test file under its name as soon as the file has ended, what failed with its error and
 * the file's own output, and counts. A file that holds no test has failed: it proves nothing and nobody would notice.
 */
export async function report(stream: TestsStream, print: (line: string) => void): Promise<Report> {
  const outcome: Report = { passed: 0, failed: 0, skipped: 0, passes: [], times: [] };
  const outputs = new Map<string, string>();
  const headings = new Set<string>();
  const under = (file: string | undefined, line: string) => {
    const heading = relative('.', file ?? '');
    if (!headings.has(heading)) print(`\n${heading}`);
    headings.add(heading);
    print(line);
  };

  for await (const event of stream as AsyncIterable<{ type: string; data: unknown }>) {
    // What is rejected after its test has ended is told as a diagnostic.
    if (['test:stdout', 'test:stderr', 'test:diagnostic'].includes(event.type)) {
      const { file = '', message } = event.data as EventData.TestStdout;
      outputs.set(file, (outputs.get(file) ?? '') + message);
    }
    if (event.type === 'test:complete') {
      const { name, file, details } = event.data as EventData.TestComplete;
      // A file is a test of its own name.
      if (name === file) outcome.times.push({ file: relative('.', file), seconds: details.duration_ms / 1_000 });
    }
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const result = event.data as Result;
    const failed = event.type === 'test:fail';
    const isFile = result.name === result.file;
    if (result.details.type === 'suite' && !(failed && ownFault(result))) continue;
    if (isFile && !failed) {
      outcome.failed += 1;
      under(result.file, '  ✖ holds no test');
    } else if (failed) {
      outcome.failed += 1;
      under(result.file, `  ✖ ${isFile ? 'could not be run' : statement(result)}`);
      print(indent(describe(result)));
      const output = outputs.get(result.file ?? '');
      if (output) print(indent(`its output:\n${output.trimEnd().slice(-4_000)}`));
      outputs.delete(result.file ?? '');
    } else if (result.skip !== undefined || result.todo !== undefined) {
      outcome.skipped += 1;
      under(result.file, `  – ${statement(result)} (skipped)`);
    } else {
      outcome.passed += 1;
      outcome.passes.push({ file: relative('.', result.file ?? ''), title: result.name });
      under(result.file, `  ✔ ${statement(result)}`);
    }
  }
  return outcome;
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
