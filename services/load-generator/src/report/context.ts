import { type Html, html } from '@onbehalf/chassis/http/html';
import { formatMs } from '@onbehalf/trace-viewer/draw/svg';
import { formatBytes, formatCount } from '../drawing/format.ts';
import type { Result } from '../results/result.ts';

/** On what, with what, and by which command: all that one needs to do it again. */
export function tellContext({ context, selfTestP99Ms }: Result): Html {
  const { commit, modified, command, startedAt, seed, quick, target, generators, versions, cpu, cores } = context;
  const facts: Record<string, string | Html> = {
    Command: html`<code>${command}</code>`,
    Commit: html`<code>${commit}</code>${modified && ' with changes that are not committed'}`,
    Started: startedAt,
    Target: target,
    Seed: String(seed),
    Length: quick ? 'quick: shortened runs, looser ratios' : 'full',
    Generators: `${formatCount(generators)} ${generators === 1 ? 'process' : 'processes'}`,
    'Self-test': `p99 ${formatMs(selfTestP99Ms)} against a server that stalls for a second; at least 800 ms`,
    Machine: `${cpu}, ${cores} cores, ${formatBytes(context.memoryBytes)}`,
    'Load average': context.loadAverage.map((load) => load.toFixed(2)).join(', '),
    'Raw data': 'beside this page: result.json, seconds.csv, and latencies second by second as .hlog',
    Versions: Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  };
  return html`<dl>${Object.entries(facts).map(([name, fact]) => html`<dt>${name}</dt><dd>${fact}</dd>`)}</dl>`;
}
