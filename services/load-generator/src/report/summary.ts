import { type Html, html } from '@onbehalf/chassis/http/html';
import { formatMs } from '@onbehalf/trace-viewer/draw/svg';
import { formatCore, formatCount, formatMaybeMs, formatShare, nameOf } from '../drawing/format.ts';
import { decode, percentilesOf } from '../results/histogram.ts';
import type { Check, Result, ScenarioRun, Validity, Verdict } from '../results/result.ts';
import { anchorOf, toDraw } from './repeats.ts';
import { table } from './tables.ts';

const signs = { pass: '✓', fail: '✕', invalid: '?' };

/** A verdict by sign, word and colour. */
export function badge(verdict: Verdict): Html {
  return html`<span class="badge ${verdict}"><span aria-hidden="true">${signs[verdict]}</span> ${verdict}</span>`;
}

/** A row per run: what decided, and the figures one asks for first. `all`: the runs that these are of. */
export function summaryTable({ runs, context }: Result, all: ScenarioRun[]): Html {
  const head = [
    'Run',
    'Verdict',
    'Checks',
    'Requests',
    'Offered',
    'Achieved',
    'Lag p99',
    'p50',
    'p99',
    'max',
    'Errors',
    'From L1',
    'Calls',
    'Minimum',
  ];
  return table(
    'All runs',
    head,
    runs.map((run) => {
      const { p50Ms, p99Ms, maxMs } = percentilesOf(decode(run.histograms.response));
      const { totals, validity } = run;
      const checks = run.checks.filter((check) => decides(check, context.quick));
      return [
        html`<a href="#${anchorOf(run, all)}">${nameOf(run)}</a>`,
        badge(run.verdict),
        `${checks.filter(({ holds }) => holds).length} of ${checks.length}`,
        formatCount(totals.requests),
        `${formatCount(validity.offeredPerSecond)}/s`,
        `${formatCount(validity.achievedPerSecond)}/s`,
        formatMs(validity.lagP99Ms),
        ...[p50Ms, p99Ms, maxMs].map(formatMaybeMs),
        formatCount(totals.errors),
        formatShare(totals.l1, totals.l1 + totals.l2 + totals.entra),
        formatCount(totals.calls),
        formatCount(totals.minimumCalls),
      ];
    }),
  );
}

/** Whether a check decides: a quick run, on any machine beside anything, is not held to times. */
export function decides({ time }: Check, quick: boolean): boolean {
  return !(quick && time);
}

/** What a run had to hold, and what it did. */
export function checksTable({ checks, verdict }: ScenarioRun, quick: boolean): Html | undefined {
  if (checks.length === 0) return undefined;
  const caption = verdict === 'invalid' ? 'Checks; an invalid run decides none' : 'Checks';
  return table(
    caption,
    ['Check', 'Target', 'Measured', 'Holds'],
    checks.map((check) => [
      ...[check.name, check.target, check.measured],
      decides(check, quick) ? badge(check.holds ? 'pass' : 'fail') : 'not judged: quick',
    ]),
  );
}

/** Whether the generator can be believed, in a line. */
export function tellValidity(validity: Validity): Html {
  const { valid, reasons, offeredPerSecond, achievedPerSecond, lagP99Ms, generatorCpu, emulatorCpu } = validity;
  const facts = [
    `offered ${formatCount(offeredPerSecond)}/s, achieved ${formatCount(achievedPerSecond)}/s (${formatShare(achievedPerSecond, offeredPerSecond)})`,
    `schedule lag p99 ${formatMs(lagP99Ms)}`,
    `generator ${formatCore(generatorCpu)} and emulator ${formatCore(emulatorCpu)} of a core`,
  ];
  return html`<p>${valid ? 'Valid' : html`<strong>Invalid</strong>`}: ${facts.join('; ')}.</p>${!valid && html`<ul>${reasons.map((reason) => html`<li>${reason}</li>`)}</ul>`}`;
}

/** Everything that did not hold, each in one line: of several repeats the one that is drawn, and of how many it is told. */
export function failures({ runs, context }: Result): Html | undefined {
  const troubles = (run: ScenarioRun) => {
    const broken = run.checks.filter((check) => !check.holds && decides(check, context.quick));
    const told = broken.map(({ name, target, measured }) => `${name}: ${measured}, wanted ${target}`);
    return [...(run.validity.valid ? [] : run.validity.reasons), ...told];
  };
  const lines = toDraw(runs).flatMap((run) => {
    const repeats = runs.filter(({ name, variant }) => name === run.name && variant === run.variant);
    const also = repeats.filter((one) => troubles(one).length > 0).length;
    const times = repeats.length > 1 && ` (${also} of ${repeats.length} repeats)`;
    return troubles(run).map(
      (line) => html`<li><a href="#${anchorOf(run, runs)}">${nameOf(run)}</a> ${line}${times}</li>`,
    );
  });
  return lines.length === 0 ? undefined : html`<h3>What does not hold</h3><ul class="failures">${lines}</ul>`;
}
