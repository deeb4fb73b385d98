import { Fault } from '@onbehalf/node/core/fault';
import type { ApiOptions } from './api-options.ts';
import { downstreamDeadlineMs } from './lifetimes.ts';
import { resolveUrl } from './relative-path.ts';

/** What `/DownstreamApi` responds with. */
export type DownstreamResult = { statusCode: number; headers: Record<string, string[]>; content: string | null };

type Call = {
  authorization: string;
  body: Buffer | undefined;
  contentType: string | undefined;
  followRedirects: boolean;
};

/** .NET's content headers, which are all that Microsoft's sidecar passes on. */
const contentHeaders =
  /^(allow|content-(disposition|encoding|language|length|location|md5|range|type)|expires|last-modified)$/;
const maxResponseBytes = 16 << 20;
const bodyless = new Set(['GET', 'HEAD']);

/** Calls a downstream API with the token. @throws Fault `bad_gateway` if it gives no response, or one too large. */
export async function callDownstream(options: ApiOptions, call: Call): Promise<DownstreamResult> {
  if (options.baseurl === undefined)
    throw new Fault('invalid_request', 'This API has no BaseUrl: it cannot be called.');
  const { httpmethod: method, relativepath, extraqueryparameters, extraheaderparameters, acceptheader } = options;
  const url = resolveUrl(options.baseurl, relativepath, extraqueryparameters);
  const body = bodyless.has(method) ? undefined : call.body;
  const headers = new Headers({ ...extraheaderparameters, accept: acceptheader, 'accept-encoding': 'identity' });
  headers.set('authorization', call.authorization);
  if (body && call.contentType) headers.set('content-type', call.contentType);
  const redirect = call.followRedirects ? 'follow' : 'manual';
  const signal = AbortSignal.timeout(downstreamDeadlineMs);
  const sent = body ? new Uint8Array(body) : null;
  try {
    const response = await fetch(url, { method, headers, body: sent, redirect, signal });
    const content = await readText(response);
    const passed = [...response.headers].filter(([name]) => contentHeaders.test(name));
    return {
      statusCode: response.status,
      headers: Object.fromEntries(passed.map(([name, value]) => [canonical(name), [value]])),
      content: content === '' ? null : content,
    };
  } catch (cause) {
    throw new Fault('bad_gateway', 'The downstream API gave no response that can be passed on.', { cause });
  }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > maxResponseBytes) throw new Error('the response is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** `content-type` as .NET writes it. */
function canonical(name: string): string {
  return name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}
