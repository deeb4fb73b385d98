import { decode, percentileMs } from '../results/histogram.ts';
import type { Check } from '../results/result.ts';
import type { Observed } from './scenario.ts';

const figure = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });
const time = { time: true };
const words = (value: number, unit: string) => `${figure.format(value)}${unit && ` ${unit}`}`;

export function atMost(name: string, measured: number, limit: number, unit = ''): Check {
  const holds = measured <= limit;
  return {
    name,
    target: `<= ${words(limit, unit)}`,
    measured: words(measured, unit),
    holds,
    ...(unit === 'ms' && time),
  };
}

export function atLeast(name: string, measured: number, limit: number, unit = ''): Check {
  return { name, target: `>= ${words(limit, unit)}`, measured: words(measured, unit), holds: measured >= limit };
}

export function exactly(name: string, measured: number, target: number, unit = ''): Check {
  return { name, target: words(target, unit), measured: words(measured, unit), holds: measured === target };
}

/** A percentile of latencies, which must be known to hold. */
export function percentileAtMost(name: string, encoded: string, percentile: number, limitMs: number): Check {
  const ms = percentileMs(decode(encoded), percentile);
  const measured = ms === null ? 'too few samples' : words(ms, 'ms');
  return {
    name: `${name} p${percentile}`,
    target: `<= ${words(limitMs, 'ms')}`,
    measured,
    holds: (ms ?? limitMs + 1) <= limitMs,
    ...time,
  };
}

export const foreignName = 'tokens of another person';

/** Nobody gets another's token: part of every scenario whose people have tokens. */
export function noForeign({ totals }: Pick<Observed, 'totals'>): Check {
  const measured = `${totals.foreign} of ${totals.opened} opened`;
  return { name: foreignName, target: '0', measured, holds: totals.foreign === 0 && totals.opened > 0 };
}

export const noErrors = ({ totals }: Pick<Observed, 'totals'>): Check => exactly('errors', totals.errors, 0);

/** One percentile as a multiple of the same of a control. */
export function ratioAtMost(name: string, encoded: string, control: string, percentile: number, limit: number): Check {
  const [above, below] = [encoded, control].map((text) => percentileMs(decode(text), percentile));
  const ratio = above && below ? above / below : Number.NaN;
  const measured =
    above && below ? `${figure.format(ratio)} (${words(above, 'ms')} / ${words(below, 'ms')})` : 'too few samples';
  return { name: `${name} p${percentile}`, target: `<= ${limit}`, measured, holds: ratio <= limit, ...time };
}
