import { formatCount } from '../../services/load-generator/src/drawing/format.ts';
import type { Result } from '../../services/load-generator/src/results/result.ts';
import { median } from '../../services/load-generator/src/results/statistics.ts';
import { markdownTable } from './markdown.ts';

/** What is reckoned with: a thousand signed-in people with a token of an API and one of the API behind it. */
const people = 1_000;
const tokensEach = 2;
/** A token of an hour serves until MSAL's margin of five minutes. */
const usefulSeconds = 3_300;

/** A figure, and whether the result behind it measured it or it is taken from the design. */
type Figure = { value: number; measured: boolean };

const assumed = { sessionKiB: 1, msalKiB: 2.5, tokenKiB: 2.7, l1KiB: 3, hitUs: 30, tracedUs: 80, missMs: 0.3 };

/** What a thousand people need, of a result where it was measured, else of the design; `docs/sizing.md` as a whole. */
export function tellSizing(result: Result | undefined): string {
  const token = checked(result, 'resource', 'Redis, a token', 'KiB') ?? guess(assumed.tokenKiB);
  const l1 = checked(result, 'resource', 'L1, a token', 'KiB') ?? guess(assumed.l1KiB);
  const hit = cpuOf(result, 'broker L1') ?? guess(assumed.hitUs);
  const traced = cpuOf(result, 'broker L1, traced') ?? guess(hit.value + assumed.tracedUs);
  const tokens = people * tokensEach;
  const redisMiB = (people * assumed.sessionKiB + tokens * (assumed.msalKiB + token.value)) / 1_024;
  const calls = tokens / usefulSeconds;
  const percent = (us: number) => `${formatCount((us * 100) / 10_000)} % of a core`;
  return `# Sizing

Per ${formatCount(people)} signed-in people with ${tokensEach} tokens each (an API's and, on their behalf, the next API's), tokens of 60
minutes, \`p\` pods of token-broker. Made by \`node tools/load/publish.ts\`: do not edit.
[load-testing.md](load-testing.md) says how it is measured.

${markdownTable(
  ['Resource', 'Need', 'From'],
  [
    [
      'Redis',
      `${formatCount(redisMiB)} MiB; provide ${formatCount(Math.ceil(redisMiB * 2))}`,
      `session ${assumed.sessionKiB} KiB (assumed) + ${tokensEach} x (MSAL cache ${assumed.msalKiB} KiB (assumed) + ${tell(token, 'KiB')} of a token)`,
    ],
    [
      'L1 in each pod',
      `${formatCount((tokens * l1.value) / 1_024)} MiB`,
      `${tokensEach} x ${tell(l1, 'KiB')}; the default bound is 64 MiB`,
    ],
    [
      'calls to Entra',
      `${formatCount(calls)}/s; provide for twice that`,
      `${tokensEach} tokens in ${formatCount(usefulSeconds)} s`,
    ],
    ['reads at Redis', `${formatCount(calls)}/s x p`, 'one per token, life and pod'],
    [
      'broker CPU per 100 requests/s',
      `${percent(hit.value)}; traced ${percent(traced.value)}`,
      `${tell(hit, 'µs')}; traced ${tell(traced, 'µs')}`,
    ],
    ['broker CPU for calls', percent((calls / 100) * assumed.missMs * 1_000), `${assumed.missMs} ms a call (assumed)`],
  ],
)}

${tellTested(result)}
${tellKnee(result)}
## Replicas

Node runs a pod's work on one core: ask for pods, not for cores. Plan with 40 % of a core at the peak, and with one pod
more than that, since a rollout and a lost node both take one away. A pod more also costs each token one more read at
Redis per life. Two is the least, and enough for most.
`;
}

function tellTested(result: Result | undefined): string {
  const runs = result?.runs.filter(({ name, verdict }) => name === 'l1' && verdict === 'pass') ?? [];
  if (runs.length === 0)
    return 'No run behind these figures is published yet: what is not measured is marked as assumed.';
  const rate = Math.max(...runs.map(({ validity }) => validity.achievedPerSecond));
  return `Tested to ${formatCount(rate)} requests/s over ${runs[0]?.load.brokers} brokers with every token in L1 (scenario \`l1\`). More than that is reckoned.`;
}

/** How far brokers go, grant by grant, of the scenario `knee`; nothing if it was not run. */
function tellKnee(result: Result | undefined): string {
  const runs = result?.runs.filter(({ name, verdict }) => name === 'knee' && verdict !== 'invalid') ?? [];
  if (runs.length === 0) return '';
  const counts = [...new Set(runs.map(({ load }) => load.brokers))].sort((a, b) => a - b);
  const grants = [...new Set(runs.map(({ variant }) => variant))];
  const cell = (grant: string, brokers: number) => {
    const run = runs.findLast(({ variant, load }) => variant === grant && load.brokers === brokers);
    return run?.checks.find(({ name }) => name.startsWith('the knee'))?.measured ?? '–';
  };
  const heads = counts.map((count) => (count === 1 ? '1 broker' : `${count} brokers`));
  return `
## How far it goes

The rate at which the 99th percentile of hits leaves 20 ms for good (scenario \`knee\`), and the brokers' cores then. Long before it
a caller of a pod is stopped by \`callers.rate\`, 5,000/s unless the chart's value says otherwise.

${markdownTable(
  ['Grant', ...heads],
  grants.map((grant) => [grant, ...counts.map((count) => cell(grant, count))]),
)}
`;
}

function tell({ value, measured }: Figure, unit: string): string {
  return `${formatCount(value)} ${unit}${measured ? '' : ' (assumed)'}`;
}

const guess = (value: number): Figure => ({ value, measured: false });

/** The number that a scenario's check measured, in that unit; of several repeats the median. */
function checked(result: Result | undefined, scenario: string, begin: string, unit: string): Figure | undefined {
  const values = (result?.runs ?? [])
    .filter(({ name, verdict }) => name === scenario && verdict !== 'invalid')
    .flatMap(({ checks }) => checks.filter(({ name }) => name.startsWith(begin)))
    .map(({ measured }) => Number(new RegExp(`^([\\d.]+) ${unit}$`).exec(measured)?.[1]));
  return values.length > 0 && values.every(Number.isFinite) ? { value: median(values), measured: true } : undefined;
}

function cpuOf(result: Result | undefined, name: string): Figure | undefined {
  const slices = result?.bench?.slices[name];
  return slices && { value: median(slices.map(({ cpuUsPerRequest }) => cpuUsPerRequest)), measured: true };
}
