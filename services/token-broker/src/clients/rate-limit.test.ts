import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fault } from '@onbehalf/node/core/fault';
import fc from 'fast-check';
import { createLimit } from './rate-limit.ts';

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
    const limit = createLimit({ perSecond: 10, burst: 3 }, () => now);
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
    const limit = createLimit({ perSecond: 1, burst: 1 }, () => now);
    limit.take('a');
    now += 999.5;
    assert.equal(
      taken(() => limit.take('a')),
      0.000_5,
    );
  });

  it('is not prolonged by those it refuses', () => {
    let now = 0;
    const limit = createLimit({ perSecond: 1, burst: 1 }, () => now);
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
    const limit = createLimit({ perSecond: 10, burst: 3 });
    limit.take('a');
    wall.mock.mockImplementation(() => 400_000);
    assert.equal(
      taken(() => limit.take('a')),
      undefined,
    );
  });

  it('counts every name alone', () => {
    const limit = createLimit({ perSecond: 1, burst: 1 }, () => 0);
    limit.take('a');
    limit.take('b');
  });

  it('never lets more pass than its rate and burst, however they come', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(300), { minLength: 1, maxLength: 200 }), (pausesMs) => {
        let now = 0;
        let passed = 0;
        const limit = createLimit({ perSecond: 10, burst: 5 }, () => now);
        for (const pauseMs of pausesMs) {
          now += pauseMs;
          if (taken(() => limit.take('a')) === undefined) passed += 1;
        }
        assert.ok(passed <= 5 + now / 100 + 1e-9);
      }),
    );
  });
});
