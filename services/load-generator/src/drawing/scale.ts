/** Numbers to pixels. */
export type Scale = ((value: number) => number) & { ticks: number[] };

type Span = [from: number, to: number];

/** Equal steps for equal differences; ticks at 1, 2 or 5 times a power of ten, about `wanted` of them. */
export function linear([low, high]: Span, [from, to]: Span, wanted = 4): Scale {
  const step = niceStep((high - low) / wanted);
  const ticks = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high * (1 + 1e-9); n++)
    ticks.push(Number((n * step).toFixed(9)));
  const scale = (value: number) => from + ((value - low) / (high - low)) * (to - from);
  return Object.assign(scale, { ticks });
}

/** Equal steps for equal ratios; ticks at powers of ten, and at 2 and 5 times them where they are few. */
export function logarithmic([low, high]: Span, [from, to]: Span): Scale {
  const decades = Math.log10(high / low);
  const parts = decades > 3 ? [1] : decades > 1.5 ? [1, 3] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const part of parts) ticks.push(Number((part * 10 ** power).toPrecision(3)));
  }
  const within = ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  const scale = (value: number) => {
    const place = Math.log(Math.min(high, Math.max(low, value)) / low) / Math.log(high / low);
    return from + place * (to - from);
  };
  return Object.assign(scale, { ticks: within });
}

/** Seconds of a run; ticks at steps that clocks have. */
export function timeScale(seconds: number, [from, to]: Span, wanted = 10): Scale {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600];
  const step = steps.find((one) => seconds / one <= wanted) ?? 7_200;
  const ticks = Array.from({ length: Math.floor(seconds / step) + 1 }, (_, n) => n * step);
  return Object.assign((value: number) => from + (value / seconds) * (to - from), { ticks });
}

/** The smallest of 1, 2, 5 times a power of ten that is not smaller. */
export function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5, 10].find((part) => part * power >= least * (1 - 1e-9)) ?? 10) * power;
}

/** The least and the greatest of the numbers there are. */
export function extent(values: (number | null | undefined)[]): Span | undefined {
  const there = values.filter((value) => typeof value === 'number');
  return there.length === 0 ? undefined : [Math.min(...there), Math.max(...there)];
}
