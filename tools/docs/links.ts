import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The links within a folder of HTML whose file or anchor is not there, each with its page. */
export function deadLinks(folder: string): string[] {
  const anchors = new Map<string, Set<string>>();
  const anchorsOf = (file: string) => {
    const known = anchors.get(file) ?? new Set(values(readFileSync(file, 'utf8'), 'id'));
    anchors.set(file, known);
    return known;
  };
  return globSync('**/*.html', { cwd: folder }).flatMap((page) => {
    const html = readFileSync(join(folder, page), 'utf8');
    const links = [...values(html, 'href'), ...values(html, 'src')].filter((link) => !/^[a-z]+:/.test(link));
    const dead = links.filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? join(folder, page) : join(folder, dirname(page), path);
      if (!existsSync(target)) return true;
      return anchor !== undefined && !anchorsOf(target).has(decodeURIComponent(anchor));
    });
    return dead.map((link) => `${page}: ${link}`);
  });
}

function values(html: string, attribute: string): string[] {
  return [...html.matchAll(new RegExp(`\\s${attribute}="([^"]*)"`, 'g'))].map(([, value = '']) =>
    value.replaceAll('&amp;', '&'),
  );
}
