import type { IncomingMessage } from 'node:http';
import { isPlainPath } from '@onbehalf/node/core/wire/plain-path';
import { readings } from '@onbehalf/node/web/apis/apis';
import { isOurs, lenientPrefix, type Upstream } from './upstreams-file.ts';

/** Which upstream a request is for; `ours` is for the app itself, `refused` for nobody: servers differ in reading it. */
export type Found = { kind: 'upstream'; upstream: Upstream; path: string } | { kind: 'ours' } | { kind: 'refused' };

type Row = { upstream: Upstream; below: string; lenient: string };

const ours: Found = { kind: 'ours' };
const refused: Found = { kind: 'refused' };

/** Lower-case names with dots inside: every server reads them alike. */
const undisputed = /^(\/[a-z0-9_-]+(\.[a-z0-9_-]+)*)*\/?$/;

/** The upstreams by host and path prefix: the longest path takes a request, of two alike the one that names the host. */
export class UpstreamTable {
  readonly #rows: Row[];
  /** Whether a path that every server reads alike is read as it is written: so are the prefixes then. */
  readonly #plain: boolean;
  readonly #byName: ReadonlyMap<string, Upstream>;

  constructor(upstreams: readonly Upstream[]) {
    this.#byName = new Map(upstreams.map((upstream) => [upstream.name, upstream]));
    this.#rows = upstreams
      .filter(({ url, folder }) => url !== undefined || folder !== undefined)
      .sort((a, b) => b.path.length - a.path.length || Number(b.host !== undefined) - Number(a.host !== undefined))
      .map((upstream) => ({
        upstream,
        below: upstream.path === '/' ? '/' : `${upstream.path}/`,
        lenient: lenientPrefix(upstream.path),
      }));
    this.#plain = this.#rows.every(({ upstream }) => undisputed.test(upstream.path));
  }

  /** The entry of this name, also one that only `/auth/verify/<name>` knows. */
  named(name: string): Upstream | undefined {
    return this.#byName.get(name);
  }

  find({ url = '', headers }: Pick<IncomingMessage, 'url' | 'headers'>): Found {
    if (this.#rows.length === 0) return ours;
    const end = url.indexOf('?');
    const path = end < 0 ? url : url.slice(0, end);
    const host = headers.host?.toLowerCase();
    if (!path.startsWith('/')) return refused;
    // A path of another kind is ours to refuse where it is ours, and nobody's else.
    if (this.#plain && undisputed.test(path)) return this.#written(path, host);
    if (!isPlainPath(path)) return refused;
    return this.#agreed(path, host);
  }

  #written(path: string, host: string | undefined): Found {
    if (isOurs(path.endsWith('/') ? path : `${path}/`)) return ours;
    const row = this.#rowOf(host, ({ below, upstream }) => path.startsWith(below) || path === upstream.path);
    return row ? { kind: 'upstream', upstream: row.upstream, path } : ours;
  }

  /** Only where every way to read the path leads to the same entry: none may be reached by the rules of another. */
  #agreed(path: string, host: string | undefined): Found {
    const found = this.#written(path, host);
    const all = readings(path);
    if (all.some(isOurs)) return found.kind === 'ours' ? found : refused;
    const upstream = found.kind === 'upstream' ? found.upstream : undefined;
    const alike = all.every(
      (reading) => this.#rowOf(host, ({ lenient }) => reading.startsWith(lenient))?.upstream === upstream,
    );
    if (!alike || (upstream && /%2f/i.test(path) && !upstream.encodedSlashes)) return refused;
    return found;
  }

  #rowOf(host: string | undefined, fits: (row: Row) => boolean): Row | undefined {
    return this.#rows.find((row) => (row.upstream.host === undefined || row.upstream.host === host) && fits(row));
  }
}
