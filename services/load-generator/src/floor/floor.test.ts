import assert from 'node:assert/strict';
import { it } from 'node:test';
import { measureFloor } from './floor.ts';

it('the floor of a burst is what bare servers take beyond the time for which they hold it', async () => {
  const load = { ratePerSecond: 2_000, users: 1, durationSeconds: 0.5, brokers: 2 };
  const beyondMs = await measureFloor(load, 300, 100);
  assert.ok(beyondMs > 0 && beyondMs < 5_000, `${beyondMs} ms`);
});

it('a burst that is too small for a 99th percentile has none', async () => {
  const load = { ratePerSecond: 500, users: 1, durationSeconds: 0.2, brokers: 1 };
  await assert.rejects(measureFloor(load, 10, 10), /fewer than 1,000/);
});
