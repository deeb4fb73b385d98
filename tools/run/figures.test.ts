import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tableOf } from './figures.ts';

const calls = { is: '=', limit: 1, unit: 'call' } as const;
const share = { is: '≥', limit: 99, unit: '%' } as const;
const slowest = { is: '≤', limit: 1_000, unit: 'ms' } as const;

describe('the table of figures', () => {
  it('has a line for each target with what was measured', () => {
    const figures = [
      { what: 'calls', measured: 1 },
      { what: 'slowest', measured: 12.34 },
    ];
    assert.deepEqual(tableOf({ calls, slowest }, figures), {
      missed: 0,
      text: [
        '| what    | target    | measured | holds |',
        '|---------|-----------|----------|-------|',
        '| calls   | = 1 call  | 1 call   | yes   |',
        '| slowest | ≤ 1000 ms | 12.3 ms  | yes   |',
      ].join('\n'),
    });
  });

  for (const [says, target, good, bad] of [
    ['exactly', calls, 1, 2],
    ['exactly, not less', calls, 1, 0],
    ['at least', share, 99, 98.99],
    ['at most', slowest, 1_000, 1_000.1],
    ['anything but no number', share, 100, Number.NaN],
  ] as const) {
    it(`holds a figure to its target: ${says}`, () => {
      assert.equal(tableOf({ one: target }, [{ what: 'one', measured: good }]).missed, 0);
      assert.equal(tableOf({ one: target }, [{ what: 'one', measured: bad }]).missed, 1);
    });
  }

  it('takes a figure that did not come for one that does not hold', () => {
    const { text, missed } = tableOf({ calls, share }, [{ what: 'share', measured: 99.5 }]);
    assert.equal(missed, 1);
    assert.match(text, /calls .* not measured \| NO/);
  });

  it('misses no aim, but one that was not measured', () => {
    const aim = { ...slowest, aim: true } as const;
    assert.equal(tableOf({ aim }, [{ what: 'aim', measured: 5_000 }]).missed, 0);
    assert.match(tableOf({ aim }, [{ what: 'aim', measured: 5_000 }]).text, /5000 ms +\| an aim/);
    assert.equal(tableOf({ aim }, []).missed, 1);
  });

  it('holds every measurement of a figure to its target', () => {
    const twice = [1, 2].map((measured) => ({ what: 'calls', measured }));
    assert.equal(tableOf({ calls }, twice).missed, 1);
  });
});
