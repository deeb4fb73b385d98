import { decode, percentileMs } from '../results/histogram.ts';
import type { ScenarioRun } from '../results/result.ts';

/** The runs of each scenario and variant, in the order they came. */
export function toRepeats(runs: ScenarioRun[]): ScenarioRun[][] {
  return [...Map.groupBy(runs, ({ name, variant }) => `${name} ${variant}`).values()];
}

/** Of each scenario and variant the run that asks to be looked at: one that does not hold, else the slowest. */
export function toDraw(runs: ScenarioRun[]): ScenarioRun[] {
  return toRepeats(runs).map((repeats) => {
    const troubled = repeats.filter(({ verdict }) => verdict !== 'pass');
    return (troubled.length > 0 ? troubled : repeats).reduce((worst, run) => (p99Of(run) > p99Of(worst) ? run : worst));
  });
}

/** Where a run is drawn; a repeat is drawn with its scenario. */
export function anchorOf(run: ScenarioRun, runs: ScenarioRun[]): string {
  const place = toRepeats(runs).findIndex(([first]) => first?.name === run.name && first.variant === run.variant);
  return `run-${place + 1}`;
}

const p99Of = ({ histograms }: ScenarioRun): number => percentileMs(decode(histograms.response), 99) ?? 0;
