import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';

const runUrl = new URL('run.ts', import.meta.url).href;
const configUrl = import.meta.resolve('@onbehalf/node/core/config-error');

/** Runs a composition root in a process of its own; `onLine` sees what it prints. */
async function play(main: string, onLine: (line: string, kill: (signal: NodeJS.Signals) => void) => void = () => {}) {
  const code = `
    import { run, aborted } from ${JSON.stringify(runUrl)};
    import { ConfigError } from ${JSON.stringify(configUrl)};
    const say = (line) => process.stdout.write(line + '\\n');
    ${main}`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
    for (const line of text.trim().split('\n')) onLine(line, (signal) => child.kill(signal));
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    err += text;
  });
  const [code_, signal] = await once(child, 'close');
  return { code: code_, signal, out: out.trim().split('\n'), err };
}

/** Keeps the process alive as an open listener would. */
const busy = 'const held = setInterval(() => {}, 1_000);';

describe('run', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`closes what it opened in reverse on ${signal} and exits 0`, async () => {
      const main = `await run(async (signal) => {
        ${busy}
        await using a = { async [Symbol.asyncDispose]() { say('a closed'); clearInterval(held); } };
        await using b = { async [Symbol.asyncDispose]() { say('b closed'); } };
        say('up');
        await aborted(signal);
      });`;
      const { code, out } = await play(main, (line, kill) => line === 'up' && kill(signal));
      assert.equal(code, 0);
      assert.deepEqual(out, ['up', 'b closed', 'a closed']);
    });
  }

  it('lets no second signal cut the drain short', async () => {
    const main = `await run(async (signal) => {
      ${busy}
      say('up');
      await aborted(signal);
      const again = new Promise((resolve) => process.once('SIGTERM', resolve));
      say('draining');
      await again;
      clearInterval(held);
      say('drained');
    });`;
    const { code, out } = await play(main, (line, kill) => {
      if (line === 'up' || line === 'draining') kill('SIGTERM');
    });
    assert.equal(code, 0);
    assert.deepEqual(out, ['up', 'draining', 'drained']);
  });

  it('ends with the text of a ConfigError and exit 1', async () => {
    const { code, err } = await play(`await run(async () => { throw new ConfigError('A_URL: is required'); });`);
    assert.deepEqual([code, err], [1, 'A_URL: is required\n']);
  });

  it('ends any other error described, not printed', async () => {
    const { code, err } = await play(`await run(async () => { throw new Error('canary'); });`);
    assert.equal(code, 1);
    assert.match(err, /"type":"Error"/);
    assert.doesNotMatch(err, /canary/);
  });

  for (const [what, trigger] of [
    ['an exception nobody caught', `setTimeout(() => { throw new Error('canary'); })`],
    ['a rejection nobody handled', `Promise.reject(new Error('canary'))`],
  ]) {
    it(`drains after ${what} and exits 1, describing it`, async () => {
      const main = `await run(async (signal) => {
        ${busy}
        ${trigger};
        await aborted(signal);
        clearInterval(held);
        say('drained');
      });`;
      const { code, out, err } = await play(main);
      assert.equal(code, 1);
      assert.deepEqual(out, ['drained']);
      assert.match(err, /"type":"Error"/);
      assert.doesNotMatch(err, /canary/);
    });
  }

  it('leaves no handler behind', async () => {
    const main = `await run(async () => {});
      say(['SIGTERM', 'SIGINT', 'uncaughtException'].map((name) => process.listenerCount(name)).join());`;
    assert.deepEqual((await play(main)).out, ['0,0,0']);
  });
});
