import { Fault } from '@onbehalf/node/core/fault';
import { breaker } from '../lifetimes.ts';

export type Fetch = typeof globalThis.fetch;

type Breaker = { failures: number; openUntilMs: number };

/** Nothing was sent, or the connection went away before a response: here a second request does no harm. */
const connectErrors = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_SOCKET']);

/**
 * A fetch towards one service of ours. No response within the deadline is Fault `unavailable`; a connect error is tried
 * once more unless `once`. While the breaker is open calls are refused at once, one a second excepted, so that a
 * service that hangs does not make everybody wait.
 */
export function createUpstream({ fetch, nowMs }: { fetch: Fetch; nowMs: () => number }) {
  const state: Breaker = { failures: 0, openUntilMs: 0 };
  return async (
    url: string,
    init: RequestInit,
    { deadlineMs, once = false }: { deadlineMs: number; once?: boolean },
  ) => {
    if (nowMs() < state.openUntilMs) throw unavailable();
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
      throw unavailable(error);
    }
  };
}

export type Upstream = ReturnType<typeof createUpstream>;

/** Makes an attempt, and a second one if the connection failed, not the response. */
export async function connecting<T>(attempt: () => Promise<T>): Promise<T> {
  return attempt().catch((error) => {
    if (!connectErrors.has(codeOf(error))) throw error;
    return attempt();
  });
}

/** The Fault of a response that says "not now", or undefined: 429 and 5xx, with the wait it asks for. */
export function laterFault(response: Response, tooMany = 'Too many requests at once, try again.'): Fault | undefined {
  const asked = Number.parseInt(response.headers.get('retry-after') ?? '', 10) || 2;
  const retryAfterSeconds = Math.min(Math.max(1, asked), 3_600);
  if (response.status === 429) return new Fault('throttled', tooMany, { retryAfterSeconds });
  if (response.status === 500) return new Fault('server_error', 'Something went wrong on our side.');
  return response.status > 500 ? unavailable(undefined, retryAfterSeconds) : undefined;
}

export function unavailable(cause?: unknown, retryAfterSeconds = 2): Fault {
  return new Fault('unavailable', 'Sign-in service is unavailable, try again.', { cause, retryAfterSeconds });
}

function codeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: string } };
  return cause?.code ?? '';
}
