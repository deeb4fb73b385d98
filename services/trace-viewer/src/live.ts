import type { ServerResponse } from 'node:http';

const gatherMs = 100;
const keepAliveMs = 15_000;

/** Turns the ids of changed and gone traces into a message. */
type Collect = (changed: Set<string>, gone: Set<string>) => unknown;

/**
 * Server-sent events to every open page. Changes are gathered for a tenth of a second, so that an export of a thousand
 * spans is one message.
 */
export class Live {
  readonly #collect: Collect;
  readonly #streams = new Set<ServerResponse>();
  readonly #keepAlive: NodeJS.Timeout;
  #changed = new Set<string>();
  #gone = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(collect: Collect) {
    this.#collect = collect;
    this.#keepAlive = setInterval(() => this.#write(': still here\n\n'), keepAliveMs).unref();
  }

  /** Keeps a response open as a stream. */
  open(res: ServerResponse): void {
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    res.write('retry: 1000\n\n');
    this.#streams.add(res);
    res.once('close', () => this.#streams.delete(res));
  }

  /** Notes changed and gone traces; the pages get them within `gatherMs`. */
  tell(changedIds: Iterable<string>, goneIds: Iterable<string>): void {
    for (const id of changedIds) {
      this.#changed.add(id);
      this.#gone.delete(id);
    }
    for (const id of goneIds) {
      this.#changed.delete(id);
      this.#gone.add(id);
    }
    if (this.#changed.size + this.#gone.size > 0) this.#timer ??= setTimeout(() => this.#flush(), gatherMs).unref();
  }

  #flush(): void {
    this.#timer = undefined;
    const message = this.#collect(this.#changed, this.#gone);
    this.#changed = new Set();
    this.#gone = new Set();
    this.#write(`data: ${JSON.stringify(message)}\n\n`);
  }

  #write(text: string): void {
    for (const stream of this.#streams) stream.write(text);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#keepAlive);
    clearTimeout(this.#timer);
    for (const stream of this.#streams) stream.end();
  }
}
