import type { ScenarioRun } from './results/result.ts';
import type { RunClock } from './run-clock.ts';
import type { Progress } from './sending/plan.ts';

const width = 120;
/** A burst takes less than a second. */
const formatSeconds = (seconds: number) => String(seconds < 10 ? Number(seconds.toFixed(1)) : Math.round(seconds));

/** What a person who waits sees: one line that is written over, on a terminal; a line every ten seconds elsewhere. */
export function createConsoleOutput(clock: RunClock, stream: NodeJS.WriteStream = process.stderr) {
  let lastAtMs = 0;
  const show = (line: string, seldom: boolean) => {
    if (stream.isTTY) return void stream.write(`\r${line.slice(0, width).padEnd(width)}`);
    if (seldom && performance.now() - lastAtMs < 10_000) return;
    lastAtMs = performance.now();
    stream.write(`${line}\n`);
  };
  return {
    say: (run: string, doing: string) => show(`${clock.tell()} · ${run}: ${doing}`, /\d+ of \d+/.test(doing)),
    tell: (run: string, seconds: number, { atSeconds, sent, errors, inFlight, p50Ms, p99Ms }: Progress) =>
      show(
        `${clock.tell(atSeconds)} · ${run}: ${atSeconds} of ${formatSeconds(seconds)} s, ${sent} sent, ${errors} failed, ${inFlight} under way, p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`,
        true,
      ),
    end: () => void (stream.isTTY && stream.write(`\r${' '.repeat(width)}\r`)),
  };
}

/** A run in a few lines: its verdict, each pass line, what makes it invalid, or only its times where it is quick. */
export function describeRun(run: ScenarioRun, quick: boolean): string {
  const { name, variant, verdict, load, checks, validity, levels, errors } = run;
  const title = `${verdict.toUpperCase().padEnd(8)}${[name, variant].filter(Boolean).join(' ')}`;
  const offered = `${load.ratePerSecond}/s for ${formatSeconds(run.durationSeconds)} s, ${load.users} users, ${load.brokers || 'unknown'} brokers`;
  const lines = [`${title.padEnd(44)} ${offered}${load.scaled ? ` (scaled: ${load.scaled})` : ''}`];
  // Invalid figures are none.
  const lost = quick ? 'no times' : 'invalid';
  lines.push(...validity.reasons.map((reason) => `  ${lost}: ${reason}`));
  if (verdict === 'invalid') return lines.join('\n');
  for (const check of checks)
    lines.push(
      `  ${check.holds ? 'holds ' : quick && check.time ? 'told  ' : 'MISSED'} ${check.name.padEnd(56)} ${check.measured.padEnd(18)} ${check.target}`,
    );
  if (errors.length > 0)
    lines.push(`         errors: ${errors.map(({ type, count }) => `${count} x ${type}`).join(', ')}`);
  for (const { level, p50Ms, p90Ms, p99Ms, p999Ms, maxMs } of levels)
    lines.push(
      `         ${level}: p50 ${p50Ms ?? '-'} p90 ${p90Ms ?? '-'} p99 ${p99Ms ?? '-'} p99.9 ${p999Ms ?? '-'} max ${maxMs ?? '-'} ms`,
    );
  return lines.join('\n');
}
