import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { choose, loadOf, readOptions } from './options.ts';
import { scenarios } from './scenarios/scenarios.ts';
import { openRemote, podOf } from './target/remote.ts';
import { Unsafe } from './target/safety.ts';

const files = ['--assertion-file', '/nowhere'];
const here = ['--entra', 'http://localhost:1', ...files];
const entra = 'https://graph.microsoft.com';
const login = 'login.microsoftonline.com';

describe('the command line', () => {
  for (const [why, args, says] of [
    ['too high a rate', ['--rate', '10001'], /--rate: must be at most 10000/],
    ['too long a run', ['--duration', '7201'], /--duration: must be at most 7200/],
    ['a rate that is no number', ['--rate', 'fast'], /--rate: must be a number/],
    ['half a broker', ['--replicas', '1.5'], /--replicas: must be a whole number/],
    ['an unknown scenario', ['l3'], /There is no scenario l3: l1, /],
    ['an unknown option', ['--fast'], /--fast/],
  ] as const) {
    it(`refuses ${why}`, () => {
      const refused = (error: unknown) => error instanceof Unsafe && says.test(error.message);
      assert.throws(() => choose(scenarios, readOptions(args)), refused);
    });
  }

  for (const [why, args, says] of [
    ['a foreign host', ['--url', 'https://example.org', ...here], /--allow-host example\.org/],
    ["Microsoft's, though allowed", ['--url', `https://${login}`, '--allow-host', login, ...here], /Microsoft's/],
    [
      "Microsoft's in place of the emulator",
      ['--url', 'http://localhost:1', '--entra', entra, ...files],
      /Microsoft's/,
    ],
    ['a broker without the emulator', ['--url', 'http://localhost:1', ...files], /needs --entra/],
  ] as const) {
    it(`refuses ${why}`, async () => {
      await assert.rejects(
        openRemote(readOptions(args)),
        (error) => error instanceof Unsafe && says.test(error.message),
      );
    });
  }

  it('runs all that do not want to be named, and fewer where it is to be quick', () => {
    const chosen = (...args: string[]) => choose(scenarios, readOptions(args)).map(({ name }) => name);
    for (const named of ['soak', 'knee', 'endpoint']) assert.ok(!chosen().includes(named));
    assert.equal(chosen().length, scenarios.length - 3);
    assert.deepEqual(chosen('soak', 'l1'), ['soak', 'l1']);
    assert.ok(!chosen('--quick').includes('wave'));
  });

  it('says what is less than it should be', () => {
    const [l1] = scenarios;
    assert.ok(l1);
    assert.equal(loadOf(l1, readOptions([]), 64).scaled, undefined);
    assert.equal(loadOf(l1, readOptions(['--rate', '700']), 64).scaled, 'rate 700 of 2,000');
    assert.match(loadOf(l1, readOptions([]), 2).scaled ?? '', /^rate 500 of 2,000/);
  });

  it('believes only a pod that can be', () => {
    assert.deepEqual(podOf({}), { index: 0, of: 1 });
    assert.deepEqual(podOf({ JOB_COMPLETION_INDEX: '1', JOB_COMPLETIONS: '2' }), { index: 1, of: 2 });
    assert.throws(() => podOf({ JOB_COMPLETION_INDEX: '2', JOB_COMPLETIONS: '2' }), Unsafe);
    assert.throws(() => podOf({ JOB_COMPLETION_INDEX: 'x' }), Unsafe);
  });
});
