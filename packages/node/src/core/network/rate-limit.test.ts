import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../fault.ts';
import { RateLimit } from './rate-limit.ts';

const taken = (work: () => void): number | undefined => {
  try {
    work();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Fault && error.code === 'too_many_requests');
    return error.retryAfterSeconds;
  }
};

describe('a limit', () => {
  it('lets a burst pass, then one per interval, and says how long to wait', () => {
    let now = 1_000_000;
    const limit = new RateLimit({ perSecond: 10, burst: 3 }, () => now);
    const take = () => taken(() => limit.take('a'));
    assert.deepEqual([take(), take(), take()], [undefined, undefined, undefined]);
    const waitSeconds = take();
    assert.equal(waitSeconds, 0.1);
    now += 100;
    assert.deepEqual([take(), take() !== undefined], [undefined, true]);
    now += 10_000;
    assert.deepEqual([take(), take(), take(), take() !== undefined], [undefined, undefined, undefined, true]);
  });

  it('refuses a moment too early', () => {
    let now = 0;
    const limit = new RateLimit({ perSecond: 1, burst: 1 }, () => now);
    limit.take('a');
    now += 999.5;
    assert.equal(
      taken(() => limit.take('a')),
      0.000_5,
    );
  });

  it('is not prolonged by those it refuses', () => {
    let now = 0;
    const limit = new RateLimit({ perSecond: 1, burst: 1 }, () => now);
    limit.take('a');
    for (let i = 0; i < 100; i += 1) assert.ok(taken(() => limit.take('a')) !== undefined);
    now += 1_000;
    assert.equal(
      taken(() => limit.take('a')),
      undefined,
    );
  });

  it('does not wait for a wall clock that was put back', (context) => {
    const wall = context.mock.method(Date, 'now', () => 1_000_000);
    const limit = new RateLimit({ perSecond: 10, burst: 3 });
    limit.take('a');
    wall.mock.mockImplementation(() => 400_000);
    assert.equal(
      taken(() => limit.take('a')),
      undefined,
    );
  });

  it('counts every name alone', () => {
    const limit = new RateLimit({ perSecond: 1, burst: 1 }, () => 0);
    limit.take('a');
    limit.take('b');
  });

  it('tells how long the next has to wait, and saves up no more than its burst', () => {
    let now = 1_000_000;
    const limit = new RateLimit({ perSecond: 2, burst: 3 }, () => now);
    const wait = (times: number) => Array.from({ length: times }, () => limit.waitSeconds('a'));
    assert.deepEqual(wait(5), [0, 0, 0, 0.5, 0.5]);
    now += 250;
    assert.deepEqual(wait(1), [0.25]);
    now += 250;
    assert.deepEqual(wait(2), [0, 0.5]);
    now += 3_600_000;
    assert.deepEqual(wait(4), [0, 0, 0, 0.5]);
  });

  it('forgets the name that was silent longest, beyond 20,000', () => {
    const limit = new RateLimit({ perSecond: 2, burst: 3 }, () => 1_000_000);
    for (const one of ['old', 'busy']) for (let i = 0; i < 3; i += 1) limit.take(one);
    for (let i = 0; i < 19_998; i += 1) limit.take(`${i}`);
    assert.equal(limit.waitSeconds('busy'), 0.5);
    assert.equal(limit.waitSeconds('old'), 0.5, 'there is room for 20,000');
    limit.waitSeconds('busy');
    for (let i = 0; i < 19_999; i += 1) limit.take(`x${i}`);
    assert.equal(limit.waitSeconds('busy'), 0.5);
    assert.equal(limit.waitSeconds('old'), 0);
  });

  it('forgets one of them where all are busy, and counts the new one', () => {
    const limit = new RateLimit({ perSecond: 2, burst: 1 }, () => 1_000_000);
    const names = Array.from({ length: 20_000 }, (_, i) => `${i}`);
    for (const one of [...names, ...names]) limit.waitSeconds(one);
    assert.deepEqual([limit.waitSeconds('new'), limit.waitSeconds('new')], [0, 0.5]);
    assert.equal(limit.waitSeconds('1'), 0.5);
    assert.equal(limit.waitSeconds('0'), 0);
  });

  it('refuses in the words that it is given', () => {
    const limit = new RateLimit({ perSecond: 1, burst: 1 }, () => 0);
    limit.take('a');
    assert.throws(() => limit.take('a', 'Not so fast.'), { code: 'too_many_requests', message: 'Not so fast.' });
  });

  it('never lets more pass than its rate and burst, however they come', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(300), { minLength: 1, maxLength: 200 }), (pausesMs) => {
        let now = 0;
        let passed = 0;
        const limit = new RateLimit({ perSecond: 10, burst: 5 }, () => now);
        for (const pauseMs of pausesMs) {
          now += pauseMs;
          if (taken(() => limit.take('a')) === undefined) passed += 1;
        }
        assert.ok(passed <= 5 + now / 100 + 1e-9);
      }),
    );
  });
});
