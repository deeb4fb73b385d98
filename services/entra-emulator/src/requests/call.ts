import type { IncomingHttpHeaders } from 'node:http';
import { type CallIds, Refusal } from './aadsts.ts';

/** One request as the protocol reads it. */
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
  /** It came by https. */
  secure: boolean;
  ids: CallIds;
};

export type HttpResponse = {
  status: number;
  headers?: Record<string, string | string[]>;
  body?: string;
  /** Its name in the counters and the log: `ok`, an AADSTS number, `fault`. */
  outcome?: string;
};

export function json(status: number, body: unknown, headers: Record<string, string> = {}): HttpResponse {
  return {
    status,
    headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(body),
  };
}

/** A refusal as the JSON of the token endpoint. RFC 6749 section 5.2. */
export function refuse(refusal: Refusal, ids: CallIds, origin: string): HttpResponse {
  const after = refusal.members.retryAfterSeconds;
  return {
    ...json(refusal.status, refusal.toBody(ids, origin), after === undefined ? {} : { 'Retry-After': String(after) }),
    outcome: String(refusal.code),
  };
}

/** Parameters of an endpoint that takes both GET and POST. */
export function readParameters({ method, query, form }: Call): URLSearchParams {
  return method === 'POST' ? form : query;
}

export function readCookie({ headers }: Call, name: string): string | undefined {
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='));
  return pairs.find(([key]) => key === name)?.[1];
}

/** @throws Refusal 900144 if the parameter is missing or empty. */
export function requireParameter(form: URLSearchParams, parameter: string): string {
  const value = form.get(parameter);
  if (!value) throw new Refusal(900144, { parameter });
  return value;
}
