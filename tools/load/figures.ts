import {
  formatBytes,
  formatCount,
  formatMaybeMs,
  formatShare,
  nameOf,
} from '../../services/load-generator/src/drawing/format.ts';
import { tellMiddle, tellTarget } from '../../services/load-generator/src/report/cost.ts';
import { toRepeats } from '../../services/load-generator/src/report/repeats.ts';
import { tellSpread } from '../../services/load-generator/src/report/spread.ts';
import { decides } from '../../services/load-generator/src/report/summary.ts';
import { decode, percentilesOf } from '../../services/load-generator/src/results/histogram.ts';
import type { Result, ScenarioRun } from '../../services/load-generator/src/results/result.ts';
import { markdownTable } from './markdown.ts';

/** The published figures as Markdown: on what machine, each scenario with the spread of its repeats, the ratios. */
export function tellFigures(result: Result): string {
  return [
    tellMachine(result),
    markdownTable(
      ['Scenario', 'Load', 'Passed', 'p50', 'p99', 'Calls / least', 'Errors', 'From L1'],
      toRepeats(result.runs).map(toRow),
    ),
    tellMisses(result),
    result.bench ? markdownTable(['Ratio', 'Target', 'Measured', 'Middle half'], result.bench.rows.map(toRatio)) : '',
  ]
    .filter(Boolean)
    .join('\n\n');
}

function tellMachine({ context }: Result): string {
  const { cpu, cores, memoryBytes, loadAverage, versions, commit, startedAt, command } = context;
  const commands = command.split('; ').map((one) => `\`${one}\``);
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `${cpu}, ${cores} cores, ${formatBytes(memoryBytes)}; load average before it ${loadAverage[0].toFixed(2)}.
${packages.join(', ')}. Commit ${commit}, ${startedAt.slice(0, 10)}: ${commands.join('; ')}.
Brokers, Redis, the emulator and the generator shared this machine: trust ratios and counts more than milliseconds.`;
}

function toRow(repeats: ScenarioRun[]): string[] {
  const [first] = repeats as [ScenarioRun];
  const { load } = first;
  // Figures of an invalid run are none.
  const told = repeats.filter(({ verdict }) => verdict !== 'invalid');
  const latencies = told.map(({ histograms }) => percentilesOf(decode(histograms.response)));
  const spread = (values: (number | null)[], format: (value: number) => string) =>
    values.length === 0 ? '–' : tellSpread(values, format);
  const counts = (key: 'calls' | 'minimumCalls' | 'errors') =>
    spread(
      told.map(({ totals }) => totals[key]),
      formatCount,
    );
  const hits = told.map(({ totals: { l1, l2, entra } }) => formatShare(l1, l1 + l2 + entra));
  return [
    nameOf({ ...first, repeat: 1 }),
    `${formatCount(load.ratePerSecond)}/s, ${formatCount(load.users)} users${load.scaled ? ` (${load.scaled})` : ''}`,
    `${repeats.filter(({ verdict }) => verdict === 'pass').length} of ${repeats.length}`,
    spread(
      latencies.map(({ p50Ms }) => p50Ms),
      formatMaybeMs,
    ),
    spread(
      latencies.map(({ p99Ms }) => p99Ms),
      formatMaybeMs,
    ),
    `${counts('calls')} / ${counts('minimumCalls')}`,
    counts('errors'),
    [...new Set(hits)].join(', ') || '–',
  ];
}

/** By how much pass lines are missed, said as plainly as the rest. */
function tellMisses({ runs, context }: Result): string {
  const lines = runs.flatMap((run) => {
    const name = nameOf(run);
    if (!run.validity.valid) return [`* ${name}: invalid, ${run.validity.reasons.join('; ')}`];
    return run.checks
      .filter((check) => !check.holds && decides(check, context.quick))
      .map((check) => `* ${name}: ${check.name} is ${check.measured}, wanted ${check.target}`);
  });
  return lines.length === 0 ? 'Every pass line holds.' : `What does not hold:\n\n${lines.join('\n')}`;
}

function toRatio(row: NonNullable<Result['bench']>['rows'][number]): string[] {
  return [row.name, tellTarget(row), formatCount(row.value), tellMiddle(row)];
}
