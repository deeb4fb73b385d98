import type { IncomingHttpHeaders } from 'node:http';
import type { CallIds, Refusal } from './aadsts.ts';

/** One request, read: what the protocol looks at. */
export type Call = {
  method: string;
  /** Without the query, decoded. */
  path: string;
  query: URLSearchParams;
  /** The body of a form POST; else empty. */
  form: URLSearchParams;
  /** The raw body, for the admin's JSON. */
  body: string;
  headers: IncomingHttpHeaders;
  /** Came by https. */
  secure: boolean;
  ids: CallIds;
};

export type Answer = {
  status: number;
  headers?: Record<string, string | string[]>;
  body?: string;
  /** What the counters and the log call it: `ok`, an AADSTS number, `fault`. */
  outcome?: string;
};

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return {
    status,
    headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(body),
  };
}

/** A refusal as the JSON of the token endpoint. RFC 6749 section 5.2. */
export function refuse(refusal: Refusal, ids: CallIds, origin: string): Answer {
  const after = refusal.members.retryAfterSeconds;
  return {
    ...json(refusal.status, refusal.toBody(ids, origin), after === undefined ? {} : { 'Retry-After': String(after) }),
    outcome: String(refusal.code),
  };
}

/** Parameters of an endpoint that takes both GET and POST. */
export function parametersOf({ method, query, form }: Call): URLSearchParams {
  return method === 'POST' ? form : query;
}

export function cookieOf({ headers }: Call, name: string): string | undefined {
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='));
  return pairs.find(([key]) => key === name)?.[1];
}
