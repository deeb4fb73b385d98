import { createHmac, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { SpanContext } from '@opentelemetry/api';
import type { KeyRing } from '../../core/keys/key-ring.ts';
import type { Origin } from '../../core/telemetry/request-facts.ts';
import { spanContextOf, traceparentOfSpan } from '../../core/telemetry/trace-context.ts';
import { landingSeconds, loginSeconds } from '../../lifetimes.ts';
import { cookiePrefix, cookiesOf } from './cookies.ts';
import type { Location } from './location.ts';

/** A place in a trace, and when it was written down. */
export type Carried = { span: SpanContext; atMs: number };

export const landingCookie = `${cookiePrefix}landing`;
export const loginCookiePrefix = `${cookiePrefix}login-`;

/**
 * How one flow stays one trace over the browser's redirects: its place travels in cookies, authenticated but not
 * encrypted, since there is no secret in it and it is read before any asynchronous work can be done. Other trace
 * context from outside is ignored. What does not verify, or is too old, starts a new trace.
 */
export function createFlowTrace(keys: () => KeyRing, nowMs: () => number = Date.now) {
  function read(text: string | undefined, maxAgeSeconds: number): Carried | undefined {
    const [, context = '', mac = ''] = /^([\w-]{20,120})\.([\w-]{43})$/.exec(text ?? '') ?? [];
    const given = Buffer.from(mac, 'base64url');
    const genuine = [...keys().keys.values()].some((key) => {
      const expected = macOf(key, context);
      return expected.length === given.length && timingSafeEqual(expected, given);
    });
    if (!genuine) return undefined;
    const [traceparent, writtenAt = ''] = Buffer.from(context, 'base64url').toString().split(' ');
    const span = spanContextOf(traceparent);
    const atMs = Number.parseInt(writtenAt, 36);
    // Clocks of pods differ: a little of the future is now.
    return span && nowMs() - atMs <= maxAgeSeconds * 1_000 ? { span, atMs: Math.min(atMs, nowMs()) } : undefined;
  }

  return {
    /** What a cookie carries for this span. */
    write(span: SpanContext): string {
      const { current, keys: ring } = keys();
      const context = Buffer.from(`${traceparentOfSpan(span)} ${nowMs().toString(36)}`).toString('base64url');
      return `${context}.${macOf(ring.get(current) as KeyObject, context).toString('base64url')}`;
    },

    readLogin: (text: string | undefined) => read(text, loginSeconds),

    /**
     * Where a request belongs: a callback to its sign-in, the first page after it too, all else to a trace of its own.
     * @param at where it came to, and its target below that.
     */
    originOf(
      req: Pick<IncomingMessage, 'headers'>,
      { location, target }: { location: Location; target: string },
    ): Origin {
      // Not by URL, which throws on what a stranger may send.
      const [pathname, query = ''] = target.split('?', 2);
      const returns = pathname === '/auth/callback';
      if (!returns && req.headers['sec-fetch-dest'] !== 'document') return {};
      const cookies = cookiesOf(req);
      if (returns) {
        const { carried } = splitLogin(
          cookies.get(loginNameOf(cookies, location, new URLSearchParams(query).get('state'))),
        );
        return { parent: read(carried, loginSeconds)?.span };
      }
      const landing = cookies.get(location.cookie(landingCookie));
      return landing === undefined ? {} : { parent: read(landing, landingSeconds)?.span };
    },
  };
}

export type FlowTrace = ReturnType<typeof createFlowTrace>;

/** A login cookie is the sealed attempt, a JWE of five parts; before it, with telemetry, the two of its trace. */
export function splitLogin(value = ''): { carried: string | undefined; sealed: string } {
  const parts = value.split('.');
  if (parts.length !== 7) return { carried: undefined, sealed: value };
  return { carried: parts.slice(0, 2).join('.'), sealed: parts.slice(2).join('.') };
}

/** By the first part of `state`; a response by form_post is not parsed yet, so there it is the newest attempt. */
function loginNameOf(cookies: ReadonlyMap<string, string>, location: Location, state: string | null): string {
  const prefix = location.cookie(loginCookiePrefix);
  if (state !== null) return prefix + state.slice(0, state.indexOf('.'));
  return (
    [...cookies.keys()]
      .filter((name) => name.startsWith(prefix))
      .sort()
      .at(-1) ?? ''
  );
}

const derived = new WeakMap<KeyObject, Buffer>();

/** Never with the sealing key itself: a key of its own is derived from it. RFC 5869. */
function macOf(key: KeyObject, context: string): Buffer {
  const known = derived.get(key) ?? Buffer.from(hkdfSync('sha256', key, '', 'onbehalf flow trace', 32));
  derived.set(key, known);
  return createHmac('sha256', known).update(context).digest();
}
