import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';

/** The source maps of built files by URL; undefined for a file without one. */
const maps = new Map<string, SourceMap | undefined>();

/**
 * Names the TypeScript that a frame of built JavaScript (`at f (file:///…/main.js:1:200)`) comes from, by the map beside
 * the file, which is read when the first such frame is logged: `--enable-source-maps` would hold it from the start, and
 * cost each process 20 MB. A frame without a map is left as it is.
 */
export function toSource(frame: string): string {
  return frame.replace(/(file:\/\/\S+\.js):(\d+):(\d+)/, (place, url: string, line: string, column: string) => {
    const entry = mapOf(url)?.findEntry(Number(line) - 1, Number(column) - 1);
    if (!entry || !('originalSource' in entry) || !entry.originalSource) return place;
    return `${entry.originalSource}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  });
}

function mapOf(url: string): SourceMap | undefined {
  if (!maps.has(url)) maps.set(url, readMap(url));
  return maps.get(url);
}

function readMap(url: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(new URL(`${url}.map`), 'utf8')));
  } catch {
    // TypeScript that Node runs itself has no map, and needs none.
    return undefined;
  }
}
