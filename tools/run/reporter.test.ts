import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { Report } from './reporter.ts';

const folder = mkdtempSync(join(tmpdir(), 'onbehalf-reporter-'));
after(() => rmSync(folder, { recursive: true }));

/** A program of its own: a test runner inside a test runner runs nothing. */
function node(args: string[]) {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return spawnSync(process.execPath, args, { encoding: 'utf8', env, timeout: 30_000 });
}

/** What the reporter prints and counts of a test file with this content. */
function reportOf(content: string) {
  const file = join(folder, 'a.test.mjs');
  writeFileSync(file, content);
  const program = `
    import { run } from 'node:test';
    import { report } from ${JSON.stringify(join(import.meta.dirname, 'reporter.ts'))};
    const file = ${JSON.stringify(file)};
    const { titles, text, passed, failed, skipped } = await report(file, run({ files: [file] }));
    console.log(JSON.stringify({ counts: { passed, failed, skipped }, titles, text }));`;
  const programFile = join(folder, 'program.mjs');
  writeFileSync(programFile, program);
  const { stdout } = node([programFile]);
  return JSON.parse(stdout) as Report & { counts: Record<string, number>; text: string };
}

const npmTest = (...args: string[]) => node([join(import.meta.dirname, 'run.ts'), ...args]);

const imports = "import assert from 'node:assert'; import { describe, it } from 'node:test';";

describe('the reporter', () => {
  it('counts tests, not suites, and prints what failed with its error and output', () => {
    const { counts, text } = reportOf(`${imports}
      describe('sums', () => {
        it('adds', () => {});
        it('subtracts', () => { console.log('a hint'); assert.equal(1, 2); });
        it('divides', { skip: true }, () => {});
      });`);
    assert.deepEqual(counts, { passed: 1, failed: 1, skipped: 1 });
    assert.match(text, /✔ sums: adds/);
    assert.match(text, /✖ sums: subtracts[\s\S]*1 == 2[\s\S]*a hint/);
  });

  it('names what passed', () => {
    const { titles } = reportOf(`${imports}
      describe('sums', () => { it('adds', () => {}); it('subtracts', () => assert.fail()); });`);
    assert.deepEqual(titles, ['adds']);
  });

  it('takes a file without a test, and one that breaks, for failed', () => {
    assert.deepEqual(reportOf('export {};').counts, { passed: 0, failed: 1, skipped: 0 });
    const { counts, text } = reportOf("throw new Error('out of order');");
    assert.deepEqual(counts, { passed: 0, failed: 1, skipped: 0 });
    assert.match(text, /could not be run[\s\S]*out of order/);
  });

  it('counts a hook that fails', () => {
    const { counts } = reportOf(`${imports}
      import { before } from 'node:test';
      describe('a world', () => { before(() => { throw new Error('no'); }); it('turns', () => {}); });`);
    assert.ok((counts.failed ?? 0) > 0);
  });
});

describe('npm test', () => {
  it('fails when nothing matches: it would prove nothing', () => {
    const { status, stdout } = npmTest('no-such-file');
    assert.match(stdout, /No test was found/);
    assert.equal(status, 1);
  });

  it('says what suites there are when asked for another', () => {
    const { status, stderr } = npmTest('--only', 'nonsense');
    assert.match(stderr, /There is no suite nonsense: unit, journeys/);
    assert.equal(status, 1);
  });

  it('runs only the tests of a name, passes over files without one, and leaves JUnit XML', () => {
    const { status, stdout } = npmTest('tools/run/', '-t', 'one window');
    assert.match(stdout, /1 passed, 0 failed, 0 skipped/);
    assert.equal(status, 0);
    const xml = readFileSync('out/results/part/journeys.xml', 'utf8');
    assert.deepEqual(xml.match(/(?<=<testcase name=")[^"]*/g), ['counts what an editor writes in one window as one']);
  });

  it('tells which lines of the services ran', () => {
    const { stdout } = npmTest('node/src/core/secret.test', '--coverage');
    assert.match(stdout, /^ *\d+\.\d % {2}packages\/node\/src\/core\/secret\.ts/m);
  });
});
