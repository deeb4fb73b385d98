import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';

export type { Histogram };

/** What is slower counts as this slow. */
export const longestUs = 60_000_000;

/** A percentile that fewer samples lie beyond says nothing. */
const samplesBeyond = 10;

/** Latencies from 1 us to 60 s: three digits for a whole run, two for one second of it. */
export function createHistogram(digits: 2 | 3 = 3): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: longestUs,
    numberOfSignificantValueDigits: digits,
    bitBucketSize: 32,
  });
}

export function record(histogram: Histogram, ms: number): void {
  histogram.recordValue(Math.min(longestUs, Math.max(1, Math.round(ms * 1_000))));
}

/** HDR's own format, V2, compressed, base64. */
export const encode = (histogram: Histogram): string => encodeIntoCompressedBase64(histogram);
export const decode = (text: string): Histogram => decodeFromCompressedBase64(text, 32);

/** Adds encoded histograms: the only way to put the latencies of several processes together. */
export function sum(texts: readonly string[], digits: 2 | 3 = 3): Histogram {
  const total = createHistogram(digits);
  for (const text of texts) total.add(decode(text));
  return total;
}

/** Milliseconds at a percentile, `null` where too few samples lie beyond it. */
export function percentileMs(histogram: Histogram, percentile: number): number | null {
  const beyond = histogram.totalCount * (1 - percentile / 100);
  // 1 - 0.99 is no binary fraction.
  if (beyond < samplesBeyond - 1e-6) return null;
  return round(histogram.getValueAtPercentile(percentile) / 1_000);
}

/** The row of every table of latencies. */
export function percentilesOf(histogram: Histogram) {
  return {
    p50Ms: percentileMs(histogram, 50),
    p90Ms: percentileMs(histogram, 90),
    p99Ms: percentileMs(histogram, 99),
    p999Ms: percentileMs(histogram, 99.9),
    maxMs: histogram.totalCount > 0 ? round(histogram.maxValue / 1_000) : null,
  };
}

const round = (ms: number) => Math.round(ms * 1_000) / 1_000;
