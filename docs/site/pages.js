import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** The page that leads to all others. */
export const index = 'docs/README.md';

/** Every page, as a path in the repository. */
export const pages = globSync(
  ['*.md', 'docs/**/*.md', '{services,packages,examples}/*/*.md', 'examples/*.md', 'charts/*.md', 'charts/*/*.md'],
  { cwd: root, exclude: (path) => /node_modules/.test(String(path)) },
).sort();

export const readPage = (page) => readFileSync(join(root, page), 'utf8');

/** Where the site has a page: as the repository has it, a README as the index of its folder. */
export function outputOf(page) {
  if (page === index) return 'index.html';
  if (page === 'README.md') return 'readme.html';
  return page
    .replace(/README\.md$/, 'index.html')
    .replace(/\.md$/, '.html')
    .replace(/^[A-Z]+(?=\.html$)/, (name) => name.toLowerCase());
}

/** The href of one page in another. */
export const hrefTo = (from, to) => relative(dirname(outputOf(from)), outputOf(to)) || '.';

export const titleOf = (page) => /^# (.+)$/m.exec(readPage(page))?.[1].replaceAll('`', '') ?? page;

/**
 * The pages by audience, as the lists of the index have them; a page in no list stands under "More".
 * @returns {{ audience: string, entries: { page: string, title: string }[] }[]}
 */
export function navigation() {
  const sections = readPage(index)
    .split(/^## /m)
    .slice(1)
    .map((section) => ({
      audience: section.slice(0, section.indexOf('\n')),
      entries: [...section.matchAll(/^\* \[([^\]]+)\]\(([^)]+)\)/gm)].map(([, title, link]) => ({
        page: join('docs', link),
        title,
      })),
    }));
  const listed = new Set([index, ...sections.flatMap(({ entries }) => entries.map(({ page }) => page))]);
  const others = pages.filter((page) => !listed.has(page) && !/^docs\/decisions\//.test(page));
  const more = others.map((page) => ({ page, title: titleOf(page) }));
  return more.length > 0 ? [...sections, { audience: 'More', entries: more }] : sections;
}
