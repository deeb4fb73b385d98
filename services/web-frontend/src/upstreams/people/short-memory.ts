type Entry<T> = { owner: string; atMs: number; result: Promise<T> };

/** Results that requests at about the same time share; each is forgotten after `forMs`, the oldest beyond `most` before. */
export class ShortMemory<T> {
  readonly #forMs: number;
  readonly #nowMs: () => number;
  readonly #most: number;
  /** The oldest first. */
  readonly #entries = new Map<string, Entry<T>>();

  constructor(forMs: number, nowMs: () => number, most = Number.POSITIVE_INFINITY) {
    this.#forMs = forMs;
    this.#nowMs = nowMs;
    this.#most = most;
  }

  /** The owner's result under this name; asked for unless it is there. A failure is for those who wait for it only. */
  get(owner: string, name: string, ask: () => Promise<T>): Promise<T> {
    const nowMs = this.#nowMs();
    const key = `${owner} ${name}`;
    const known = this.#entries.get(key);
    // A clock that was put back must not keep it.
    if (known && Math.abs(nowMs - known.atMs) < this.#forMs) return known.result;
    this.#sweep(nowMs);
    const entry = { owner, atMs: nowMs, result: ask() };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.result.catch(() => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    });
    return entry.result;
  }

  /** Nobody after now is given a result of this owner. */
  forget(owner: string): void {
    for (const [key, entry] of this.#entries) if (entry.owner === owner) this.#entries.delete(key);
  }

  get size(): number {
    return this.#entries.size;
  }

  #sweep(nowMs: number): void {
    for (const [key, { atMs }] of this.#entries) {
      if (Math.abs(nowMs - atMs) < this.#forMs && this.#entries.size < this.#most) return;
      this.#entries.delete(key);
    }
  }
}
