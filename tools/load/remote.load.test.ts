import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { decode } from '../../services/load-generator/src/results/histogram.ts';
import { type Result, resultSchema } from '../../services/load-generator/src/results/result.ts';
import { openSystem } from '../../test/kit/system/open.ts';
import { apiScope } from '../../test/kit/system/registrations.ts';
import type { System } from '../../test/kit/system/system.ts';

let system: System;
let folder: string;
let assertionFile: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onbehalf-load-'));
  system = await openSystem({ name: 'load-remote', brokers: 1, people: 20, emulator: 'apart' });
  await system.admin('PUT', '/interaction', { mode: 'auto', user: 'alice@contoso.test' });
  assertionFile = await system.cluster.mountToken({ namespace: 'onbehalf', name: 'web', audience: 'token-broker' });
});
after(async () => {
  await system.close();
  await rm(folder, { recursive: true, force: true });
});

const small = ['--rate', '40', '--duration', '3', '--users', '20', '--replicas', '1', '--quick', '--scope', apiScope];
const there = () => [
  '--url',
  system.brokers[0]?.url ?? '',
  '--entra',
  system.emulator.browserOrigin,
  '--assertion-file',
  assertionFile,
];

type Ended = { code: number; stdout: string; stderr: string };

/** What its image starts, and what `npm run load` does. */
const programs = { image: 'services/load-generator/src/main.ts', here: 'tools/load/load.ts' };

function load(args: string[], env: Record<string, string> = {}, program = programs.image): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env.PATH ?? '', ...env }, timeout: 110_000 };
    execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 99) : 0, stdout, stderr }),
    );
  });
}

/** A JWT, a person of the emulator's, an account's id, an assertion's type. */
const secrets = /eyJ[\w-]{8,}\.|load0\d{4}|10ad0000-|client_assertion/;
const lastLine = ({ stdout }: Ended) => stdout.trimEnd().split('\n').at(-1) ?? '';
const requestsOf = ({ runs }: Result) => runs[0]?.totals.requests ?? 0;

describe('npm run load', () => {
  it('loads a running broker from two pods, each with its share, and adds what they saw', async () => {
    const startAt = new Date(Date.now() + 60_000).toISOString();
    const pods = await Promise.all(
      ['0', '1'].map((index) =>
        load(['l1', ...small, '--start-at', startAt, ...there()], {
          JOB_COMPLETION_INDEX: index,
          JOB_COMPLETIONS: '2',
        }),
      ),
    );
    for (const pod of pods) assert.equal(pod.code, 0, pod.stderr + pod.stdout);
    const results = pods.map((pod) => resultSchema.parse(JSON.parse(lastLine(pod))));
    const files = await Promise.all(
      pods.map(async ({ stdout }, i) => {
        const file = join(folder, `pod-${i}.log`);
        await writeFile(file, stdout);
        return file;
      }),
    );
    const merged = join(folder, 'merged.json');
    const { code, stderr } = await load(['--merge', ...files, '--json', merged]);
    assert.equal(code, 0, stderr);
    const sum = resultSchema.parse((await import(merged, { with: { type: 'json' } })).default);
    assert.deepEqual(results.map(requestsOf), [60, 60]);
    assert.equal(requestsOf(sum), 120);
    assert.equal(decode(sum.runs[0]?.histograms.response ?? '').totalCount, 120);
    assert.deepEqual(
      [sum.context.generators, sum.runs[0]?.totals.foreign, sum.runs[0]?.load.ratePerSecond],
      [2, 0, 40],
    );
    for (const { stdout, stderr: said } of pods) assert.doesNotMatch(stdout + said, secrets);
  });

  it('starts all it needs, counts right, and leaves nobody and no secret in its results', async () => {
    const json = join(folder, 'cold.json');
    const html = join(folder, 'cold.html');
    const args = [
      'cold',
      '--quick',
      '--users',
      '20',
      '--rate',
      '10',
      '--replicas',
      '2',
      '--json',
      json,
      '--html',
      html,
    ];
    const { code, stdout, stderr } = await load(args, {}, programs.here);
    assert.equal(code, 0, stdout + stderr);
    const texts = await Promise.all([json, html].map((file) => readFile(file, 'utf8')));
    const { runs, verdict } = resultSchema.parse(JSON.parse(texts[0] ?? ''));
    assert.equal(verdict, 'pass');
    const { totals, brokers, slowest } = runs[0] ?? assert.fail();
    assert.deepEqual(
      [totals.requests, totals.calls, totals.entra, totals.errors, totals.minimumCalls],
      [20, 20, 20, 0, 20],
    );
    assert.equal(brokers.length, 2);
    assert.ok(slowest[0]?.spans.some(({ name }) => name === 'POST /oauth2/token'));
    for (const text of [...texts, stdout, stderr]) assert.doesNotMatch(text, secrets);
  });

  it('ends with code 2 and one sentence where it refuses', async () => {
    const { code, stderr } = await load(['l1', '--rate', '10001', '--duration', '7201']);
    assert.equal(code, 2);
    assert.deepEqual(stderr.trim().split('\n'), ['--rate: must be at most 10000', '--duration: must be at most 7200']);
  });

  it('starts nothing in its image, which holds no broker', async () => {
    const { code, stderr } = await load(['cold']);
    assert.equal(code, 2);
    assert.match(stderr, /^Only npm run load starts brokers/m);
  });
});
