import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { repeating } from './repeating.ts';

const silent = createLogger({ level: 'silent', service: 'test' });

describe('work that is repeated', () => {
  it('is done at once, and again and again, though it fails', async () => {
    let times = 0;
    const { promise: thrice, resolve } = Promise.withResolvers<void>();
    const work = async () => {
      times += 1;
      if (times === 3) resolve();
      throw new Error('no');
    };
    const running = repeating(work, 10, silent);
    assert.equal(times, 1);
    await thrice;
    await running[Symbol.asyncDispose]();
  });

  it('pauses for about as long as it is told to', async () => {
    const atMs: number[] = [];
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const work = async () => {
      atMs.push(performance.now());
      if (atMs.length === 4) resolve();
    };
    await using _ = repeating(work, 100, silent);
    await done;
    const pauses = atMs.slice(1).map((ms, i) => ms - Number(atMs[i]));
    for (const ms of pauses) assert.ok(ms >= 74, `${ms} ms`);
  });

  it('is never done twice at once', async () => {
    let [under, most, times] = [0, 0, 0];
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const work = async () => {
      under += 1;
      most = Math.max(most, under);
      await delay(20);
      under -= 1;
      times += 1;
      if (times === 3) resolve();
    };
    await using _ = repeating(work, 1, silent);
    await done;
    assert.equal(most, 1);
  });

  it('ends with its turn, not with the pause after it', async () => {
    const { promise: under, resolve: finish } = Promise.withResolvers<void>();
    let finished = false;
    const running = repeating(
      async () => {
        await under;
        finished = true;
      },
      3_600_000,
      silent,
    );
    let over = false;
    const disposed = running[Symbol.asyncDispose]().then(() => {
      over = true;
    });
    await turn();
    assert.ok(!over);
    finish();
    await disposed;
    assert.ok(finished, 'a turn under way is waited for');
    await repeating(async () => {}, 3_600_000, silent)[Symbol.asyncDispose]();
  });
});
