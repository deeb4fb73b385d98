import type { IncomingMessage, ServerResponse } from 'node:http';
import { Fault } from '@onbehalf/node/core/fault';
import { toMermaid } from './draw/mermaid.js';
import type { Receiver, Signal } from './otlp/receiver.ts';
import { renderExport, renderPage } from './page.ts';
import { plainText, send, sendJson, sendPage } from './respond.ts';
import type { Traces } from './traces.ts';

type Handler = (req: IncomingMessage, res: ServerResponse, parameter: string) => void | Promise<void>;
type Route = [method: string, path: RegExp, handler: Handler];

const loopbackNames = ['localhost', '127.0.0.1', '[::1]'];

/** Every address of the viewer: OTLP, the page, and what the page reads. */
export class Router {
  readonly #hosts: Set<string>;
  readonly #routes: Route[];

  /** @param allowedHosts names beside localhost that a `Host` header may carry. */
  constructor(traces: Traces, receiver: Receiver, allowedHosts: string[]) {
    this.#hosts = new Set([...loopbackNames, ...allowedHosts]);
    this.#routes = [
      ['POST', /^\/v1\/(traces|metrics|logs)$/, (req, res, signal) => receiver.receive(req, res, signal as Signal)],
      ['GET', /^\/(?:traces\/[0-9a-f]{32})?$/, (_req, res) => sendPage(res, renderPage())],
      ['GET', /^\/livez$/, (_req, res) => send(res, 200, plainText, 'alive\n')],
      ...traceRoutes(traces),
    ];
  }

  /** @throws Fault, also for an unknown address, method or `Host`. */
  async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { hostname, pathname } = readAddress(req);
    // A page elsewhere can make its own name resolve to this address, but it cannot change the browser's Host header.
    // A probe names the pod's address, and learns nothing.
    if (pathname !== '/livez' && !this.#hosts.has(hostname))
      throw new Fault('forbidden', 'This Host is not served; ALLOWED_HOSTS names those that are.');
    const matching = this.#routes.filter(([, path]) => path.test(pathname));
    if (matching.length === 0) throw new Fault('not_found', 'There is nothing at this address.');
    const route = matching.find(([method]) => method === req.method);
    const allow = matching.map(([method]) => method).join(', ');
    if (!route) throw new Fault('method_not_allowed', 'This address does not take that method.', { allow });
    const [, path, handle] = route;
    await handle(req, res, path.exec(pathname)?.[1] ?? '');
  }
}

function traceRoutes(traces: Traces): Route[] {
  const forget: Handler = (_req, res) => {
    traces.clear();
    send(res, 204, plainText, '');
  };
  const mermaid: Handler = (_req, res, id) => send(res, 200, plainText, toMermaid(traces.find(id).spans));
  return [
    ['GET', /^\/api\/flows$/, (_req, res) => sendJson(res, traces.flows())],
    ['GET', /^\/api\/stream$/, (_req, res) => traces.stream(res)],
    ['GET', /^\/api\/traces\/([0-9a-f]{32})$/, (_req, res, id) => sendJson(res, traces.find(id))],
    ['GET', /^\/api\/traces\/([0-9a-f]{32})\.mmd$/, mermaid],
    ['GET', /^\/api\/traces\/([0-9a-f]{32})\.html$/, (_req, res, id) => sendPage(res, renderExport(traces.find(id)))],
    ['DELETE', /^\/api\/traces$/, forget],
  ];
}

function readAddress(req: IncomingMessage): URL {
  const url = `http://${req.headersDistinct.host}${req.url}`;
  if (!req.url?.startsWith('/') || !URL.canParse(url)) throw new Fault('invalid_request', 'The address is not usable.');
  return new URL(url);
}
