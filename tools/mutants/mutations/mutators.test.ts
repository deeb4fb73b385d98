import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { mutantsOf } from './mutants.ts';
import { openProgram } from './program.ts';

const folder = mkdtempSync(join(tmpdir(), 'onbehalf-mutants-'));
after(() => rmSync(folder, { recursive: true }));

/** What a file with this text may become, line by line. */
function changesOf(text: string): string[] {
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ files: ['room.ts'], compilerOptions: { noLib: true } }),
  );
  writeFileSync(join(folder, 'room.ts'), text);
  using program = openProgram(folder);
  return mutantsOf('room.ts', program).map(({ now }) => now);
}

const rows: [name: string, text: string, ...changes: string[]][] = [
  ['forces a condition', 'if (a) b(); else c();', 'if (true) b(); else c();', 'if (false) b(); else c();'],
  ['keeps a loop from running', 'while (a) b;', 'while (false) b;'],
  ['moves a bound and turns it round', 'x = a < b;', 'x = a <= b;', 'x = a >= b;'],
  ['turns an equality round', 'x = a === b;', 'x = a !== b;'],
  ['drops a guard and swaps its operator', 'x = a && b;', 'x = a;', 'x = b;', 'x = (a || b);'],
  ['takes either side of ??', 'x = a ?? b;', 'x = a;', 'x = b;'],
  ['takes a negation away', 'x = !a;', 'x = a;'],
  ['drops the guard of an optional member', 'x = a?.b;', 'x = a.b;'],
  ['does not await', 'await a();', 'void a();'],
  ['leaves a throw out', 'try { a; throw b; } finally {}', 'try { a; ; } finally {}'],
  ['does not return early', 'const f = () => { return; a; };', 'const f = () => { ; a; };'],
  ['empties a body', 'const f = () => { a; };', 'const f = () => {};'],
  ['turns true and false round', 'x = [true, false];', 'x = [false, false];', 'x = [true, true];'],
  ['moves a count by one', 'x = 1;', 'x = 2;', 'x = 0;'],
  ['doubles and halves a duration', 'x = 1_000;', 'x = 2000;', 'x = 500;'],
  ['empties a text and a list', "x = ['a'];", "x = [''];", 'x = [];'],
  ['looses the ends of an expression', 'x = /^a$/i;', 'x = /a$/i;', 'x = /^a/i;'],
  ['swaps a method for its opposite', 'x = a.some(b);', 'x = a.every(b);'],
];

const untouched: [name: string, text: string][] = [
  ['what a log line says', "logger.warn({ event: 'a' }, 'b');"],
  ['whether something is measured', 'if (a) measure("b", 1);'],
  ['the words of a schema', "const a = b.regex(c, 'd').refine(e, { message: 'f' });"],
  ['types', "type A = 'a' | 1;"],
  ['imports', "import { a } from './b.ts';"],
  ['the size of a cache', 'const a = new LRUCache({ max: 100 });'],
];

describe('a mutation', () => {
  for (const [name, text, ...changes] of rows) {
    it(name, () => {
      const found = changesOf(`${text}\n`);
      for (const change of changes) assert.ok(found.includes(change), `${change} is not in\n${found.join('\n')}`);
    });
  }

  for (const [name, text] of untouched) {
    it(`leaves alone ${name}`, () => assert.deepEqual(changesOf(text), []));
  }

  it('leaves alone the words of an error, not its code', () => {
    const changes = changesOf("throw new Fault('a', 'b');\n");
    assert.ok(changes.includes("throw new Fault('', 'b');"));
    assert.ok(!changes.includes("throw new Fault('a', '');"));
  });

  it('changes a script in Lua word by word', () => {
    const script = join(folder, 'script.lua');
    writeFileSync(script, "-- a or b == c\nif redis.call('GET', k) == a and b then return 0 end -- 0 or 1\n");
    using program = openProgram(folder);
    const changes = mutantsOf(script, program).map(({ now }) => now);
    for (const change of [
      'if true then return 0 end',
      "if redis.call('GET', k) ~= a and b then return 0 end",
      "if redis.call('GET', k) == a or b then return 0 end",
      "if redis.call('GET', k) == a and b then return 1 end",
    ])
      assert.ok(changes.includes(`${change} -- 0 or 1`), `${change} is not in\n${changes.join('\n')}`);
    assert.ok(!changes.some((change) => change.startsWith('--') || change.endsWith('and 1')));
  });

  it('is refused where the compiler sees it', () => {
    writeFileSync(join(folder, 'room.ts'), 'export const a: 1 | 2 = 1;\n');
    using program = openProgram(folder);
    assert.ok(program.accepts('room.ts', 'export const a: 1 | 2 = 2;\n'));
    assert.ok(!program.accepts('room.ts', 'export const a: 1 | 2 = 3;\n'));
    assert.ok(!program.accepts('room.ts', 'export const a: 1 | 2 = ;\n'));
    assert.match(program.source('room.ts').text, /= 1;/);
  });
});
