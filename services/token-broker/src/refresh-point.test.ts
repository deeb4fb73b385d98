import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hitMarginSeconds } from './lifetimes.ts';
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

  it('is spread, so that tokens bought together are not refreshed together', () => {
    for (const refreshInSeconds of [undefined, 1_800]) {
      const token = { issuedAtSeconds, expiresInSeconds: 3_600, refreshInSeconds };
      assert.ok(Math.abs(refreshAtSeconds(token, 0.99) - refreshAtSeconds(token, 0)) > 300);
    }
  });
});
