import { hash } from 'node:crypto';

/** A Markdown table; a cell's own bars are escaped. */
export function markdownTable(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

/** The text with what stands between its two marks `<!-- name -->` and `<!-- /name -->` replaced. @throws Error without them. */
export function setBetween(text: string, name: string, content: string): string {
  const old = between(text, name);
  const begin = `<!-- ${name} -->`;
  const from = text.indexOf(begin) + begin.length;
  return `${text.slice(0, from)}\n${content.trim()}\n${text.slice(from).replace(/^\s+/, '').slice(old.length).trimStart()}`;
}

const sealed = /^(.*)<!-- made of a result, not edited: ([0-9a-f]{16}) -->\n?$/s;
const digestOf = (content: string) => hash('sha256', content.trim()).slice(0, 16);

/** A text with its own digest at the end, by which a test sees that nobody edited what a command made. */
export function seal(content: string): string {
  return `${content.trim()}\n\n<!-- made of a result, not edited: ${digestOf(content)} -->\n`;
}

/** Whether a text is as `seal` left it. */
export function isSealed(text: string): boolean {
  const [, content = '', digest] = sealed.exec(`${text.trim()}\n`) ?? [];
  return digest !== undefined && digest === digestOf(content);
}

/** What stands between two marks. @throws Error without them. */
export function between(text: string, name: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the marks ${begin} and ${end} are missing`);
  return text.slice(from + begin.length, to).trim();
}
