import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Request, Response } from 'express';
import { faultOf } from '../../core/fault.fake.ts';
import { createRate, rateLimit } from './rate.ts';

/** Three requests at once, and two more a second. */
function open() {
  const clock = { ms: 1_000_000 };
  return { clock, rate: createRate({ perSecond: 2, burst: 3 }, () => clock.ms) };
}

describe('the rate of a network', () => {
  it('lets so many pass at once, then tells how long the next has to wait', () => {
    const { clock, rate } = open();
    assert.deepEqual([rate('a'), rate('a'), rate('a'), rate('a'), rate('a')], [0, 0, 0, 0.5, 0.5]);
    clock.ms += 250;
    assert.equal(rate('a'), 0.25);
    clock.ms += 250;
    assert.deepEqual([rate('a'), rate('a')], [0, 0.5]);
  });

  it('saves up no more than its burst', () => {
    const { clock, rate } = open();
    for (let i = 0; i < 3; i += 1) rate('a');
    clock.ms += 3_600_000;
    assert.deepEqual([rate('a'), rate('a'), rate('a'), rate('a')], [0, 0, 0, 0.5]);
  });

  it('takes nothing away when the clock is put back', () => {
    const { clock, rate } = open();
    rate('a');
    clock.ms -= 3_600_000;
    assert.deepEqual([rate('a'), rate('a'), rate('a')], [0, 0, 0.5]);
  });

  it('is its own', () => {
    const { rate } = open();
    for (let i = 0; i < 4; i += 1) rate('a');
    assert.equal(rate('b'), 0);
  });

  it('is forgotten of the one that was silent longest, beyond 20,000', () => {
    const { rate } = open();
    for (const one of ['old', 'busy']) for (let i = 0; i < 3; i += 1) rate(one);
    for (let i = 0; i < 19_998; i += 1) rate(`${i}`);
    assert.equal(rate('busy'), 0.5);
    assert.equal(rate('old'), 0.5, 'there is room for 20,000');
    rate('busy');
    for (let i = 0; i < 19_999; i += 1) rate(`x${i}`);
    assert.equal(rate('busy'), 0.5);
    assert.equal(rate('old'), 0);
  });

  it('refuses a request that exceeds it, and says when to come back', () => {
    const { rate } = open();
    const limit = rateLimit(rate, () => 'a');
    let passed = 0;
    const ask = () =>
      limit({} as Request, {} as Response, () => {
        passed += 1;
      });
    for (let i = 0; i < 3; i += 1) ask();
    assert.throws(
      ask,
      faultOf('too_many_requests', (fault) => {
        assert.equal(fault.retryAfterSeconds, 0.5);
      }),
    );
    assert.equal(passed, 3);
  });
});
