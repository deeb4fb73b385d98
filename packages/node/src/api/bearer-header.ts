import type { IncomingMessage, ServerResponse } from 'node:http';
import { bearerChallenge } from '../core/challenge.ts';
import { Fault } from '../core/fault.ts';

type ParsedRequest = IncomingMessage & { query?: unknown; body?: unknown };

/** `onlyBearerHeader` checks this of a request. @throws Fault `invalid_request`. */
export function assertOneHeader(request: Request | ParsedRequest): void {
  const isOfNode = !(request.headers instanceof Headers);
  if (isOfNode && ((request as ParsedRequest).headersDistinct.authorization?.length ?? 0) > 1)
    throw refuse('There is more than one Authorization header.');
  const { query, body } = isOfNode ? (request as ParsedRequest) : {};
  if (hasToken(query) || hasToken(body) || isInUrl(request.url))
    throw refuse('The token belongs in the Authorization header.');
}

/**
 * Lets a request pass that carries its token nowhere but in one `Authorization` header: URLs are written to logs, and
 * Node would take the first of two headers without a word. A parsed form is looked at too. RFC 6750 section 2,
 * RFC 9700 section 4.3.2. @throws Fault `invalid_request`.
 */
export function onlyBearerHeader(req: ParsedRequest, _res: ServerResponse, next: () => void): void {
  assertOneHeader(req);
  next();
}

function hasToken(parameters: unknown): boolean {
  return typeof parameters === 'object' && parameters !== null && 'access_token' in parameters;
}

function isInUrl(url = ''): boolean {
  const query = url.indexOf('?');
  return query >= 0 && new URLSearchParams(url.slice(query)).has('access_token');
}

function refuse(description: string): Fault {
  return new Fault('invalid_request', description, {
    challenge: bearerChallenge({ error: 'invalid_request', error_description: description }),
  });
}
