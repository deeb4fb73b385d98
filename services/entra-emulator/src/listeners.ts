import type { RequestListener } from 'node:http';
import { type Serving, serve } from '@onbehalf/chassis/http/serve';

type Place = { port: number; host: string; tls?: { key: string; cert: string } | undefined };

const drainMs = 1_000;

/** What listens, to be closed together. An `AsyncDisposableStack` would do the same, but Node 20 has none. */
export class Listeners {
  readonly #serving: Serving[] = [];

  /** Opens one more. Gives its port. @throws Error of the system, such as `EADDRINUSE`. */
  async open(listener: RequestListener, place: Place): Promise<number> {
    const serving = await serve(listener, { ...place, drainMs });
    this.#serving.push(serving);
    return serving.port;
  }

  /** Closes all, the last one first. */
  async close(): Promise<void> {
    for (const serving of this.#serving.splice(0).reverse()) await serving[Symbol.asyncDispose]();
  }
}
