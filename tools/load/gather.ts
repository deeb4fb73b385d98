import { type Result, worstOf } from '../../services/load-generator/src/results/result.ts';
import { Unsafe } from '../../services/load-generator/src/target/safety.ts';

/** Where a result went says nothing of how it came about. */
const outputs = / --(json|html) \S+/g;

/**
 * Puts results of one machine together that were measured one after the other: of a scenario that several hold at as many
 * brokers, the last ones' runs stand. @throws Unsafe if there is none, or one is of another machine or length.
 */
export function gather(results: readonly Result[]): Result {
  const [first] = results;
  if (!first) throw new Unsafe('There is no result to publish.');
  const sortOf = ({ context: { cpu, cores, quick, target } }: Result) => [cpu, cores, quick, target].join();
  if (results.some((one) => sortOf(one) !== sortOf(first)))
    throw new Unsafe('These results are of different machines, targets or lengths: publish those of one.');
  const keyOf = ({ name, load }: Result['runs'][number]) => (name === 'knee' ? `${name} ${load.brokers}` : name);
  const last = new Map(results.flatMap((result) => result.runs.map((run) => [keyOf(run), result] as const)));
  const runs = [...last].flatMap(([key, result]) => result.runs.filter((run) => keyOf(run) === key));
  const each = (of: (context: Result['context']) => string) => [...new Set(results.map(({ context }) => of(context)))];
  const bench = results.findLast((result) => result.bench)?.bench;
  return {
    ...first,
    ...{ verdict: worstOf(runs.map(({ verdict }) => verdict)), runs, ...(bench && { bench }) },
    selfTestP99Ms: Math.min(...results.map(({ selfTestP99Ms }) => selfTestP99Ms)),
    context: {
      ...first.context,
      modified: results.some(({ context }) => context.modified),
      commit: each(({ commit }) => commit).join(', '),
      command: each(({ command }) => command.replace(outputs, '')).join('; '),
    },
  };
}
