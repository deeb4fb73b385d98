import type { ServerResponse } from 'node:http';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { Consents } from './directory/consent.ts';
import { Directory } from './directory/directory.ts';
import type { Seed } from './directory/seed.ts';
import { Dispatch } from './endpoints/dispatch.ts';
import { lifetimesSchema } from './lifetimes.ts';
import type { Call, HttpResponse } from './requests/call.ts';
import { ClientAuthenticator } from './tokens/client-auth.ts';
import type { Federation } from './tokens/federation.ts';
import type { Keys } from './tokens/keys.ts';
import { signEach, signOnce } from './tokens/sign.ts';
import { State } from './tokens/state.ts';
import { Tokens } from './tokens/tokens.ts';
import type { World } from './world.ts';

export type EngineOptions = {
  origin: string;
  browserOrigin: string;
  issuerFor: (tid: string) => string;
  seed: Seed;
  keys: Keys;
  federation: Federation;
  interaction: 'page' | 'auto';
  signing: 'each' | 'load';
  logger: Logger;
};

/** The emulator without its sockets: its clock, and a world that a reset replaces. The keys stay. */
export class Engine {
  readonly #options: EngineOptions;
  readonly #stop = new AbortController();
  readonly #clock = { offsetSeconds: 0 };
  #current: Dispatch;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#current = this.#begin();
  }

  get current(): Dispatch {
    return this.#current;
  }

  /** Epoch seconds, by the movable clock. */
  now(): number {
    return Date.now() / 1000 + this.#clock.offsetSeconds;
  }

  handle(call: Call, res: ServerResponse): Promise<HttpResponse | undefined> {
    return this.#current.handle(call, res);
  }

  /** Goes back to the seed. */
  reset(): void {
    this.#current = this.#begin();
  }

  /** Ends the delays of injected faults. */
  stop(): void {
    this.#stop.abort();
  }

  #begin(): Dispatch {
    this.#clock.offsetSeconds = 0;
    return new Dispatch({ world: this.#createWorld(), logger: this.#options.logger, signal: this.#stop.signal });
  }

  #createWorld(): World {
    const { origin, browserOrigin, issuerFor, seed, keys, federation, interaction, signing, logger } = this.#options;
    const now = () => this.now();
    const directory = new Directory(seed);
    const lifetimes = lifetimesSchema.parse({});
    const sign = signing === 'load' ? signOnce(keys, now, lifetimes) : signEach(keys, now, lifetimes);
    return {
      ...{ origin, browserOrigin, issuerFor, now, clock: this.#clock, lifetimes, interaction: { mode: interaction } },
      ...{ keys, directory, state: new State(now), consents: new Consents(directory, seed.consents) },
      tokens: new Tokens({ sign, lifetimes, issuerFor }),
      authenticator: new ClientAuthenticator({ origin, now, issuerFor, keys, directory, federation, logger }),
    };
  }
}
