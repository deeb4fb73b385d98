import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createHistogram, decode } from '../results/histogram.ts';
import { planSchema } from './plan.ts';
import type { Reply } from './sender.ts';
import { Sending } from './sending.ts';

const reply: Reply = { status: 200, error: '', headers: {}, body: '', retryAfterSeconds: undefined, sentMs: undefined };

/** The latency in milliseconds of a request that goes out so late, at a server that answers at once. */
function latencyOf(lateMs: number): number {
  const plan = planSchema.parse({
    targets: ['http://127.0.0.1:1'],
    schedule: { ratePerSecond: 1, durationSeconds: 1 },
    kinds: [{ name: 'one', people: [{}] }],
  });
  const sender = {
    send: (...[, , , end]: unknown[]) => (end as (reply: Reply) => void)(reply),
    ask: async () => reply,
  };
  const sending = new Sending(plan, { sender, originMs: performance.now() - 1_000, recent: createHistogram(2) });
  sending.start({ dueMs: 1_000 - lateMs, kind: 0, turn: 0 });
  return decode(sending.seen().kinds[0]?.response ?? '').maxValue / 1_000;
}

describe('a request that goes out late', () => {
  it('is not slow by what the timer cannot resolve', () => {
    const best = Math.min(...Array.from({ length: 20 }, () => latencyOf(0.9)));
    assert.ok(best < 0.5, `${best} ms`);
  });

  it('is slow by all the rest: nothing that a stalled server delays is left out', () => {
    for (const lateMs of [50, 700]) {
      const ms = latencyOf(lateMs);
      assert.ok(ms >= (lateMs - 1) * 0.999 && ms < lateMs + 500, `${ms} ms`);
    }
  });
});
