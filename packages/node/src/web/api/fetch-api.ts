import { unavailable } from '../../core/http-client.ts';
import type { Outage } from '../../core/outages.ts';
import { timeoutError } from '../../core/reason.ts';
import { toOurs } from '../../core/telemetry/client-span.ts';
import type { Api } from '../apis/apis.ts';

/** The address of a path below an API. @throws TypeError for a path that leads out of it, or is none. */
export function addressBelow(api: Api, path: string): URL {
  const url = path.startsWith('/') && URL.canParse(`${api.url}${path}`) ? new URL(`${api.url}${path}`) : undefined;
  if (!url?.href.startsWith(`${api.url}/`)) throw new TypeError('The path must begin with / and stay below the API.');
  return url;
}

/**
 * Sends a request of the app's own code to an API. It may be silent for `silenceSeconds` until its response begins.
 * @throws Fault `unavailable` if it does not respond.
 */
export async function fetchApi(
  { api, url, init, traceId, outage }: { api: Api; url: URL; init: RequestInit; traceId: string; outage: Outage },
  accessToken: string,
): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${accessToken}`);
  const late = new AbortController();
  const patience = setTimeout(() => late.abort(timeoutError('no response in time')), api.silenceSeconds * 1_000);
  const signal = init.signal ? AbortSignal.any([init.signal, late.signal]) : late.signal;
  try {
    const response = await toOurs(traceId, (traced) => {
      for (const [name, value] of Object.entries(traced)) headers.set(name, value);
      return fetch(url, { ...init, headers, signal });
    });
    outage.up();
    return response;
  } catch (cause) {
    // The app's own signal tells nothing of the API.
    if (init.signal?.aborted) throw cause;
    outage.down(cause);
    throw unavailable(cause, undefined, 'The service behind this page cannot be reached.');
  } finally {
    clearTimeout(patience);
  }
}
