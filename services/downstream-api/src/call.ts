import { Fault } from '@onbehalf/chassis/fault';

/** `body` is undefined if it is not JSON. */
export type Answer = { status: number; challenge: string | null; body: unknown };

/** What a service says that cannot answer now but may later. */
const later = new Set([429, 502, 503, 504]);
const defaultRetryAfterSeconds = 2;

/**
 * One HTTP call that ends within `deadlineMs`, answer and all; the body is parsed as JSON.
 * @throws Fault `unavailable` if the other side cannot be reached or says "later".
 */
export async function call(url: string, init: RequestInit, deadlineMs: number): Promise<Answer> {
  const signal = AbortSignal.timeout(deadlineMs);
  const send = () => fetch(url, { ...init, signal, redirect: 'error' });
  try {
    // A kept connection may have been closed a moment ago; asking for the same once more does no harm.
    const response = await send().catch((error) => (signal.aborted ? Promise.reject(error) : send()));
    const body = parseJson(await response.text());
    if (later.has(response.status)) throw unavailable(retryAfterOf(response));
    return { status: response.status, challenge: response.headers.get('www-authenticate'), body };
  } catch (error) {
    throw error instanceof Fault ? error : unavailable(defaultRetryAfterSeconds, error);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function retryAfterOf({ headers }: Response): number {
  const seconds = Number(headers.get('retry-after') || defaultRetryAfterSeconds);
  // It may be a date, which nobody here sends.
  return Number.isFinite(seconds) ? Math.max(0, seconds) : defaultRetryAfterSeconds;
}

function unavailable(retryAfterSeconds: number, cause?: unknown): Fault {
  return new Fault('unavailable', 'A service this API needs is not available. Try again.', {
    retryAfterSeconds,
    cause,
  });
}
