import { breaker, retryAfterSeconds as defaultRetryAfterSeconds } from '../lifetimes.ts';
import { Fault } from './fault.ts';
import { refusedWith } from './outages.ts';
import { parseRetryAfter } from './retry-after.ts';

export type Fetch = typeof globalThis.fetch;

/**
 * One request that ends within `deadlineMs`, body included, and follows no redirect. A connect error is tried once more
 * unless `once`. @throws Fault `unavailable` if there is no response.
 */
export type HttpClient = (
  url: string,
  init: RequestInit,
  limits: { deadlineMs: number; once?: boolean },
) => Promise<Response>;

type HttpClientOptions = {
  fetch?: Fetch;
  /** For pauses only: by default a clock that is never put back. */
  nowMs?: () => number;
  /** What callers are told while there is no response. */
  says?: string | undefined;
};
type Breaker = { failures: number; openUntilMs: number };

/** Nothing was sent, or the connection went away before a response: here a second request does no harm. */
const connectErrors = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_SOCKET']);

/**
 * A fetch towards one service. While the breaker is open calls are refused at once, one a second excepted, so that a
 * service that hangs does not make everybody wait.
 */
export function createHttpClient({
  fetch = globalThis.fetch,
  nowMs = () => performance.now(),
  says,
}: HttpClientOptions = {}): HttpClient {
  const state: Breaker = { failures: 0, openUntilMs: 0 };
  return async (url, init, { deadlineMs, once = false }) => {
    if (nowMs() < state.openUntilMs) throw unavailable(undefined, undefined, says);
    // The first call after the pause is the probe; others are refused until it has its response.
    if (state.failures >= breaker.failures) state.openUntilMs = nowMs() + breaker.openMs;
    const attempt = () => fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(deadlineMs) });
    try {
      const response = await (once ? attempt() : connecting(attempt));
      state.failures = 0;
      state.openUntilMs = 0;
      return response;
    } catch (error) {
      state.failures += 1;
      if (state.failures >= breaker.failures) state.openUntilMs = nowMs() + breaker.openMs;
      throw unavailable(error, undefined, says);
    }
  };
}

/** Makes an attempt, and a second one if the connection failed, not the response. */
export async function connecting<T>(attempt: () => Promise<T>): Promise<T> {
  return attempt().catch((error) => {
    if (!connectErrors.has(codeOf(error))) throw error;
    return attempt();
  });
}

/** The Fault of a response that says "not now", or undefined: 429 and 5xx, with the wait it asks for. */
export function laterFault(response: Response, tooMany = 'Too many requests at once, try again.'): Fault | undefined {
  const retryAfterSeconds = parseRetryAfter(response.headers.get('retry-after')) ?? defaultRetryAfterSeconds;
  const { status } = response;
  if (status === 429) return new Fault('throttled', tooMany, { cause: refusedWith(status), retryAfterSeconds });
  if (status === 500) return new Fault('server_error', 'Something went wrong on our side.');
  return status > 500 ? unavailable(refusedWith(status), retryAfterSeconds) : undefined;
}

/** The other side does not respond now. */
export function unavailable(
  cause?: unknown,
  retryAfterSeconds = defaultRetryAfterSeconds,
  says = 'Sign-in service is unavailable, try again.',
): Fault {
  return new Fault('unavailable', says, { cause, retryAfterSeconds });
}

function codeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: string } };
  return cause?.code ?? '';
}
