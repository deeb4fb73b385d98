import { z } from 'zod';

const count = z.int().nonnegative();
const amount = z.number().nonnegative();

/** What `npm run bench -- --json` writes. */
export const benchSchema = z.object({
  node: z.string(),
  rows: z.array(
    z.object({
      name: z.string(),
      target: z.string(),
      limit: z.number(),
      value: z.number(),
      low: z.number(),
      high: z.number(),
      note: z.string(),
    }),
  ),
  slices: z.record(
    z.string(),
    z.array(z.object({ requests: count, failed: count, cpuUsPerRequest: amount, p50Ms: amount, p99Ms: amount })),
  ),
});
