import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hitMarginSeconds } from '../lifetimes.ts';
import { refreshAtSeconds } from './refresh-point.ts';

const random = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const issuedAtSeconds = 1_700_000_000;

describe('the refresh point', () => {
  it('lies within the time in which the token is a hit, whatever Entra says', () => {
    const life = fc.integer({ min: hitMarginSeconds + 1, max: 100_800 });
    const refreshIn = fc.option(fc.integer({ min: 1, max: 200_000 }), { nil: undefined });
    fc.assert(
      fc.property(life, refreshIn, random, (expiresInSeconds, refreshInSeconds, chance) => {
        const at = refreshAtSeconds({ issuedAtSeconds, expiresInSeconds, refreshInSeconds }, chance);
        assert.ok(at >= issuedAtSeconds);
        assert.ok(at < issuedAtSeconds + expiresInSeconds - hitMarginSeconds, `${at - issuedAtSeconds} s`);
      }),
      { numRuns: 5_000 },
    );
  });

  it('is not before refresh_in where that leaves room', () => {
    fc.assert(
      fc.property(random, (chance) => {
        const token = { issuedAtSeconds, expiresInSeconds: 86_400, refreshInSeconds: 43_200 };
        assert.ok(refreshAtSeconds(token, chance) >= issuedAtSeconds + 43_200);
      }),
    );
  });

  it('is spread, so that tokens acquired together are not refreshed together', () => {
    for (const refreshInSeconds of [undefined, 1_800]) {
      const token = { issuedAtSeconds, expiresInSeconds: 3_600, refreshInSeconds };
      assert.ok(Math.abs(refreshAtSeconds(token, 0.99) - refreshAtSeconds(token, 0)) > 300);
    }
  });

  it('is around 80 % of its life, or its refresh_in, and at most a tenth of its life from it', () => {
    const rows: [expiresInSeconds: number, refreshInSeconds: number | undefined, first: number, last: number][] = [
      [10_000, undefined, 7_000, 8_000],
      [10_000, 5_000, 5_000, 6_000],
      // Half of what is left until it is no hit any more.
      [10_000, 8_000, 8_000, 8_850],
      // A refresh_in that leaves no room is none.
      [10_000, 8_730, 7_000, 8_000],
      [10_000, 9_999, 7_000, 8_000],
      // 80 % is too late for a short one: 90 % of the time in which it is a hit.
      [1_000, undefined, 530, 630],
      [301, undefined, 0, 0],
    ];
    for (const [expiresInSeconds, refreshInSeconds, first, last] of rows) {
      const token = { issuedAtSeconds, expiresInSeconds, refreshInSeconds };
      const ends = [refreshAtSeconds(token, 0), refreshAtSeconds(token, 1)].map((at) => at - issuedAtSeconds);
      assert.deepEqual(
        ends.sort((a, b) => a - b),
        [first, last],
        `${expiresInSeconds} ${refreshInSeconds}`,
      );
    }
  });
});
