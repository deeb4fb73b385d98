/** What brokers counted: operations at Entra ID, tokens by where they came from, sessions that ended. */
export type Figures = { entra: number; tokens: { memory: number; redis: number; entra: number }; ended: number };

/** A broker that is frozen keeps nobody waiting for longer who looks at the figures. */
const usualDeadlineMs = 500;

/** What one broker has counted since it began, by its Prometheus page; undefined while it does not respond. */
async function readBroker(admin: string, deadlineMs: number): Promise<Figures | undefined> {
  try {
    const response = await fetch(`${admin}/metrics`, { signal: AbortSignal.timeout(deadlineMs) });
    return parseFigures(await response.text());
  } catch {
    return undefined;
  }
}

/** The figures of a page in Prometheus' text format. */
export function parseFigures(page: string): Figures {
  const sum = (name: string, label = '') =>
    page
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) && line.includes(label))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  const tokens = (source: string) =>
    sum('onbehalf_token_acquire_duration_seconds_count', `onbehalf_token_source="${source}"`);
  return {
    entra: sum('onbehalf_entra_request_duration_seconds_count'),
    tokens: { memory: tokens('memory'), redis: tokens('redis'), entra: tokens('entra') },
    ended: sum('onbehalf_session_ended_total'),
  };
}

/** What a system's brokers counted since this began; a broker that is killed begins at 0, and what it had is kept. */
export class Watch {
  readonly #brokers: { admin: string }[];
  readonly #deadlineMs: number;
  readonly #first = new Map<string, Figures>();
  readonly #last = new Map<string, Figures>();
  #kept = none;

  constructor(system: { brokers: { admin: string }[] }, deadlineMs = usualDeadlineMs) {
    this.#brokers = system.brokers;
    this.#deadlineMs = deadlineMs;
  }

  /** The figures until now. The first call begins. */
  async read(): Promise<Figures> {
    const begins = this.#first.size === 0;
    await Promise.all(
      this.#brokers.map(async ({ admin }) => {
        const now = await readBroker(admin, this.#deadlineMs);
        if (now) this.#note(admin, now, begins);
      }),
    );
    return [...this.#last].reduce((sum, [admin, now]) => add(sum, now, this.#first.get(admin)), this.#kept);
  }

  #note(admin: string, now: Figures, begins: boolean): void {
    const before = this.#last.get(admin);
    if (before && total(now) < total(before)) {
      this.#kept = add(this.#kept, before, this.#first.get(admin));
      this.#first.set(admin, none);
    } else if (!this.#first.has(admin)) this.#first.set(admin, begins ? now : none);
    this.#last.set(admin, now);
  }
}

const none: Figures = { entra: 0, tokens: { memory: 0, redis: 0, entra: 0 }, ended: 0 };
const total = ({ entra, tokens, ended }: Figures) => entra + tokens.memory + tokens.redis + tokens.entra + ended;

function add(sum: Figures, now: Figures, before = none): Figures {
  const { memory, redis, entra } = sum.tokens;
  return {
    entra: sum.entra + now.entra - before.entra,
    tokens: {
      memory: memory + now.tokens.memory - before.tokens.memory,
      redis: redis + now.tokens.redis - before.tokens.redis,
      entra: entra + now.tokens.entra - before.tokens.entra,
    },
    ended: sum.ended + now.ended - before.ended,
  };
}

/** The figures in a line. */
export function tellFigures({ entra, tokens, ended }: Figures): string {
  const from = `${tokens.memory} from memory, ${tokens.redis} from Redis, ${tokens.entra} from Entra ID by ${entra} ${entra === 1 ? 'call' : 'calls'}`;
  return `Tokens: ${from} · sessions ended: ${ended}`;
}
