import { ConfigError } from '../core/config-error.ts';
import { Fault } from '../core/fault.ts';
import type { Log } from '../core/log.ts';
import { Outages } from '../core/outages.ts';
import { isSafe } from './api/api-wire.ts';
import { callApi, toStepUp } from './api/call-api.ts';
import { addressBelow, fetchApi } from './api/fetch-api.ts';
import { type Apis, scopesFor } from './apis/apis.ts';
import type { Broker, StepUp } from './broker/broker.ts';
import type { Found } from './session/current-session.ts';
import { claimsFor, type Session, short } from './session/session.ts';

/** What a person has to do before a call can go on, and for which call. */
export type Needed = { session: Session; target: string; stepUp: StepUp; scopes: string[] };

type Asking = { found: Found; traceId: string };

/** The Faults of a person who has to do something first, with what they are for; absent where nobody is signed in. */
const needs = new WeakMap<Fault, Needed>();

export const neededFor = (fault: Fault): Needed | undefined => needs.get(fault);

type TokensDeps = { apis: Apis; broker: Broker; entra: { graph: string }; logger: Log };

/** Tokens and API calls for the person of a request, by the app's own code. */
export class SignedInCalls {
  readonly #deps: TokensDeps;
  readonly #outages: Outages;

  constructor(deps: TokensDeps) {
    this.#deps = deps;
    this.#outages = new Outages(deps.logger);
  }

  /**
   * An access token for the person, by an API's name or by scopes.
   * @throws Fault `login_required`, `consent_required` or `interaction_required`, which `handleFaults` resumes.
   */
  async token(asked: string | readonly string[], { found, traceId }: Asking): Promise<string> {
    const scopes = this.#scopesOf(asked);
    const session = livingSession(found);
    const target = short(`token ${scopes.join(' ')}`);
    const claims = claimsFor(session, target);
    const acquired = await this.#deps.broker.exchange({ token: session.token, scopes, claims }, traceId);
    if (acquired.kind === 'token') return acquired.accessToken;
    throw needing({ session, target, scopes, stepUp: toStepUp(acquired) });
  }

  /**
   * A process token for a job of the person, by an API's name or by scopes, to which the person has consented by then.
   * `client`: who is to use it, by its name at the broker; this app unless said.
   * @throws Fault as `token`; `server_error` where the broker is not configured for it.
   */
  async startProcess(
    asked: string | readonly string[],
    { client }: { client?: string | undefined },
    { found, traceId }: Asking,
  ): Promise<string> {
    const scopes = this.#scopesOf(asked);
    const session = livingSession(found);
    // Nobody is there to consent when the job asks.
    await this.token(scopes, { found, traceId });
    const token = await this.#deps.broker.startProcess({ token: session.token, scopes, client }, traceId);
    if (token === undefined) throw signInNeeded(session);
    return token;
  }

  /** Calls an API for the person. A claims challenge of the API is answered by a better token once. @throws as `token`. */
  async fetch(name: string, path: string, init: RequestInit, { found, traceId }: Asking): Promise<Response> {
    const api = this.#apiOf(name);
    const url = addressBelow(api, path);
    const session = livingSession(found);
    const method = init.method?.toUpperCase() ?? 'GET';
    const scopes =
      scopesFor(api, method, url.pathname.slice(new URL(api.url).pathname.replace(/\/$/, '').length)) ?? api.scopes;
    const target = short(`${name}${url.pathname}`);
    const outage = this.#outages.of(name);
    const { broker, apis, entra } = this.#deps;
    const called = await callApi<Response>(
      { broker, apis, graph: entra.graph },
      {
        ...{ session, target, scopes, traceId, repeatable: isSafe(method) },
        send: (accessToken) => fetchApi({ api, url, init, traceId, outage }, accessToken),
        headOf: ({ status, headers }) => ({ status, challenge: headers.get('www-authenticate') ?? undefined }),
        drop: ({ body }) => void body?.cancel(),
      },
    );
    if (called.kind === 'response') return called.response;
    throw needing({ session, target, scopes, stepUp: toStepUp(called) });
  }

  #apiOf(name: string) {
    const { apis } = this.#deps;
    const api = Object.hasOwn(apis, name) ? apis[name] : undefined;
    if (!api)
      throw new ConfigError(
        `There is no API "${name}": the option apis has ${Object.keys(apis).join(', ') || 'none'}.`,
      );
    return api;
  }

  /** A lower-case word is an API's name: no scope of Entra's is written like one. */
  #scopesOf(asked: string | readonly string[]): string[] {
    if (typeof asked !== 'string') return [...asked];
    return /^[a-z][a-z0-9-]*$/.test(asked) ? this.#apiOf(asked).scopes : asked.split(' ').filter(Boolean);
  }
}

function livingSession({ session, lifetime }: Found): Session {
  if (session && lifetime) return session;
  throw signInNeeded(session);
}

/** The Fault of a request that needs a person; of one whose session has ended, it knows which. */
export function signInNeeded(ended?: Session): Fault {
  if (ended) return needing({ session: ended, target: 'sign-in', scopes: [], stepUp: { kind: 'sign_in' } });
  return new Fault('login_required', 'You have to sign in for this.');
}

const descriptions = {
  sign_in: ['login_required', 'You have to sign in for this.'],
  consent: ['consent_required', 'This needs a permission that was not given yet.'],
  claims: ['interaction_required', 'This needs an extra check of who you are.'],
} as const;

function needing(needed: Needed): Fault {
  const [code, description] = descriptions[needed.stepUp.kind];
  const fault = new Fault(code, description);
  needs.set(fault, needed);
  return fault;
}
