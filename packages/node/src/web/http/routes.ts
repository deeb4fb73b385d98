import type { OutgoingHttpHeaders } from 'node:http';
import { Fault } from '../../core/fault.ts';
import { formMs } from '../../lifetimes.ts';
import { pathOf, type WebRequest } from './request.ts';
import { setHeaders, type WebResponse } from './response.ts';

export type Handler = (req: WebRequest, res: WebResponse) => void | Promise<void>;

/** What a path does by method. HEAD is as GET; `ALL` takes every method. */
export type Route = { GET?: Handler; POST?: Handler; ALL?: Handler };

/**
 * Serves the paths of a table, each written as it is or ending in `/*path`, to the letter, with these headers. Returns
 * whether the request was for one of them; one for all others is left alone.
 * @throws Fault `method_not_allowed`, and whatever a handler throws.
 */
export async function serveRoutes(
  routes: ReadonlyMap<string, Route>,
  req: WebRequest,
  res: WebResponse,
  headers: OutgoingHttpHeaders,
): Promise<boolean> {
  const found = routeOf(routes, req);
  if (!found) return false;
  setHeaders(res, headers);
  const [pattern, route] = found;
  // As Express names it: spans and the log read it there.
  Object.assign(req, { route: { path: pattern } });
  endUnreadUpload(req, res);
  refuseBrokenEscapes(pathOf(req));
  const { method } = req;
  const handler = route.ALL ?? route[method === 'HEAD' ? 'GET' : (method as 'GET' | 'POST')];
  if (!handler) throw refusedMethod(route);
  await handler(req, res);
  return true;
}

/** The route of a request, with its pattern. */
function routeOf(
  routes: ReadonlyMap<string, Route>,
  req: WebRequest,
): readonly [pattern: string, route: Route] | undefined {
  const path = pathOf(req);
  for (const row of routes) if (isAt(row[0], path)) return row;
  return undefined;
}

/** The Fault of any other method than the route's. RFC 9110 section 15.5.6. */
export function refusedMethod(route: Route): Fault {
  const allow = route.POST ? 'POST' : 'GET, HEAD';
  return new Fault('method_not_allowed', 'This address does not take that method.', { allow });
}

/** An upload may last; a body that no handler reads any more may not. */
export function endUnreadUpload(req: WebRequest, res: WebResponse): void {
  res.once('finish', () => {
    if (!req.complete) setTimeout(() => req.complete || req.socket.destroy(), formMs).unref();
  });
}

function isAt(pattern: string, path: string): boolean {
  if (!pattern.endsWith('*path')) return path === pattern;
  const start = pattern.slice(0, -'*path'.length);
  return path.startsWith(start) && path.length > start.length;
}

/** @throws Fault `invalid_request` for a path with a broken escape. */
function refuseBrokenEscapes(path: string): void {
  try {
    decodeURIComponent(path);
  } catch (cause) {
    throw new Fault('invalid_request', 'The request could not be read.', { cause });
  }
}
