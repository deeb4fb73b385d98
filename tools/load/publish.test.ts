import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { troubledResult } from '../../services/load-generator/src/report/runs.fake.ts';
import { sampleResult } from '../../services/load-generator/src/results/result.fake.ts';
import { type Result, resultSchema, type ScenarioRun } from '../../services/load-generator/src/results/result.ts';
import { tellFigures } from './figures.ts';
import { gather } from './gather.ts';
import { between, isSealed, setBetween } from './markdown.ts';
import { published } from './publish.ts';
import { tellSizing } from './sizing.ts';

const [run] = sampleResult.runs as [ScenarioRun];
const row = (text: string, name: string) => text.split('\n').find((line) => line.startsWith(`| ${name} |`)) ?? '';

describe('the published figures', () => {
  it('in docs/ are as a result made them: nobody edited them', async () => {
    const guide = await readFile('docs/load-testing.md', 'utf8');
    assert.ok(isSealed(between(guide, 'figures')), 'docs/load-testing.md');
    assert.ok(isSealed(await readFile('docs/sizing.md', 'utf8')), 'docs/sizing.md');
    assert.ok(!isSealed(between(guide, 'figures').replace(/AMD/, 'amd')), 'an edit is seen');
  });

  it('go into the guide between their marks, and are the whole of docs/sizing.md', () => {
    const result = troubledResult(3);
    const before = 'before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n';
    const { 'docs/load-testing.md': guide = '', 'docs/sizing.md': sizing = '' } = published(result, before);
    assert.match(guide, /^before\n<!-- figures -->\n[\s\S]*\n<!-- \/figures -->\nafter\n$/);
    assert.ok(isSealed(between(guide, 'figures')) && isSealed(sizing));
    assert.ok(guide.includes(tellFigures(result).trim()) && sizing.startsWith(tellSizing(result).trim()));
  });

  it('tell each scenario once, with the spread of its repeats', () => {
    const text = tellFigures(troubledResult(3));
    assert.match(
      row(text, 'redis-down'),
      /^\| redis-down \| 200\/s, 2,000 users \| 3 of 3 \| 1\.1 ms \| \d+ ms \(\d+ ms to \d+ ms\) \| 28 \/ 28 \| 1,600 \| /,
    );
    assert.match(row(text, 'throttle'), /\| 0 of 3 \|/);
    assert.match(text, /^\* throttle · repeat 2: no call is made twice is 1, wanted 0$/m);
    assert.match(row(text, 'L1 hit over HTTP'), /<= 1\.5 \| 1\.21 \| 1\.18 to 1\.24 \|$/);
    assert.match(row(text, 'stock / L1'), />= 7, missed \| 6\.9 \| /);
  });

  it('take no latency from an invalid run, and say that it was one', () => {
    const validity = { ...run.validity, valid: false, reasons: ['requests went out late'] };
    const invalid = { ...sampleResult, runs: [{ ...run, verdict: 'invalid' as const, validity }] };
    assert.match(row(tellFigures(invalid), 'redis-down'), /\| 0 of 1 \| – \| – \| – \/ – \| – \| – \|$/);
    assert.match(tellFigures(invalid), /^\* redis-down: invalid, requests went out late$/m);
  });
});

describe('the sizing table', () => {
  const measured = (kib: string): Result => ({
    ...troubledResult(),
    runs: [
      {
        ...run,
        ...{ name: 'resource', verdict: 'pass' },
        checks: [
          { name: 'L1, a token', target: '<= 3 KiB', measured: kib, holds: true },
          { name: 'Redis, a token without its MSAL cache', target: '<= 3 KiB', measured: kib, holds: true },
        ],
      },
    ],
  });

  it('reckons with what was measured', () => {
    const text = tellSizing(measured('2 KiB'));
    // (1,000 x 1 + 2,000 x (2.5 + 2)) / 1,024 and 2,000 x 2 / 1,024
    assert.match(row(text, 'Redis'), /\| 9\.77 MiB; provide 20 \|/);
    assert.match(row(text, 'L1 in each pod'), /\| 3\.91 MiB \| 2 x 2 KiB;/);
    assert.match(row(text, 'broker CPU per 100 requests/s'), /\| 0\.48\d? % of a core; traced 1\.0\d % of a core \|/);
    assert.doesNotMatch(row(text, 'L1 in each pod'), /assumed/);
  });

  it('tells how far one, two and four brokers go, grant by grant, of results that were gathered', () => {
    const knee = (brokers: number, measuredAt: string): Result => {
      const checks = [{ name: 'the knee: p99 leaves 20 ms', target: 'above 50/s', measured: measuredAt, holds: true }];
      const load = { ...run.load, brokers };
      const runs = [{ ...run, name: 'knee', variant: 'jwt-bearer', verdict: 'pass' as const, load, checks }];
      return { ...sampleResult, runs };
    };
    const all = [knee(1, 'at 900/s'), knee(1, 'at 1,000/s'), knee(4, 'not up to 4,000/s'), knee(2, 'at 1,900/s')];
    const text = tellSizing(gather(all));
    assert.match(text, /^\| Grant \| 1 broker \| 2 brokers \| 4 brokers \|$/m);
    assert.equal(row(text, 'jwt-bearer'), '| jwt-bearer | at 1,000/s | at 1,900/s | not up to 4,000/s |');
    assert.match(text, /callers\.rate/);
    assert.doesNotMatch(tellSizing(measured('2 KiB')), /How far it goes/);
  });

  it('says of everything that was not measured that it is assumed', () => {
    const text = tellSizing(undefined);
    for (const name of ['Redis', 'L1 in each pod', 'broker CPU per 100 requests/s'])
      assert.match(row(text, name), /assumed/);
    assert.match(row(tellSizing(measured('too few')), 'L1 in each pod'), /assumed/);
    assert.match(row(text, 'calls to Entra'), /\| 0\.606\/s; /);
  });
});

describe('several results', () => {
  const of = (name: string, more: Partial<Result['context']> = {}, runs = [{ ...run, name }]): Result => ({
    ...sampleResult,
    context: { ...sampleResult.context, command: `npm run load -- ${name} --json a.json`, ...more },
    runs,
  });

  it('are published as one, in which the last runs of a scenario stand', () => {
    const again: ScenarioRun = { ...run, name: 'l1', verdict: 'pass', repeat: 1 };
    const better = of('l1', { commit: 'b000000' }, [again, { ...again, repeat: 2 }]);
    const whole = resultSchema.parse(gather([of('l1'), of('cold'), better]));
    assert.deepEqual(
      whole.runs.map(({ name, repeat, verdict }) => `${name} ${repeat} ${verdict}`),
      ['l1 1 pass', 'l1 2 pass', 'cold 1 fail'],
    );
    assert.equal(whole.verdict, 'fail');
    assert.equal(whole.context.command, 'npm run load -- l1; npm run load -- cold');
    assert.equal(whole.context.commit, '4904f0e, b000000');
  });

  it('must be of one machine and of one length', () => {
    assert.throws(() => gather([of('l1'), of('cold', { cores: 8 })]), /different machines/);
    assert.throws(() => gather([of('l1'), of('cold', { quick: true })]), /different machines/);
    assert.throws(() => gather([]), /no result/);
  });
});

describe('marks', () => {
  it('hold what is made, and are not lost in silence', () => {
    const text = 'a\n<!-- x -->\nold\n<!-- /x -->\nb';
    assert.equal(setBetween(text, 'x', 'new'), 'a\n<!-- x -->\nnew\n<!-- /x -->\nb');
    assert.throws(() => setBetween('a', 'x', 'new'), /are missing/);
  });
});
