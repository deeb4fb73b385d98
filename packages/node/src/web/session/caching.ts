import { createHash } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Session } from './session.ts';

type Person = Pick<Session, 'oid' | 'tid'>;
type ApiResponse = Pick<IncomingMessage, 'statusCode' | 'headers'>;

/**
 * What an API says of caching means its own hop, where `Authorization` tells people apart. Here the cookie does, and a
 * browser outlives a session: nothing is kept for others, nothing is used without asking, and nothing at all is kept of
 * what cannot be asked for again or what the API keeps nowhere. `no-transform` is the API's to say. RFC 9111.
 */
export function cachingHeaders(
  { statusCode, headers }: ApiResponse,
  safe: boolean,
  person: Person,
): OutgoingHttpHeaders {
  const { etag, 'cache-control': said, 'last-modified': modified } = headers;
  const silent = said === undefined && etag === undefined && modified === undefined && statusCode !== 304;
  const kept = safe && !silent && !/no-store/i.test(said ?? '');
  const asItIs = /no-transform/i.test(said ?? '') ? ', no-transform' : '';
  return {
    'cache-control': `${kept ? 'private, no-cache' : 'no-store'}${asItIs}`,
    vary: varyOf(headers.vary),
    ...(safe && (etag ?? modified) !== undefined && { etag: markTag(etag, person) }),
  };
}

/** The API's `Vary` for our hop: by cookie, in place of the token. RFC 9110 section 12.5.5. */
function varyOf(said = ''): string {
  const names: string[] = said.match(/[!#$%&'*+\-.^_`|~0-9A-Za-z]+/g) ?? [];
  if (names.includes('*')) return '*';
  return ['Cookie', ...names.filter((name) => !/^(authorization|cookie)$/i.test(name))].join(', ');
}

/** Has the browser forget what it keeps of this origin: the next person must not be shown it. W3C Clear Site Data. */
export function forgetCached(res: ServerResponse): void {
  res.setHeader('Clear-Site-Data', '"cache"');
}

/** An entity tag of ours: the API's, after the mark of whom it was made for. */
const markedTag = /^(W\/)?"ob-([\w-]{16})-([^"]*)"$/;
const entityTags = /(?:W\/)?"[^"]*"/g;
/** Stands for a tag where an API tells versions apart by time only: so that every response that may be kept has a mark. */
const noTag = 'W/""';
/** Ask for a part, the one on condition that the browser keeps the other. RFC 9110 sections 13.1.5 and 14.2. */
const partial = ['if-range', 'range'];
/** Ask for less than everything, on the ground of what the browser keeps. */
const conditionsOfReads = ['if-none-match', 'if-modified-since', ...partial];

/** Tells people apart without naming them. */
export const markOf = ({ oid, tid }: Person) =>
  createHash('sha256').update(`${tid} ${oid}`).digest('base64url').slice(0, 16);

/**
 * An API's `ETag` marked with the person. Many APIs give versions, alike for everybody: a browser that asked for Bob by
 * the tag of Alice's response would be told to show hers. What is not written as a tag is none. RFC 9110 section 8.8.3.
 */
function markTag(etag = noTag, person: Person): string {
  const [, weak = 'W/', opaque = ''] = /^(W\/|)"([^"]*)"$/.exec(etag) ?? [];
  return `${weak}"ob-${markOf(person)}-${opaque}"`;
}

/**
 * A browser's conditions as the API may see them: its own tags, and of a read nothing by a tag that was made for somebody
 * else, so that the response is a whole one; nor the rest of what is kept by a time, which tells nobody's. A change by a
 * foreign tag is the API's to refuse: it has never seen it.
 */
export function unmarkConditions(headers: OutgoingHttpHeaders, safe: boolean, person: Person): OutgoingHttpHeaders {
  const mine = markOf(person);
  let foreign = false;
  const unmark = (tag: string) => {
    const [, weak = '', mark, opaque = ''] = markedTag.exec(tag) ?? [];
    if (mark === mine) return `${weak}"${opaque}"`;
    foreign ||= mark !== undefined;
    return tag;
  };
  const unmarked = Object.entries(headers).map(([name, value]) =>
    /^if-(none-match|match|range)$/.test(name)
      ? ([name, String(value).replaceAll(entityTags, unmark)] as const)
      : ([name, value] as const),
  );
  const { 'if-range': condition } = Object.fromEntries(unmarked);
  const untold = condition !== undefined && !/^"[^"]*"$/.test(String(condition));
  const dropped = safe ? [...(foreign ? conditionsOfReads : []), ...(untold ? partial : [])] : [];
  return Object.fromEntries(unmarked.filter(([name, value]) => value !== noTag && !dropped.includes(name)));
}
