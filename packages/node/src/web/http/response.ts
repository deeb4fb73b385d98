import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { newTraceId } from '../../core/telemetry/trace-context.ts';

/** A response of node:http. Express keeps a request's values in `locals`, for its views too. */
export type WebResponse = ServerResponse & { locals?: Record<string, unknown> };

/** What the handlers of one request tell each other. */
type Exchange = {
  /** The session as it was sealed anew on the way. */
  resealed?: string;
  /** Where to begin again what the person broke off. */
  beginAgain?: string;
  /** No person has made the request: it sets no cookie. */
  speculative?: boolean;
};

const exchanges = new WeakMap<ServerResponse, Exchange>();

export function exchangeOf(res: ServerResponse): Exchange {
  const known = exchanges.get(res) ?? {};
  exchanges.set(res, known);
  return known;
}

/** The trace id of the request, 32 hex digits: the reference that a person is shown. */
export function traceIdOf(res: WebResponse): string {
  res.locals ??= {};
  res.locals.traceId ??= newTraceId();
  return String(res.locals.traceId);
}

/** Continues the trace of an earlier request. */
export function continueTrace(res: WebResponse, traceId: string): void {
  res.locals = Object.assign(res.locals ?? {}, { traceId });
}

export function setHeaders(res: ServerResponse, headers: OutgoingHttpHeaders): void {
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) res.setHeader(name, value);
}

/** `maxAge` is in seconds; without it a browser forgets the cookie when it ends. */
export type CookieOptions = {
  path: string;
  secure: boolean;
  httpOnly: boolean;
  sameSite?: 'lax' | 'strict' | 'none';
  maxAge?: number;
};

/** Has the browser keep a cookie; the value is of characters that cookies take. RFC 6265 section 4.1.1. */
export function setCookie(res: ServerResponse, name: string, value: string, options: CookieOptions): void {
  const { maxAge } = options;
  const until = maxAge === undefined ? undefined : new Date(Date.now() + maxAge * 1_000);
  append(res, name, value, options, until);
}

/** Has the browser forget a cookie that was set with these options. */
export function clearCookie(res: ServerResponse, name: string, { maxAge: _, ...options }: CookieOptions): void {
  append(res, name, '', options, new Date(0));
}

function append(res: ServerResponse, name: string, value: string, options: CookieOptions, until?: Date): void {
  if (exchangeOf(res).speculative) return;
  const { path, secure, httpOnly, sameSite, maxAge } = options;
  const parts = [
    `${name}=${value}`,
    maxAge !== undefined && `Max-Age=${maxAge}`,
    `Path=${path}`,
    until && `Expires=${until.toUTCString()}`,
    httpOnly && 'HttpOnly',
    secure && 'Secure',
    sameSite && `SameSite=${sameSite.replace(/^./, (first) => first.toUpperCase())}`,
  ];
  res.appendHeader('Set-Cookie', parts.filter(Boolean).join('; '));
}

/** Sends a value as JSON; its status is already set. */
export function sendJson(res: ServerResponse, value: unknown): void {
  send(res, 'application/json; charset=utf-8', JSON.stringify(value));
}

/** Sends a text of this type; its status is already set. */
export function send(res: ServerResponse, type: string, text: string): void {
  res.setHeader('Content-Type', type);
  res.setHeader('Content-Length', Buffer.byteLength(text));
  res.end(text);
}
