/** One sample of Prometheus' text format. */
type Sample = { name: string; labels: Record<string, string>; value: number };

/** The samples of a page of Prometheus' text format; comments and what is no sample are left out. */
export function parseMetrics(page: string): Sample[] {
  return page.split('\n').flatMap((line) => {
    const [, name, labelled = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
    if (!name || Number.isNaN(Number(value))) return [];
    const labels = Object.fromEntries([...labelled.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, k, v]) => [k, v]));
    return [{ name, labels, value: Number(value) }];
  });
}

/** The sum of all series of that name whose labels suit. */
export function total(samples: readonly Sample[], name: string, suits = (_: Sample['labels']) => true): number {
  return samples.reduce((sum, one) => (one.name === name && suits(one.labels) ? sum + one.value : sum), 0);
}

/** Cumulative counts by upper bound, all series of a histogram together. */
export function buckets(samples: readonly Sample[], name: string): Map<number, number> {
  const sums = new Map<number, number>();
  for (const { name: of, labels, value } of samples) {
    if (of !== `${name}_bucket` || labels.le === undefined) continue;
    const bound = labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le);
    sums.set(bound, (sums.get(bound) ?? 0) + value);
  }
  return sums;
}

/** A quantile of what came between two readings, by weight within its bucket; `null` if nothing came. */
export function quantileBetween(before: Map<number, number>, after: Map<number, number>, part: number): number | null {
  const bounds = [...after.keys()].sort((a, b) => a - b);
  const upTo = (bound: number) => (after.get(bound) ?? 0) - (before.get(bound) ?? 0);
  const wanted = upTo(bounds.at(-1) ?? 0) * part;
  if (wanted <= 0) return null;
  let [low, below] = [0, 0];
  for (const bound of bounds) {
    const reached = upTo(bound);
    // Beyond the last bound nothing more is known than that.
    if (reached >= wanted)
      return Number.isFinite(bound) ? low + ((bound - low) * (wanted - below)) / (reached - below) : low;
    [low, below] = [bound, reached];
  }
  return low;
}
