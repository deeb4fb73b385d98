import { join, relative } from 'node:path';
import { decode, encode, type SourceMapSegment } from '@jridgewell/sourcemap-codec';

/**
 * Leaves of a source map (ECMA-426) what is ours, and names its sources from the root: packages are nine tenths of it, and
 * are read in their own repositories. @param folder of the map, from the root.
 */
export function ownSources(text: string, folder: string): string {
  const { sources, mappings } = JSON.parse(text) as { sources: string[]; mappings: string };
  const paths = sources.map((source) => relative('.', join(folder, source)));
  const kept = paths.filter((path) => !path.includes('node_modules/'));
  const renumbered = paths.map((path) => kept.indexOf(path));
  const lines = decode(mappings).map((segments) => withoutForeign(segments, renumbered));
  return JSON.stringify({ version: 3, sources: kept, names: [], mappings: encode(lines) });
}

/** A foreign place stands once, where it ends one of ours: a frame in it is then told as it is. */
function withoutForeign(segments: SourceMapSegment[], renumbered: number[]): SourceMapSegment[] {
  const kept: SourceMapSegment[] = [];
  for (const [column, source, line, sourceColumn] of segments) {
    const ours = source === undefined ? -1 : (renumbered[source] ?? -1);
    if (ours >= 0) kept.push([column, ours, line as number, sourceColumn as number]);
    else if (kept.at(-1)?.[1] !== undefined) kept.push([column]);
  }
  return kept;
}
