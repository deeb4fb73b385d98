import assert from 'node:assert/strict';
import { it } from 'node:test';
import { spanTime } from './span-time.ts';

it('is the wall’s time, finer, and never runs back', () => {
  const times = Array.from({ length: 10_000 }, () => spanTime());
  assert.ok(times.every((time, place) => place === 0 || time >= (times[place - 1] ?? 0)));
  assert.ok(Math.abs(spanTime() - Date.now()) <= 3);
  assert.ok(times.some((time) => !Number.isInteger(time)));
});

it('follows a clock that is put back or forward', (context) => {
  const real = Date.now;
  context.after(() => {
    Date.now = real;
  });
  for (const stepMs of [-60_000, 60_000]) {
    Date.now = () => real() + stepMs;
    assert.ok(Math.abs(spanTime() - Date.now()) <= 3);
  }
});
