import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import manifest from '../../package.json' with { type: 'json' };

const pages = globSync(
  ['*.md', 'docs/**/*.md', '{services,packages,examples}/*/*.md', 'examples/*.md', 'charts/*.md', 'charts/*/*.md'],
  {
    exclude: (path) => path.includes('node_modules'),
  },
).sort();
const textOf = (page: string) => readFileSync(page, 'utf8');
const withoutBlocks = (text: string) => text.replaceAll(/^```[\s\S]*?^```/gm, '');

/** The anchors that GitHub makes of a page's headings. */
function anchorsOf(page: string): Set<string> {
  const headings = withoutBlocks(textOf(page)).match(/(?<=^#+ ).+/gm) ?? [];
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

const linksOf = (page: string) =>
  [...withoutBlocks(textOf(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);

/** The pages to which links lead from this one, over others too. */
function reachedFrom(start: string): Set<string> {
  const reached = new Set([start]);
  for (const page of reached) {
    for (const link of linksOf(page)) {
      const target = join(dirname(page), link.split('#')[0] ?? '');
      const found = [target, join(target, 'README.md')].find((path) => pages.includes(path));
      if (found) reached.add(found);
    }
  }
  return reached;
}

/** What a page's links lead to that is not there. */
function brokenLinks(page: string): string[] {
  return linksOf(page).filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? page : join(dirname(page), path);
    return !existsSync(target) || (anchor !== undefined && !anchorsOf(target).has(anchor));
  });
}

/** The paths that a page names, in prose or in a command, and that are not there. */
function missingPaths(page: string): string[] {
  const named = textOf(page).match(/(?<![\w/.:@-])(services|charts|docs|test|docker)\/[\w./*{},-]*\w/g) ?? [];
  return named.filter((path) => globSync(path).length === 0 && !existsSync(join(dirname(page), path)));
}

describe('the pages of this repository', () => {
  it('are found', () => assert.ok(pages.length >= 20, `${pages.length}`));

  for (const page of pages) {
    it(`lead to what is there: ${page}`, () => {
      assert.deepEqual(brokenLinks(page), []);
      assert.deepEqual(missingPaths(page), []);
    });
  }

  it('are all reached from the index, docs/README.md', () => {
    const reached = reachedFrom('docs/README.md');
    assert.deepEqual(
      pages.filter((page) => !reached.has(page)),
      [],
    );
  });

  it('name scripts that package.json has', () => {
    const named = pages.flatMap((page) =>
      [...textOf(page).matchAll(/npm run ([\w:-]+)/g)].map(([, name = '']) => name),
    );
    assert.deepEqual(
      named.filter((name) => !Object.hasOwn(manifest.scripts, name)),
      [],
    );
  });
});
