import { once } from 'node:events';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { request as requestSecurely } from 'node:https';
import { text } from 'node:stream/consumers';
import { CookieJar } from 'tough-cookie';
import { type Form, formsOf, framesOf, linksOf, refreshOf, textOf } from './html.ts';

/** One answer, as it came over the wire. */
export type Answer = { method: string; url: URL; status: number; headers: IncomingHttpHeaders; body: string };

type Sending = { method?: string; headers?: Record<string, string>; body?: string };
/** A proxy that stands where this origin is: what is sent to the origin is sent to the port. */
type Front = { origin: string; port: number };
type Site = 'none' | 'same-origin' | 'same-site' | 'cross-site';

const redirectLimit = 20;
const answerWithinMs = 15_000;
const formType = 'application/x-www-form-urlencoded';

/**
 * A person with a browser, without the browser: cookies by RFC 6265bis (prefixes, SameSite and Secure included),
 * redirects followed one by one, links followed and forms sent by what they say, fetch metadata as a browser sends it.
 */
export class Visitor implements Disposable {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #front: Front | undefined;
  readonly jar = new CookieJar(undefined, { prefixSecurity: 'strict', rejectPublicSuffixes: false });
  /** Every answer so far, redirects included. */
  readonly answers: Answer[] = [];
  #page: Answer | undefined;

  constructor(front?: Front) {
    this.#front = front;
  }

  /** The page now shown. */
  get page(): Answer {
    if (!this.#page) throw new Error('The visitor has not opened a page yet.');
    return this.#page;
  }

  /** The words on the page now shown. */
  get words(): string {
    return textOf(this.page.body);
  }

  /** Types an address. */
  open(url: string | URL): Promise<Answer> {
    return this.#navigate(new URL(url), { method: 'GET' }, undefined);
  }

  /** Follows the link that says this. */
  follow(saying: string): Promise<Answer> {
    const link = linksOf(this.page.body).find((each) => each.text.includes(saying));
    if (!link) throw this.#missing(`link "${saying}"`);
    return this.#navigate(new URL(link.href, this.page.url), { method: 'GET' }, this.page.url);
  }

  /** Presses the button that says or sends this; its form is sent with it. */
  press(saying: string, fields: Record<string, string> = {}): Promise<Answer> {
    for (const form of formsOf(this.page.body)) {
      const button = form.buttons.find((each) => each.text.includes(saying) || each.value === saying);
      if (button) return this.#submit(form, [[button.name, button.value], ...Object.entries(fields)]);
    }
    throw this.#missing(`button "${saying}"`);
  }

  /** Sends the only form of the page, as the script of a `form_post` page does. */
  submit(): Promise<Answer> {
    const [form] = formsOf(this.page.body);
    if (!form) throw this.#missing('form');
    return this.#submit(form, []);
  }

  /** Fetches as a script of the page now shown would; the page stays. */
  async fetch(path: string, sending: Sending = {}): Promise<Answer> {
    const url = new URL(path, this.page.url);
    const site = siteOf(this.page.url, url);
    const origin: Record<string, string> =
      site !== 'same-origin' || (sending.method ?? 'GET') !== 'GET' ? { origin: this.page.url.origin } : {};
    const metadata = { 'sec-fetch-site': site, 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: '*/*' };
    const headers = { ...metadata, ...origin, ...sending.headers };
    return this.#send(url, { ...sending, headers }, site === 'cross-site' ? 'none' : 'strict');
  }

  /** Sends exactly this, with the cookies that belong there: for what no browser would send. */
  send(url: string | URL, sending: Sending = {}): Promise<Answer> {
    return this.#send(new URL(url), sending, 'strict');
  }

  /** The names of the cookies that would go to this address. */
  async cookieNames(url: string | URL): Promise<string[]> {
    return (await this.jar.getCookies(String(url))).map(({ key }) => key);
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  /** A page without referrer does not tell its origin either: Fetch standard, "append a request `Origin` header". */
  #originOf(from: URL): string {
    return this.page.headers['referrer-policy'] === 'no-referrer' ? 'null' : from.origin;
  }

  #submit(form: Form, added: [string, string][]): Promise<Answer> {
    const fields = new URLSearchParams([...form.fields, ...added].filter(([name]) => name));
    const url = new URL(form.action, this.page.url);
    if (form.method === 'get') {
      url.search = String(fields);
      return this.#navigate(url, { method: 'GET' }, this.page.url);
    }
    const sending = { method: 'POST', headers: { 'content-type': formType }, body: String(fields) };
    return this.#navigate(url, sending, this.page.url);
  }

