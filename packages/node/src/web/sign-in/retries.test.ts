import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { revocationRetry } from '../../lifetimes.ts';
import { type Lost, Retries } from './retries.ts';

/** Retries of something that is away or not, with a clock and rounds that the test moves. */
function bench(most = { all: 100, owner: 50 }) {
  const state = { away: true, nowMs: 0, calls: [] as string[], lost: [] as [string, Lost][], running: 0, atOnce: 0 };
  const pauses: (() => void)[] = [];
  const retries = new Retries({
    nowMs: () => state.nowMs,
    pause: () => new Promise<void>((resolve) => pauses.push(resolve)),
    most,
  });
  return {
    state,
    retries,
    add: (key: string, owner = key, fails = () => state.away) =>
      retries.add({
        key,
        owner,
        attempt: async () => {
          state.calls.push(key);
          state.running += 1;
          state.atOnce = Math.max(state.atOnce, state.running);
          await turn();
          state.running -= 1;
          if (fails()) throw new Error('away');
        },
        lost: (why) => void state.lost.push([key, why]),
      }),
    /** Lets a round begin and waits for its end. */
    async round() {
      pauses.shift()?.();
      for (let i = 0; i < 5_000 && pauses.length === 0; i += 1) await turn();
      return state.calls.splice(0);
    },
  };
}

describe('what is tried again', () => {
  it('is tried each round until it succeeds, and not again', async () => {
    const { state, add, round } = bench();
    add('a');
    assert.deepEqual(await round(), ['a']);
    assert.deepEqual(await round(), ['a']);
    state.away = false;
    assert.deepEqual(await round(), ['a']);
    assert.deepEqual(await round(), []);
    assert.deepEqual(state.lost, []);
  });

  it('is remembered once, however often it is added, and can be forgotten', async () => {
    const { add, round, retries } = bench();
    assert.equal(add('a'), 'new');
    for (let i = 0; i < 200; i += 1) assert.equal(add('a'), 'known');
    add('b');
    retries.remove('b');
    assert.deepEqual(await round(), ['a']);
  });

  it('is lost after a minute, one last try behind it', async () => {
    const { state, add, round } = bench();
    add('a');
    state.nowMs = revocationRetry.forMs - 1;
    await round();
    assert.deepEqual(state.lost, []);
    state.nowMs = revocationRetry.forMs;
    assert.deepEqual(await round(), ['a']);
    assert.deepEqual(state.lost, [['a', 'expired']]);
    assert.deepEqual(await round(), []);
  });

  it('is bounded, in all and for one owner, and what finds no room is reported at once', () => {
    const { state, add } = bench({ all: 100, owner: 50 });
    for (let i = 0; i < 1_000; i += 1) add(`flood${i}`, 'stranger');
    assert.equal(state.lost.length, 950);
    for (let i = 0; i < 50; i += 1) assert.equal(add(`other${i}`), 'new');
    assert.equal(add('one more'), 'lost');
    assert.deepEqual(state.lost.at(-1), ['one more', 'full']);
    assert.equal(add('flood0', 'stranger'), 'known', 'what is there already stays');
  });

  it('leaves room again when it is done', async () => {
    const { state, add, round } = bench({ all: 20, owner: 20 });
    for (let i = 0; i < 20; i += 1) add(`a${i}`, 'one');
    assert.equal(add('b', 'one'), 'lost');
    state.away = false;
    assert.equal((await round()).length, 20);
    for (let i = 0; i < 20; i += 1) assert.equal(add(`b${i}`, 'one'), 'new');
  });

  it('costs few calls a round while nothing responds, and each has its turn', async () => {
    const { add, round } = bench();
    for (let i = 0; i < 40; i += 1) add(`a${i}`, String(i));
    const rounds = [await round(), await round(), await round(), await round(), await round()];
    for (const calls of rounds) assert.equal(calls.length, 8);
    assert.equal(new Set(rounds.flat()).size, 40);
  });

  it('is not held up by what never succeeds', async () => {
    const { state, add, round } = bench();
    for (let i = 0; i < 7; i += 1) add(`never${i}`, 'n', () => true);
    for (let i = 0; i < 40; i += 1) add(`a${i}`, String(i));
    state.away = false;
    assert.equal(new Set(await round()).size, 47);
    assert.equal((await round()).length, 7);
  });

  it('is left alone by a round under way once it is done otherwise', async () => {
    const { state, add, round, retries } = bench();
    state.away = false;
    add('a', 'a', () => {
      retries.remove('b');
      return false;
    });
    add('b');
    assert.deepEqual(await round(), ['a']);
  });

  it('is tried many at once when the first has succeeded', async () => {
    const { state, add, round } = bench();
    state.away = false;
    for (let i = 0; i < 40; i += 1) add(String(i), 'one');
    assert.equal((await round()).length, 40);
    assert.equal(state.atOnce, 8);
  });

  it('is tried at the end of the process for as long as there is time, then lost', async () => {
    const { state, add, retries } = bench();
    add('a');
    setTimeout(() => {
      state.away = false;
    }, 300);
    await retries[Symbol.asyncDispose]();
    assert.deepEqual(state.lost, []);
    assert.ok(state.calls.length > 1);
    assert.equal(add('late'), 'lost');
    assert.deepEqual(state.lost, [['late', 'shutdown']]);
  });

  it('does not hold the end of the process up for longer, though nothing responds', async () => {
    const { state, retries } = bench();
    const never = {
      attempt: () => new Promise<never>(() => {}),
      lost: (why: Lost) => void state.lost.push(['x', why]),
    };
    retries.add({ key: 'x', owner: 'x', ...never });
    const startedAtMs = performance.now();
    const hold = setInterval(() => {}, 1_000);
    await retries[Symbol.asyncDispose]();
    clearInterval(hold);
    assert.ok(performance.now() - startedAtMs < revocationRetry.lastMs + 1_000);
    assert.deepEqual(state.lost, [['x', 'shutdown']]);
  });
});
