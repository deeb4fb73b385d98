import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { namedTests, threatModel } from '../../tools/promises.ts';
import { suites } from '../../tools/run/suites.ts';

const promiseCount = 29;

/** A file with what it imports: journeys that several files run stand there. */
function sourceOf(file: string, seen = new Set<string>()): string {
  if (seen.has(file) || !existsSync(file)) return '';
  seen.add(file);
  const own = readFileSync(file, 'utf8');
  const imports = [...own.matchAll(/from '(\.[^']+\.ts)'/g)].map(([, path]) => join(dirname(file), String(path)));
  return [own, ...imports.map((path) => sourceOf(path, seen))].join('\n');
}

/** Whether a test of this title is declared; what a template fills in is a number or stands in the source too. */
function declares(source: string, title: string): boolean {
  const declared = source.matchAll(/\b(?:it|journey|race)\(\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`([^`]*)`)/g);
  for (const [, single, double, template] of declared) {
    const literal = single ?? double;
    if (literal !== undefined && literal.replaceAll(/\\(.)/g, '$1') === title) return true;
    if (template === undefined) continue;
    const parts = template.split(/\$\{[^}]*\}/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    const filled = new RegExp(`^${parts.join('(.+)')}$`).exec(title)?.slice(1);
    if (filled?.every((value) => /^\d+$/.test(value) || source.includes(value))) return true;
  }
  return false;
}

/** The heading's address on the page, as GitHub makes it. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');

describe('the threat model', () => {
  const text = readFileSync(threatModel, 'utf8');
  const promises = [...text.matchAll(/^\| (\d+) \| ([^|]+) \| (.*) \|$/gm)];

  it('has every promise once, each with a test that shows it or the command that would', () => {
    const numbers = promises.map(([, number]) => Number(number));
    assert.deepEqual(
      numbers,
      Array.from({ length: promiseCount }, (_, i) => i + 1),
    );
    for (const [row, number] of promises) {
      const shown = namedTests(row).length > 0;
      assert.ok(shown || /not proved here\*\*.*`/i.test(row), `promise ${number} has neither`);
      for (const unproved of row.match(/\*\*not proved here\*\*[^|]*/gi) ?? [])
        assert.match(unproved, /`[^`]+`/, `promise ${number} names no command`);
    }
  });

  it('names only tests that a suite runs', () => {
    const named = namedTests(text);
    assert.ok(named.length > 2 * promiseCount);
    const files = new Set(suites.flatMap((suite) => suite.files));
    assert.deepEqual(
      named.filter(({ file }) => !files.has(file)),
      [],
      'no file of a suite',
    );
    assert.deepEqual(
      named.filter(({ file, title }) => !declares(sourceOf(file), title)),
      [],
      'no test of that title',
    );
  });

  it('would notice a title that is gone', () => {
    const source = "it('keeps it', f); it(`takes $" + '{n} of $' + "{kind}`, f); const kinds = ['cut'];";
    for (const title of ['keeps it', 'takes 3 of cut']) assert.ok(declares(source, title), title);
    for (const title of ['keeps', 'keeps it all', 'takes 3 of freeze']) assert.ok(!declares(source, title), title);
  });
});

describe('the documentation', () => {
  const pages = globSync('{*.md,docs/**/*.md,charts/**/*.md,services/**/*.md,packages/**/*.md}', {
    exclude: (path) => path.includes('node_modules'),
  });

  it('links to files and headings that exist', () => {
    assert.ok(pages.length > 8);
    const dead: string[] = [];
    for (const page of pages) {
      const prose = readFileSync(page, 'utf8').replaceAll(/^```.*?^```/gms, '');
      for (const [, target = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [path = '', anchor] = target.split('#');
        const file = path === '' ? page : join(dirname(page), path);
        const found = existsSync(file);
        const headings = found && anchor ? [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)] : [];
        if (!found || (anchor && !headings.some(([, heading]) => anchorOf(String(heading)) === anchor)))
          dead.push(`${page}: ${target}`);
      }
    }
    assert.deepEqual(dead, []);
  });
});