  async #navigate(to: URL, first: Sending, from: URL | undefined): Promise<Answer> {
    let url = to;
    let sending = first;
    let site: Site = from ? siteOf(from, to) : 'none';
    for (let hops = 0; hops < redirectLimit; hops += 1) {
      const post = sending.method === 'POST';
      const answer = await this.#send(
        url,
        {
          ...sending,
          headers: {
            accept: 'text/html,application/xhtml+xml',
            'sec-fetch-site': site,
            'sec-fetch-mode': 'navigate',
            'sec-fetch-dest': 'document',
            ...(post && from && { origin: this.#originOf(from) }),
            ...sending.headers,
          },
        },
        site !== 'cross-site' ? 'strict' : post ? 'none' : 'lax',
      );
      const location = answer.headers.location;
      if (answer.status >= 300 && answer.status < 400 && location) {
        const next = new URL(location, url);
        site = worse(site, siteOf(url, next));
        url = next;
        if (answer.status !== 307 && answer.status !== 308) sending = { method: 'GET' };
        continue;
      }
      this.#page = answer;
      await this.#loadFrames(answer);
      const refresh = refreshOf(answer.body);
      if (refresh === undefined) return answer;
      const next = new URL(refresh, url);
      site = siteOf(url, next);
      url = next;
      sending = { method: 'GET' };
    }
    throw new Error(`More than ${redirectLimit} redirects, the last to ${url.origin}${url.pathname}`);
  }

  /** Loads what a page frames, as front-channel logout has it; a frame of another site gets no Lax cookies. */
  async #loadFrames({ url, body }: Answer): Promise<void> {
    for (const src of framesOf(body)) {
      const frame = new URL(src, url);
      const site = siteOf(url, frame);
      const headers = { 'sec-fetch-site': site, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' };
      await this.#send(frame, { headers }, site === 'cross-site' ? 'none' : 'strict');
    }
  }

  async #send(url: URL, sending: Sending, sameSiteContext: 'strict' | 'lax' | 'none'): Promise<Answer> {
    const { method = 'GET', headers = {}, body } = sending;
    const cookie = await this.jar.getCookieString(url.href, { sameSiteContext });
    const secure = url.protocol === 'https:';
    const outgoing = (secure ? requestSecurely : request)(url, {
      method,
      ...(!secure && { agent: this.#agent }),
      ...(url.origin === this.#front?.origin && { host: '127.0.0.1', port: this.#front.port }),
      signal: AbortSignal.timeout(answerWithinMs),
      headers: {
        ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
        host: url.host,
        ...headers,
        ...(cookie && { cookie: [cookie, headers.cookie].filter(Boolean).join('; ') }),
      },
    }).end(body);
    const [incoming] = await once(outgoing, 'response');
    const answer: Answer = {
      method,
      url,
      status: incoming.statusCode,
      headers: incoming.headers,
      body: await text(incoming),
    };
    // What the jar refuses, a browser would refuse as silently: tests see it by the cookie's absence. A page that is
    // navigated to may set any cookie, wherever the navigation came from (RFC 6265bis section 5.7).
    for (const each of answer.headers['set-cookie'] ?? [])
      await this.jar.setCookie(each, url.href, { ignoreError: true });
    this.answers.push(answer);
    return answer;
  }

  #missing(what: string): Error {
    const { status, url } = this.page;
    return new Error(`No ${what} on ${url.origin}${url.pathname} (${status}), which says: ${this.words.slice(0, 300)}`);
  }
}

function siteOf(from: URL, to: URL): Site {
  if (from.origin === to.origin) return 'same-origin';
  return from.protocol === to.protocol && from.hostname === to.hostname ? 'same-site' : 'cross-site';
}

/** A redirect never makes a request more trusted. */
function worse(a: Site, b: Site): Site {
  const order: Site[] = ['none', 'same-origin', 'same-site', 'cross-site'];
  // An address that was typed stays typed, wherever it leads.
  return a === 'none' ? a : order.indexOf(a) > order.indexOf(b) ? a : b;
}
