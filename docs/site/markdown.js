import { existsSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import MarkdownIt from 'markdown-it';
import { hrefTo, outputOf, pages } from './pages.js';
import { sequenceList } from './sequence.js';

const root = join(import.meta.dirname, '../..');
/** Where the repository is shown, e.g. https://<host>/<owner>/onbehalf/blob/v1.2.3; without it sources are named, not linked. */
const source = process.env.SOURCE_URL;
/** Files that the site has beside its pages. */
export const copied = ['docs/pictures', 'docs/load/report.html', 'services/token-broker/openapi.json'];

/** Markdown as GitHub takes it: the same anchors, and the links between pages and files of the repository. */
export function createMarkdown() {
  const md = new MarkdownIt({ html: true });
  md.core.ruler.push('repository', ({ tokens, env }) => {
    const seen = new Map();
    for (const [place, { type, children }] of tokens.entries()) {
      if (type === 'heading_open') tokens[place].attrSet('id', anchorOf(tokens[place + 1].content, seen));
      if (type === 'inline') for (const [at, part] of children.entries()) mendLink(part, at, children, env.page);
    }
  });
  md.renderer.rules.table_open = () => '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>\n';
  // What is wider than the page can be scrolled by keyboard.
  const { fence, code_block: block } = md.renderer.rules;
  md.renderer.rules.fence = (tokens, at, ...rest) =>
    tokens[at].info === 'mermaid'
      ? sequenceList(tokens[at].content)
      : fence(tokens, at, ...rest).replace('<pre>', '<pre tabindex="0">');
  md.renderer.rules.code_block = (...args) => block(...args).replace('<pre', '<pre tabindex="0"');
  md.renderer.rules.table_close = () => '</table></div>\n';
  return md;
}

/** As GitHub makes them: no marks, blanks as hyphens, a number where there was one already. */
function anchorOf(heading, seen) {
  const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
  const anchor = text.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
  const times = seen.get(anchor) ?? 0;
  seen.set(anchor, times + 1);
  return times === 0 ? anchor : `${anchor}-${times}`;
}

function mendLink(token, at, all, page) {
  const name = token.type === 'image' ? 'src' : 'href';
  const link = token.type === 'link_open' || token.type === 'image' ? token.attrGet(name) : null;
  if (link === null || /^(\w+:|#)/.test(link)) return;
  const [path, anchor] = link.split('#');
  const href = hrefOf(page, join(dirname(page), path));
  if (href !== undefined) return token.attrSet(name, anchor === undefined ? href : `${href}#${anchor}`);
  const close = all.findIndex((other, place) => place > at && other.type === 'link_close');
  for (const part of [token, all[close]]) Object.assign(part, { tag: 'span', attrs: null });
}

/** Where a file of the repository is, for a reader of a page; undefined where it is not to be had. */
function hrefOf(page, target) {
  const file = [target, join(target, 'README.md')]
    .map((path) => path.replace(/\/$/, ''))
    .find((path) => pages.includes(path));
  if (file) return hrefTo(page, file);
  if (copied.some((path) => target === path || target.startsWith(`${path}/`))) {
    return relative(dirname(outputOf(page)), target);
  }
  if (!existsSync(join(root, target))) throw new Error(`${page} leads to ${target}, which is not there`);
  const kind = statSync(join(root, target)).isDirectory() ? 'tree' : 'blob';
  return source && `${source.replace('/blob/', `/${kind}/`)}/${target}`;
}
