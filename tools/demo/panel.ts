import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { Html, html } from '@onbehalf/chassis/http/html';
import { style } from '../../services/web-frontend/src/pages/style.ts';
import type { System } from '../../test/kit/system/system.ts';
import { tellFigures, Watch } from './figures.ts';
import { type Outage, outages } from './outages.ts';
import { Stage } from './stage.ts';

type Result = { state: 'running' | 'held' | 'broken'; did: string; figures: string };

const own = `
form { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; }
input { font: inherit; width: 8rem; padding: .5rem; color: var(--ink); background: var(--card); border: 1px solid var(--soft); border-radius: var(--control-radius); }
label { display: grid; color: var(--soft); font-size: .875rem; }
.card > p { overflow-wrap: anywhere; }
`;

/**
 * The page "Break it" of the demo: a button for each outage, beside what to watch, what must happen and what did. It
 * listens on the loopback address, knows itself by its own names only (a page elsewhere may give its own name this
 * address), and takes forms from its own page only.
 */
export class Panel implements AsyncDisposable {
  readonly #system: System;
  readonly #stage: Stage;
  readonly #outages: Outage[];
  readonly #results = new Map<string, Result>();
  readonly #server = createServer((req, res) => void this.#respond(req, res).catch(() => res.destroy()));
  #port = 0;
  /** Of the outage that runs. */
  #watch: Watch | undefined;

  constructor(system: System, list = outages) {
    this.#system = system;
    this.#stage = new Stage(system);
    this.#outages = list;
  }

  /** Opens it. Gives its address. */
  async listen(port: number): Promise<string> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    this.#port = typeof address === 'object' && address ? address.port : port;
    return `http://localhost:${this.#port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #respond(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { method, url = '/', headers } = req;
    const hosts = [`localhost:${this.#port}`, `127.0.0.1:${this.#port}`];
    if (!hosts.includes(headers.host ?? '')) return refuse(res, 421, 'This is not where the panel is.');
    if (method === 'GET' && url === '/') return await this.#page(res);
    const outage = this.#outages.find(({ id }) => url === `/break/${id}`);
    if (method !== 'POST' || !outage) return refuse(res, 404, 'There is nothing here.');
    if (headers.origin !== `http://${headers.host}`) return refuse(res, 403, 'This must come from the panel itself.');
    const given = new URLSearchParams((await text(req)).slice(0, 100)).get('number');
    const number = given === null ? (outage.number?.usual ?? 0) : Number(given);
    if (!Number.isSafeInteger(number)) return refuse(res, 400, 'That is no number.');
    this.#start(outage, number);
    res.writeHead(303, { location: '/', 'cache-control': 'no-store' }).end();
  }

  /** One at a time: what is watched must be of this one. */
  #start({ id, run }: Outage, number: number): void {
    if (this.#isRunning) return;
    const watch = new Watch(this.#system);
    this.#watch = watch;
    this.#results.set(id, { state: 'running', did: 'running …', figures: '' });
    const end = async (state: Result['state'], did: string) => {
      this.#results.set(id, { state, did, figures: tellFigures(await watch.read()) });
    };
    void watch.read().then(async () => {
      await run(this.#stage, number).then(
        (did) => end('held', did),
        (error: unknown) => end('broken', error instanceof Error ? error.message : String(error)),
      );
    });
  }

  get #isRunning(): boolean {
    return [...this.#results.values()].some(({ state }) => state === 'running');
  }

  async #page(res: ServerResponse): Promise<void> {
    const nonce = randomBytes(16).toString('base64');
    const calls = await this.#system.calls().catch(() => undefined);
    const live = this.#isRunning && this.#watch ? tellFigures(await this.#watch.read()) : '';
    const { viewerUrl, brokers, web } = this.#system;
    const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${this.#isRunning && html`<meta http-equiv="refresh" content="1">`}
<title>Break it · Onbehalf</title>
<link rel="icon" href="data:,">
<style nonce="${nonce}">${new Html(style + own)}</style>
</head>
<body>
<header><strong>Break it</strong><a href="${web}">The app</a>${viewerUrl && html`<a href="${viewerUrl}">Traces</a>`}</header>
<main><h1>Break it</h1>
<p class="lead" role="status">Entra calls: ${calls ?? 'Entra ID does not answer'} · Brokers: ${brokers.length}</p>
<ul class="cards">${this.#outages.map((outage) => this.#card(outage, live))}</ul>
</main>
</body>
</html>
`;
    res.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': `default-src 'none'; img-src data:; style-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      // With no-referrer browsers send `Origin: null` with our own forms.
      'referrer-policy': 'same-origin',
    });
    res.end(String(page));
  }

  /** `live`: the figures of the outage that runs. */
  #card({ id, title, watch, must, number }: Outage, live: string): Html {
    const result = this.#results.get(id);
    return html`<li class="card"><h2>${title}</h2>
<p class="soft">Watch ${watch}.</p>
<p>Must happen: ${must}</p>
${
  result &&
  html`<p class="${result.state === 'broken' ? 'bad' : 'good'}">${result.state === 'broken' ? 'Did not: ' : 'Did: '}${result.did}</p>
<p class="soft figures">${result.figures || live}</p>`
}
<form class="row" method="post" action="/break/${id}">${number && html`<label>${number.label}<input name="number" type="number" required value="${number.usual}"></label>`}<button class="button quiet">Break it</button></form></li>`;
  }
}

function refuse(res: ServerResponse, status: number, why: string): void {
  res.writeHead(status, { 'content-type': 'text/plain', 'cache-control': 'no-store' }).end(`${why}\n`);
}
