import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createApp, logFault, onlyMethods } from '@onbehalf/chassis/http/http';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { Fault, toFault } from '@onbehalf/node/core/fault';
import type { Limit } from '@onbehalf/node/core/network/rate-limit';
import { describeRequest, nameRoute, noteFailure } from '@onbehalf/node/core/telemetry/request-facts';
import { traceIdOf } from '@onbehalf/node/core/telemetry/trace-context';
import { Router } from 'express';
import type { Callers } from '../clients/callers.ts';
import { readForm } from '../input/form.ts';
import { type Endpoint, JsonText, type ResponseBody } from './endpoint.ts';
import { openapi } from './metadata.ts';

type Deps = {
  /** Our own URL, the issuer of the metadata. */
  issuer: string;
  /** RFC 8414 metadata. It changes when the clients change. @throws Fault if Entra was never reached. */
  metadata: () => Promise<object>;
  endpoints: Record<string, Endpoint>;
  callers: Callers;
  perCaller: Limit;
  logger: Logger;
};

/**
 * The HTTP side of the broker. The OAuth endpoints are served before Express, whose middleware stack would cost more than
 * a token from memory. The other routes are an ordinary Express app.
 */
export function createHandler({ issuer, metadata, endpoints, callers, perCaller, logger }: Deps): RequestListener {
  const routes = Router({ strict: true, caseSensitive: true });
  // It is built once, since any caller may request it.
  const description = openapi(issuer);
  routes.get('/.well-known/oauth-authorization-server', async (_req, res) => void res.json(await metadata()));
  routes.get('/openapi.json', (_req, res) => void res.json(description));
  routes.all(['/.well-known/oauth-authorization-server', '/openapi.json'], onlyMethods('GET', 'HEAD'));
  routes.all(Object.keys(endpoints), onlyMethods('POST'));
  const app = createApp({ logger, routes });

  async function serve(
    path: string,
    endpoint: Endpoint,
    req: IncomingMessage,
    res: ServerResponse,
    query: string | undefined,
  ): Promise<void> {
    const traceId = traceIdOf(req.headers);
    nameRoute(path);
    try {
      // URLs are written to logs: RFC 9700 section 4.3.2.
      if (query) throw new Fault('invalid_request', 'Send the parameters in the body.');
      const form = await readForm(req);
      const client = await callers.authenticate(form, readAuthorization(req), req.socket.remoteAddress);
      describeRequest({ 'onbehalf.client': client.name });
      perCaller.take(client.name);
      send(res, 200, await endpoint(client, form, traceId));
    } catch (error) {
      const fault = toFault(error);
      noteFailure(fault.code);
      logFault(logger, fault, `POST ${path}`, traceId);
      if (res.headersSent) return void res.destroy();
      // The rest of the body is not read.
      if (!req.complete) res.setHeader('Connection', 'close');
      for (const [name, value] of Object.entries(fault.toHeaders())) res.setHeader(name, value);
      send(res, fault.status, fault.toBody(traceId));
    }
  }

  return (req, res) => {
    const [path = '', query] = originForm(req.url ?? '').split('?', 2);
    const endpoint = req.method === 'POST' && Object.hasOwn(endpoints, path) ? endpoints[path] : undefined;
    if (endpoint) void serve(path, endpoint, req, res, query);
    else app(req, res);
  };
}

/** @throws Fault `invalid_request` for several headers: Node would silently take the first. */
function readAuthorization({ headers, rawHeaders }: IncomingMessage): string | undefined {
  const { authorization } = headers;
  if (authorization === undefined) return undefined;
  const count = rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'authorization').length;
  if (count > 1) throw new Fault('invalid_request', 'The request has more than one Authorization header.');
  return authorization;
}

/** The path of a request target: a client may send the whole URL, as to a proxy. RFC 9112 section 3.2.2. */
function originForm(target: string): string {
  return target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?#]+/i, '');
}

/** No browser calls these endpoints, so they need only the security header that every client obeys. */
const responseHeaders = {
  'Content-Type': 'application/json',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
  Pragma: 'no-cache',
};

function send(res: ServerResponse, status: number, body: ResponseBody): void {
  const json = body instanceof JsonText ? body : new JsonText(JSON.stringify(body), false);
  res.writeHead(status, { ...responseHeaders, 'Content-Length': json.bytes });
  res.end(json.text, json.isAscii ? 'latin1' : 'utf8');
}
