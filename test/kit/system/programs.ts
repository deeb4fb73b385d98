import { join } from 'node:path';
import { answers, type Child, startChild } from '../child.ts';
import type { Environment } from './environments.ts';

/** Tells of one program that came up: how long it took and what is worth knowing of it. */
export type Progress = (program: string, ms: number, detail: string) => void;

export type ProgramOptions = {
  logDir: string;
  /** Where the services' standard output goes instead of their log files, as bash writes it: `>/dev/full`. */
  output?: string | undefined;
  /** Options for Node.js itself by the name of a service, e.g. `--inspect`. */
  nodeOptions?: Record<string, string[]> | undefined;
  progress?: Progress | undefined;
  /** Called when a program ends that should not, with its name. */
  onDeath?: ((sentence: string, name: string) => void) | undefined;
  /** Aborts the start. */
  signal?: AbortSignal | undefined;
};

type Service = {
  /** Its folder under `services`. */
  room: string;
  env: Environment;
  readyUrl: string;
  /** Tells several of one room apart. */
  name?: string;
  /** Worth knowing of it once it is up. */
  detail: string;
};

/** Several programs start at once, beside whatever else a machine does. */
const startWithinMs = 30_000;

/** The services of a system, each a process with a log file of its own. */
export class Programs {
  readonly all: Child[] = [];
  readonly #starts = new Map<string, () => Promise<Child>>();
  readonly #options: ProgramOptions;
  readonly #opened: AsyncDisposableStack;
  readonly #failing = new AbortController();

  /** @param opened ends each program that was started. */
  constructor(options: ProgramOptions, opened: AsyncDisposableStack) {
    this.#options = options;
    this.#opened = opened;
  }

  /** What a process beside the services is started with: it ends the start, and its death is told. */
  get watched(): { signal: AbortSignal; onDeath?: (sentence: string, name: string) => void } {
    const { signal, onDeath } = this.#options;
    const failing = this.#failing.signal;
    return { signal: signal ? AbortSignal.any([signal, failing]) : failing, ...(onDeath && { onDeath }) };
  }

  /** Starts a service and waits until it is ready. @throws Error in one sentence when it does not come up. */
  async start(service: Service): Promise<Child> {
    const { room, name = room, detail } = service;
    const startedAtMs = performance.now();
    const start = () => this.#start({ ...service, name });
    const child = this.#opened.use(await start());
    this.all.push(child);
    this.#starts.set(name, start);
    this.#options.progress?.(name, performance.now() - startedAtMs, detail);
    return child;
  }

  #start({ room, name, env, readyUrl }: Service & { name: string }): Promise<Child> {
    const { output, nodeOptions, logDir } = this.#options;
    const program = [process.execPath, ...(nodeOptions?.[room] ?? []), `services/${room}/src/main.ts`];
    const [command = '', ...args] =
      output && room !== 'entra-emulator' ? ['bash', '-c', `exec "$0" "$@" ${output}`, ...program] : program;
    return startChild({
      ...{ name, command, args, env, logFile: join(logDir, `${name}.log`), withinMs: startWithinMs },
      ready: () => answers(readyUrl),
      ...this.watched,
    });
  }

  /** The running program of this name. @throws Error if there is none. */
  find(name: string): Child {
    const found = this.all.find((program) => program.name === name);
    if (!found) throw new Error(`This system has no program ${name}.`);
    return found;
  }

  /** Starts a program of this name that has ended once more, as it was. Gives the new process. */
  async restart(name: string): Promise<Child> {
    const place = this.all.indexOf(this.find(name));
    const child = this.#opened.use(await (this.#starts.get(name)?.() ?? Promise.reject(new Error('never started'))));
    this.all[place] = child;
    return child;
  }

  /** Waits for all; the first that fails ends the others' starts, so that none comes up after we have given up. */
  async together(starts: Promise<unknown>[]): Promise<void> {
    let first: unknown;
    const settled = starts.map((start) =>
      start.catch((error: unknown) => {
        first ??= error;
        this.#failing.abort();
      }),
    );
    await Promise.all(settled);
    if (first) throw first;
  }
}
