import { Pool } from 'undici';
import type { Ask } from './asking.ts';

/** An answer as far as it is judged. `status` 0: there was none, and `error` is the transport's code. */
export type Reply = {
  status: number;
  /** The `error` member of a failure. */
  error: string;
  headers: Record<string, string | string[] | undefined>;
  /** Of failures, and where it was asked for. */
  body: string;
  retryAfterSeconds: number | undefined;
  /** Of `performance.now()`, when it went to the socket; undefined if it never did. */
  sentMs: number | undefined;
};

/** As long as a latency may be. */
const answerMs = 60_000;
const connectMs = 10_000;
/** To each origin. */
const warmUpRequests = 160;

/** Sends requests by undici's lowest interface, which costs least: a generator must not be what is measured. */
export class Sender {
  readonly #pools = new Map<string, Pool>();

  /** Calls `end` once, whatever happens. `wantsBody`: of a success too. */
  send(origin: string, ask: Ask, wantsBody: boolean, end: (reply: Reply) => void): void {
    let [status, retryAfter, sentMs] = [0, undefined as string | undefined, undefined as number | undefined];
    let headers: Reply['headers'] = {};
    const chunks: Buffer[] = [];
    const reply = (error: string): void => {
      const retryAfterSeconds = retryAfter === undefined ? undefined : Number(retryAfter);
      end({ status, error, headers, body: Buffer.concat(chunks).toString(), retryAfterSeconds, sentMs });
    };
    this.#poolTo(origin).dispatch(ask, {
      onRequestStart() {
        sentMs = performance.now();
      },
      onResponseStart(_controller, statusCode, received) {
        status = statusCode;
        headers = received;
        retryAfter = received['retry-after'] as string | undefined;
      },
      onResponseData(_controller, chunk) {
        if (wantsBody || status !== 200) chunks.push(chunk);
      },
      onResponseEnd() {
        reply(status === 200 ? '' : errorOf(Buffer.concat(chunks).toString()));
      },
      onResponseError(_controller, error) {
        status = 0;
        reply(codeOf(error));
      },
    });
  }

  ask(origin: string, ask: Ask): Promise<Reply> {
    return new Promise((resolve) => {
      this.send(origin, ask, true, resolve);
    });
  }

  /** Opens so many connections to each origin before they are needed, and uses them until this code is fast. */
  async connect(origins: string[], connections: number): Promise<void> {
    const each = (origin: string) =>
      Array.from({ length: connections }, () => new Promise((done) => this.send(origin, probe, false, done)));
    for (let sent = 0; sent < warmUpRequests && connections > 0; sent += connections)
      await Promise.all(origins.flatMap(each));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }

  #poolTo(origin: string): Pool {
    const known = this.#pools.get(origin);
    if (known) return known;
    const timeouts = { headersTimeout: answerMs, bodyTimeout: answerMs, connectTimeout: connectMs };
    const pool = new Pool(origin, { ...timeouts, connections: 2_048, pipelining: 1 });
    this.#pools.set(origin, pool);
    return pool;
  }
}

const probe: Ask = { path: '/.well-known/oauth-authorization-server', method: 'GET', headers: {}, body: null };

function errorOf(body: string): string {
  try {
    const { error } = JSON.parse(body) as { error?: unknown };
    return typeof error === 'string' ? error : '';
  } catch {
    // A page, or nothing.
    return '';
  }
}

function codeOf(error: Error): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : error.name;
}
