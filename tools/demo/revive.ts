type Revivable = {
  /** Starts the part of this name once more, as it was, and waits until it is ready. */
  restart(name: string): Promise<void>;
};

/** A part that dies this often within the time does not start here: the demo ends with its last words. */
const most = { deaths: 5, withinMs: 60_000 };

/**
 * Starts a part of the demo that died once more, and says so. Gives false for one that keeps dying.
 */
export class Reviver {
  readonly #system: Revivable;
  readonly #print: (line: string) => void;
  readonly #nowMs: () => number;
  #deathsAtMs = new Map<string, number[]>();

  constructor(system: Revivable, print: (line: string) => void, nowMs: () => number = () => performance.now()) {
    this.#system = system;
    this.#print = print;
    this.#nowMs = nowMs;
  }

  async revive(name: string, sentence: string): Promise<boolean> {
    this.#print(`✖ ${sentence}`);
    const startedAtMs = this.#nowMs();
    const recent = (this.#deathsAtMs.get(name) ?? []).filter((atMs) => startedAtMs - atMs < most.withinMs);
    this.#deathsAtMs.set(name, [...recent, startedAtMs]);
    if (recent.length + 1 >= most.deaths) return false;
    try {
      await this.#system.restart(name);
      this.#print(`✔ ${name} was started again, in ${((this.#nowMs() - startedAtMs) / 1_000).toFixed(1)} s`);
      return true;
    } catch (error) {
      return await this.revive(name, error instanceof Error ? error.message : String(error));
    }
  }
}
