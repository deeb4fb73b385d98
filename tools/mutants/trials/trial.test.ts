import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { baseOf, runs } from './base.ts';
import { partsOf } from './part.ts';
import { environmentOf, tryTests } from './trial.ts';

const folder = mkdtempSync(join(tmpdir(), 'onbehalf-trial-'));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const source = 'export const add = (a: number, b: number) => a + b;\nexport const no = () => 0;\n';
const room = file('room.ts', source);
const test = file(
  'room.test.ts',
  `import assert from 'node:assert';
  import { describe, it } from 'node:test';
  import { add } from './room.ts';
  describe('sums', () => {
    it('adds', () => assert.equal(add(1, 2), 3));
    it('comes later', () => new Promise((resolve) => setTimeout(resolve, 100)));
  });`,
);
const patienceMs = 20_000;

describe('a trial', () => {
  it('passes with the room as it is', async () => {
    assert.ok((await tryTests({ test }, patienceMs, {})).passed);
  });

  it('names the test that fails with another room', async () => {
    const mutant = file('mutant.ts', source.replace('a + b', 'a - b'));
    const { passed, failure } = await tryTests({ test }, patienceMs, environmentOf(room, mutant));
    assert.ok(!passed);
    assert.equal(failure, 'adds');
  });

  it('names the test that fails with another text of a script', async () => {
    const script = file('script.lua', 'return 1');
    const reading = file(
      'script.test.ts',
      `import assert from 'node:assert';
      import { readFileSync } from 'node:fs';
      import { it } from 'node:test';
      it('reads it', () => assert.equal(readFileSync(new URL('./script.lua', import.meta.url), 'utf8'), 'return 1'));`,
    );
    assert.ok((await tryTests({ test: reading }, patienceMs, {})).passed);
    const mutant = file('mutant.lua', 'return 0');
    assert.equal((await tryTests({ test: reading }, patienceMs, environmentOf(script, mutant))).failure, 'reads it');
  });

  it('ends what does not end', async () => {
    const mutant = file('endless.ts', source.replace('a + b', '{ for (;;); }'));
    const { passed, failure } = await tryTests({ test }, 1_000, environmentOf(room, mutant));
    assert.ok(!passed);
    assert.equal(failure, 'does not end');
  });
});

describe('the base of a test file', () => {
  it('says what it runs of a room, and is read the next time', async () => {
    const directory = join(folder, 'base');
    const base = await baseOf({ test }, [room], 'stamp', directory);
    assert.ok(runs(base, room, source.indexOf('a + b')));
    assert.ok(!runs(base, room, source.indexOf('0;')));
    const text = readFileSync(test, 'utf8');
    writeFileSync(test, 'throw 1;');
    assert.deepEqual(await baseOf({ test }, [room], 'stamp', directory), base);
    writeFileSync(test, text);
  });

  it('says which of its tests are slow, and what each part of it runs by itself', async () => {
    const slow = file(
      'slow.test.ts',
      `import { it } from 'node:test';
      import { add, no } from './room.ts';
      it('adds', () => { add(1, 2); });
      it('waits (a.b/c)?', () => new Promise((resolve) => setTimeout(resolve, 1_100)).then(no));`,
    );
    const directory = join(folder, 'parts');
    const base = await baseOf({ test: slow }, [room], 'stamp', directory);
    assert.deepEqual(base.slow, ['waits (a.b/c)?']);
    const ran = partsOf(slow, base.slow).map(async (part) => {
      const own = await baseOf(part, [room], 'stamp', directory);
      return ['a + b', '0;'].map((text) => runs(own, room, source.indexOf(text)));
    });
    assert.deepEqual(await Promise.all(ran), [
      [true, false],
      [false, true],
    ]);
  });

  it('is refused to one that fails by itself', async () => {
    const failing = file('failing.test.ts', "import { it } from 'node:test'; it('fails', () => { throw 1; });");
    await assert.rejects(
      baseOf({ test: failing }, [room], 'other', join(folder, 'base')),
      /fails without any mutation: fails/,
    );
  });
});
