import { Fault } from '@onbehalf/node/core/fault';

/** `body` is undefined if it is not JSON. */
export type JsonResponse = { status: number; challenge: string | null; body: unknown };

/** The statuses of a service that cannot respond now but may later. */
const later = new Set([429, 502, 503, 504]);
const defaultRetryAfterSeconds = 2;

/**
 * One HTTP call that ends within `deadlineMs`, body included; the body is parsed as JSON.
 * @throws Fault `unavailable` if the other side cannot be reached or says "later".
 */
export async function call(url: string, init: RequestInit, deadlineMs: number): Promise<JsonResponse> {
  const signal = AbortSignal.timeout(deadlineMs);
  const send = () => fetch(url, { ...init, signal, redirect: 'error' });
  try {
    // A kept connection may have closed just now; a second request does no harm.
    const response = await send().catch((error) => (signal.aborted ? Promise.reject(error) : send()));
    const body = parseJson(await response.text());
    if (later.has(response.status)) throw unavailable(parseRetryAfter(response));
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

function parseRetryAfter({ headers }: Response): number {
  const seconds = Number(headers.get('retry-after') || defaultRetryAfterSeconds);
  // It may be a date; no service here sends one.
  return Number.isFinite(seconds) ? Math.max(0, seconds) : defaultRetryAfterSeconds;
}

function unavailable(retryAfterSeconds: number, cause?: unknown): Fault {
  return new Fault('unavailable', 'A service this API needs is not available. Try again.', {
    retryAfterSeconds,
    cause,
  });
}
