import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

/** Waits until it is so. @throws AssertionError that says `otherwise` when it is not in time. */
export async function until(holds: () => unknown, otherwise: string, withinMs = 30_000): Promise<void> {
  for (const endMs = performance.now() + withinMs; !(await holds()); await delay(20)) {
    assert.ok(performance.now() < endMs, `not within ${withinMs / 1_000} s: ${otherwise}`);
  }
}
