import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fault } from '../../core/fault.ts';
import { Refreshable } from './refreshable.ts';

function open() {
  const at = { nowMs: 0, loads: 0, fail: false };
  const load = async () => {
    at.loads += 1;
    if (at.fail) throw new Error('down');
    return at.loads;
  };
  const unavailable = (cause?: unknown) => new Fault('unavailable', 'later', { cause });
  return { at, value: new Refreshable({ load, freshMs: 1_000, retryMs: 100, nowMs: () => at.nowMs, unavailable }) };
}

/** Lets the load that runs in the background end. */
const settled = () => new Promise(setImmediate);

describe('a refreshable value', () => {
  it('is loaded once for all who wait, and again when it is no longer fresh', async () => {
    const { at, value } = open();
    assert.deepEqual([value.last, at.loads], [undefined, 0]);
    assert.deepEqual(await Promise.all([value.get(), value.get(), value.get()]), [1, 1, 1]);
    at.nowMs = 999;
    assert.equal(await value.get(), 1);
    at.nowMs = 1_000;
    assert.equal(await value.get(), 1, 'the stale value serves while the new one loads');
    await settled();
    assert.deepEqual([await value.get(), at.loads], [2, 2]);
  });

  it('refuses while there is nothing, trying again after the pause only', async () => {
    const { at, value } = open();
    at.fail = true;
    for (let call = 0; call < 3; call += 1) await assert.rejects(value.get(), Fault);
    assert.equal(at.loads, 1);
    at.nowMs = 100;
    at.fail = false;
    assert.equal(await value.get(), 2);
  });

  it('keeps the old one through failures, and recovers', async () => {
    const { at, value } = open();
    await value.get();
    Object.assign(at, { nowMs: 1_000, fail: true });
    for (let call = 0; call < 3; call += 1) assert.equal(await value.get(), 1);
    await settled();
    assert.equal(at.loads, 2);
    Object.assign(at, { nowMs: 1_100, fail: false });
    await value.get();
    await settled();
    assert.equal(await value.get(), 3);
  });
});
