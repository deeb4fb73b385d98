import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { programsOf, restartPrograms } from './restart.ts';

const names = ['token-broker-1', 'token-broker-2', 'web-frontend'];

describe('the demo that watches', () => {
  it('restarts what runs a saved file: a service, or all for chassis, none for a test', () => {
    assert.deepEqual(programsOf(['services/web-frontend/src/pages/style.ts'], names), ['web-frontend']);
    assert.deepEqual(programsOf(['services/token-broker/src/redis/lua/take-lease.lua'], names), names.slice(0, 2));
    assert.deepEqual(programsOf(['services/chassis/src/http/http.ts'], names), names);
    assert.deepEqual(programsOf(['packages/node/src/core/fault.ts'], names), names);
    assert.deepEqual(programsOf(['services/chassis/src/http/http.test.ts'], names), []);
  });

  it('ends a program before it starts it, and goes on where one does not come up', async () => {
    const steps: string[] = [];
    const programs = names.map((name) => ({ name, [Symbol.asyncDispose]: async () => void steps.push(`end ${name}`) }));
    const restart = async (name: string) => {
      steps.push(`start ${name}`);
      if (name.endsWith('1')) throw new Error(`${name} ended with exit code 1`);
    };
    const lines: string[] = [];
    const paths = ['services/token-broker/src/main.ts'];
    await restartPrograms({ programs, restart }, paths, (line) => void lines.push(line));
    const [first, second] = names;
    assert.deepEqual(steps, [`end ${first}`, `end ${second}`, `start ${first}`, `start ${second}`]);
    assert.match(
      lines.sort().join('\n'),
      /✔ token-broker-2 restarted in .* s\n✖ token-broker-1 ended with exit code 1/,
    );
  });
});
