import type { Channel, ReleaseListener } from './store.ts';

/** The number of epochs whose end is remembered. L1 entries of older epochs have expired. */
const epochsRemembered = 1_000;

/** The receiving end of the channel, whatever carries it. */
export class LocalChannel implements Channel {
  readonly #nowMs: () => number;
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #listeners: ((key: string) => void)[] = [];
  readonly #endsMs = new Map<number, number>();
  #epoch = 0;
  #downSinceMs: number | undefined;

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
    this.#downSinceMs = nowMs();
  }

  get epoch(): number {
    return this.#epoch;
  }

  get downSinceMs(): number | undefined {
    return this.#downSinceMs;
  }

  heardUntilMs(epoch: number): number {
    return epoch === this.#epoch ? (this.#downSinceMs ?? this.#nowMs()) : (this.#endsMs.get(epoch) ?? 0);
  }

  onInvalidate(listener: (key: string) => void): void {
    this.#listeners.push(listener);
  }

  listenForRelease(leaseKey: string): ReleaseListener {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(leaseKey, (this.#waiting.get(leaseKey) ?? new Set()).add(resolve));
    return {
      async heard(timeoutMs: number): Promise<void> {
        const timer = setTimeout(resolve, timeoutMs);
        await promise;
        clearTimeout(timer);
      },
      [Symbol.dispose]: () => {
        const others = this.#waiting.get(leaseKey);
        others?.delete(resolve);
        if (others?.size === 0) this.#waiting.delete(leaseKey);
      },
    };
  }

  up(): void {
    if (this.#downSinceMs === undefined) return;
    this.#endsMs.set(this.#epoch, this.#downSinceMs);
    this.#endsMs.delete(this.#epoch - epochsRemembered);
    this.#downSinceMs = undefined;
    this.#epoch += 1;
  }

  /** `sinceMs`: the time of the last message. */
  down(sinceMs = this.#nowMs()): void {
    this.#downSinceMs ??= sinceMs;
  }

  /** A lease was released: wakes all that wait for it. */
  release(leaseKey: string): void {
    for (const wake of this.#waiting.get(leaseKey) ?? []) wake();
  }

  invalidate(key: string): void {
    for (const listener of this.#listeners) listener(key);
  }
}
