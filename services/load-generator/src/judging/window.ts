import { createHistogram, decode, encode } from '../results/histogram.ts';
import type { Seen } from '../sending/plan.ts';

/** What was due from one second to another, the latter not included. */
export function within({ seconds }: Seen, from: number, to: number) {
  const total = createHistogram(2);
  let [requests, errors] = [0, 0];
  for (const second of seconds) {
    if (second.atSeconds < from || second.atSeconds >= to) continue;
    requests += second.requests;
    errors += second.errors;
    total.add(decode(second.histogram));
  }
  return { requests, errors, histogram: encode(total) };
}
