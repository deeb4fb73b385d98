import type { z } from 'zod';
import type { InjectedFaults, injectedFaultSchema } from './endpoints/injected-faults.ts';

type Input = z.input<typeof injectedFaultSchema>;

/** Which requests fail: those that match all that is given, of these the ones that `skip`, `count` and `rate` leave. */
export type FaultMatch = {
  /** Part of the path, e.g. `/token`, `/keys`, `/v1.0/me`. */
  path?: string;
  grant?: 'authorization_code' | 'refresh_token' | 'client_credentials' | 'on_behalf_of' | 'device_code';
  /** An app by its name or client id. */
  client?: string;
  /** A person by UPN or object id. */
  user?: string;
  /** One of the requested scopes. */
  scope?: string;
  /** How many matching requests pass first. */
  skip?: number;
  /** How many fail before the fault is used up; all unless said. */
  count?: number;
  /** The share that fails, 0 to 1; the same requests in every run. */
  rate?: number;
};

/** What an AADSTS code's own row says, if it is to be something else. */
export type RefusalOptions = {
  error?: string;
  /** null leaves it out. */
  suberror?: string | null;
  /** What the person must satisfy, as JSON. */
  claims?: string;
  retryAfter?: number;
};

/** A fault that was scripted; disposing it takes it away. */
export type ScriptedFault = Disposable & {
  /** How many requests it has taken. */
  readonly hits: number;
};

/** Failures of Entra on command. The fault that was scripted last wins. */
export class ScriptedFaults {
  readonly #injected: () => InjectedFaults;

  /** @param injected those of the present state, which a reset replaces. */
  constructor(injected: () => InjectedFaults) {
    this.#injected = injected;
  }

  /** 429 with `Retry-After` in seconds, as Entra throttles: plain text. */
  throttle({ retryAfter = 60, ...match }: FaultMatch & { retryAfter?: number } = {}): ScriptedFault {
    return this.#add(match, { then: { status: 429, retryAfter } });
  }

  /** Any AADSTS code, e.g. 50076, with its `error`, status and suberror; at the token endpoint. */
  refuse(aadsts: number, { error, suberror, claims, retryAfter, ...match }: FaultMatch & RefusalOptions = {}) {
    return this.#add(match, { then: { aadsts, error, suberror, claims, retryAfter } });
  }

  /** Responses that come so many milliseconds late, and up to `jitterMs` more. */
  slow(delayMs: number, { jitterMs = 0, ...match }: FaultMatch & { jitterMs?: number } = {}): ScriptedFault {
    return this.#add(match, { delayMs, jitterMs });
  }

  /** Cuts the connection. `after`: once the work is done, so that only the response is lost; `mid-body`: halfway. */
  down({ when = 'before', ...match }: FaultMatch & { when?: 'before' | 'after' | 'mid-body' } = {}): ScriptedFault {
    return this.#add(match, { then: { abort: when } });
  }

  /** Any status, and a body: text, or what becomes JSON. */
  respond(status: number, { body, ...match }: FaultMatch & { body?: unknown } = {}): ScriptedFault {
    return this.#add(match, { then: { status, body } });
  }

  /** Takes every fault away. */
  clear(): void {
    this.#injected().set([]);
  }

  #add({ skip, count, rate, ...match }: FaultMatch, effect: Pick<Input, 'then' | 'delayMs' | 'jitterMs'>) {
    return this.#injected().add({ match, skip, count, rate, ...effect });
  }
}
