import type { IncomingMessage } from 'node:http';
import { type ParsedUrlQuery, parse } from 'node:querystring';

/** A request of node:http. A framework that mounts handlers below a path keeps the whole target in `originalUrl`. */
export type WebRequest = IncomingMessage & { originalUrl?: string };

const below = new WeakMap<IncomingMessage, string>();

/** Notes what a request asks for, below the path of its location. */
export function setTarget(req: WebRequest, target: string): void {
  below.set(req, target);
}

/** The request's target as it was sent, but for the path of its location. RFC 9112 section 3.2. */
export const targetOf = (req: WebRequest): string => below.get(req) ?? sentTargetOf(req);

/** The request's target as it was sent. */
export const sentTargetOf = ({ originalUrl, url }: WebRequest): string => originalUrl ?? url ?? '/';

/** The path of the target, as it is written; of an absolute form too. */
export function pathOf(req: WebRequest): string {
  const target = targetOf(req);
  if (target.startsWith('/')) return target.replace(/[?#].*$/s, '');
  return URL.canParse(target) ? new URL(target).pathname : target;
}

/** The query of the target; a name given twice is a list. */
export function queryOf(req: WebRequest): ParsedUrlQuery {
  const [, query = ''] = /\?([^#]*)/.exec(targetOf(req)) ?? [];
  return parse(query);
}
