import { claimsChallenge } from '@onbehalf/node/core/challenge';
import { Fault } from '@onbehalf/node/core/fault';
import { isPlainPath } from '@onbehalf/node/core/wire/plain-path';
import { readAtMost } from '@onbehalf/node/core/wire/read-at-most';
import type { Request } from 'express';
import { type ApiOptions, badRequest } from './api-options.ts';
import { downstreamDeadlineMs } from './lifetimes.ts';

type Call = {
  /** The `Authorization` header; with the claims that the API asks for, if it does. */
  authorize: (claims?: string) => Promise<string>;
  /** Its body is passed on, but for GET and HEAD. */
  req: Request;
  followRedirects: boolean;
};

/** .NET's content headers, which are all that Microsoft's sidecar passes on. */
const contentHeaders =
  /^(allow|content-(disposition|encoding|language|length|location|md5|range|type)|expires|last-modified)$/;
const maxResponseBytes = 16 << 20;

/**
 * Calls a downstream API with the token; once more where it wants one with claims (Learn: "Claims challenges"), as
 * Microsoft's sidecar does. Gives what `/DownstreamApi` responds with. @throws Fault `bad_gateway` if the API gives no
 * response, or one too large; those of `authorize`.
 */
export async function callDownstream(options: ApiOptions, { authorize, req, followRedirects }: Call) {
  const url = urlOf(options);
  const { httpmethod: method = 'GET', extraheaderparameters, acceptheader: accept } = options;
  const headers = new Headers({ accept: 'application/json', ...extraheaderparameters, 'accept-encoding': 'identity' });
  if (accept) headers.set('accept', accept);
  const body: Buffer<ArrayBuffer> | null = /^(GET|HEAD)$/.test(method) || !req.body?.length ? null : req.body;
  const type = body && (options.contenttype ?? req.headers['content-type']);
  if (type) headers.set('content-type', type);
  const send = async (claims?: string) => {
    headers.set('authorization', await authorize(claims));
    const redirect = followRedirects ? 'follow' : 'manual';
    return await exchange(url, { method, headers, body, redirect });
  };
  const first = await send();
  const claims = first.status === 401 ? claimsChallenge(first.headers.get('www-authenticate')) : undefined;
  const { status, headers: received, content } = claims ? await send(claims) : first;
  const passed = [...received].filter(([name]) => contentHeaders.test(name));
  // As .NET writes them: `Content-Type`.
  const capital = (name: string) => name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
  return {
    statusCode: status,
    headers: Object.fromEntries(passed.map(([name, value]) => [capital(name), [value]])),
    content: content || null,
  };
}

/** Below the base URL and nowhere else, however the path is written. @throws Fault `invalid_request`. */
function urlOf({ baseurl, relativepath = '', extraqueryparameters = {} }: ApiOptions): string {
  if (baseurl === undefined) throw badRequest('This API has no BaseUrl: it cannot be called.');
  const [, written = '', query = ''] = /^\/?([^?#]*)(\?[^#]*)?/.exec(relativepath) ?? [];
  // Graph's paths have names of files, with blanks and all letters.
  const path = `/${written.replace(/[^\x21-\x7e]/gu, encodeURIComponent)}`;
  if (!isPlainPath(path)) throw badRequest('optionsOverride.RelativePath leads out of the API.');
  const url = new URL(baseurl + path + query);
  for (const [name, value] of Object.entries(extraqueryparameters)) url.searchParams.set(name, value);
  return url.href;
}

async function exchange(url: string, init: RequestInit) {
  try {
    const { status, headers, body } = await fetch(url, { ...init, signal: AbortSignal.timeout(downstreamDeadlineMs) });
    const read = await readAtMost(body ?? [], maxResponseBytes);
    if (!read) throw new Error('the response is too large');
    return { status, headers, content: read.toString() };
  } catch (cause) {
    throw new Fault('bad_gateway', 'The downstream API gave no response that can be passed on.', { cause });
  }
}
