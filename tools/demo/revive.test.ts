import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Reviver } from './revive.ts';

describe('a part of the demo that was killed', () => {
  it('is started again, which is said', async () => {
    const [started, lines]: [string[], string[]] = [[], []];
    const restart = async (name: string) => void started.push(name);
    const reviver = new Reviver(
      { restart },
      (line) => lines.push(line),
      () => 0,
    );
    assert.ok(await reviver.revive('redis', 'redis was ended by SIGKILL.'));
    assert.deepEqual(started, ['redis']);
    assert.deepEqual(lines, ['✖ redis was ended by SIGKILL.', '✔ redis was started again, in 0.0 s']);
  });

  it('is given up once it dies again and again within a minute, and no other with it', async () => {
    let now = 0;
    const restart = async (name: string) => {
      if (name === 'broken') throw new Error('broken ended with exit code 1.');
    };
    const lines: string[] = [];
    const reviver = new Reviver(
      { restart },
      (line) => lines.push(line),
      () => now,
    );
    assert.equal(await reviver.revive('broken', 'broken ended.'), false);
    assert.equal(lines.length, 5);
    for (let death = 0; death < 10; death += 1) {
      assert.ok(await reviver.revive('api', 'killed'));
      now += 20_000;
    }
  });
});
