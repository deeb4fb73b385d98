export function median(values: number[]): number {
  return quantile(values, 0.5);
}

/** The value below which that part of the values lies, between neighbours by weight. */
export function quantile(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

type Spread = { value: number; low: number; high: number };

/** Median and interquartile range of the ratios of each round. */
export function ratio(above: number[], below: number[]): Spread {
  return spread(above.map((value, i) => value / (below[i] ?? Number.NaN)));
}

/** Median and interquartile range of the differences of each round. */
export function difference(above: number[], below: number[]): Spread {
  return spread(above.map((value, i) => value - (below[i] ?? Number.NaN)));
}

/** Median and interquartile range. */
export function spread(values: number[]): Spread {
  return { value: median(values), low: quantile(values, 0.25), high: quantile(values, 0.75) };
}
