import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRetryAfter } from './retry-after.ts';

const nowMs = Date.parse('2026-11-30T12:00:00Z');

describe('Retry-After', () => {
  for (const [value, seconds] of [
    ['17', 17],
    [' 17 ', 17],
    ['0', 1],
    ['999999', 3_600],
    ['Mon, 30 Nov 2026 12:01:30 GMT', 90],
    ['Mon, 30 Nov 2026 11:00:00 GMT', 1],
    ['soon', undefined],
    ['', undefined],
    [null, undefined],
  ] as const) {
    it(`of ${JSON.stringify(value)} is ${seconds}`, () => assert.equal(parseRetryAfter(value, nowMs), seconds));
  }
});
