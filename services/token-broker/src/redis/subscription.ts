import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { channelReopenMs, heartbeatMs } from '../lifetimes.ts';
import { LocalChannel } from '../store/channel.ts';
import type { Hooks, RedisClient } from './clients.ts';
import { isRefusal } from './redis-errors.ts';

type Options = {
  /** The channel's name in Redis. */
  name: string;
  open: (hooks: Hooks) => RedisClient;
  publish: (message: string) => Promise<unknown>;
  /** Redis does not permit the subscription. */
  onRefused: () => void;
  onTrouble: (error?: unknown) => void;
  /** Runs with each heartbeat. */
  onBeat: () => void;
};

/**
 * Keeps this pod subscribed to the channel. The channel counts as up only while the pod's own heartbeat comes back
 * through it, whatever broke it; a channel that stays silent is subscribed to anew.
 */
export class Subscription implements AsyncDisposable {
  readonly channel = new LocalChannel();
  readonly #options: Options;
  readonly #podId = randomUUID();
  readonly #closing = new AbortController();
  #heardMs = performance.now();
  #client: RedisClient;
  #subscribed: Promise<unknown>;
  readonly #beating: Promise<void>;

  constructor(options: Options) {
    this.#options = options;
    [this.#client, this.#subscribed] = this.#open();
    this.#beating = this.#beat();
  }

  /** Settles when the channel is subscribed to, or Redis has refused that. */
  get subscribed(): Promise<unknown> {
    return this.#subscribed;
  }

  #open(): [RedisClient, Promise<unknown>] {
    const { name, open, onRefused, onTrouble } = this.#options;
    const onDown = (error?: unknown) => {
      onTrouble(error);
      this.#notHeard();
    };
    const client = open({ onDown, onReady: () => {} });
    const subscribed = client.subscribe(name, (message) => this.#receive(message));
    subscribed.catch((error) => {
      if (isRefusal(error)) onRefused();
      this.#notHeard();
    });
    return [client, subscribed];
  }

  #receive(message: string): void {
    const kind = message.slice(0, 2);
    const rest = message.slice(2);
    if (kind === 'i:') this.channel.invalidate(rest);
    else if (kind === 'w:') this.channel.release(rest);
    else if (kind === 'h:' && rest === this.#podId) {
      this.#heardMs = performance.now();
      this.channel.up();
    }
  }

  /** A message may have been lost ever since the last one that came. */
  #notHeard(): void {
    this.channel.down(Date.now() - (performance.now() - this.#heardMs));
  }

  async #beat(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const silentMs = performance.now() - this.#heardMs;
      if (silentMs > 2 * heartbeatMs) this.#notHeard();
      if (silentMs > channelReopenMs) {
        this.#heardMs = performance.now();
        this.#client.destroy();
        [this.#client, this.#subscribed] = this.#open();
      }
      await this.#options.publish(`h:${this.#podId}`).catch(() => {});
      this.#options.onBeat();
      const pauseMs = this.channel.downSinceMs === undefined ? heartbeatMs : heartbeatMs / 5;
      await delay(pauseMs, undefined, { signal }).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#beating;
    this.#client.destroy();
  }
}
