import { BrokerClient } from '../../broker/client.ts';
import { type TokenResult, type Trouble, troubleFault } from '../../broker/results.ts';
import type { HttpClient } from '../../core/http-client.ts';
import { maxClaimsLength } from './challenge.ts';
import { createFlights } from './flights.ts';

/** What a person must do at Entra before a token can be acquired. */
export type StepUp = {
  kind: 'claims' | 'consent' | 'sign_in';
  claims?: string | undefined;
  scopes?: string[] | undefined;
  /** Only an administrator can consent. */
  adminOnly?: boolean;
};

/** The result of an exchange: a token, a step-up that the person must do first, or an ended session. */
export type Acquired = { kind: 'token'; accessToken: string } | { kind: 'step_up'; stepUp: StepUp } | { kind: 'ended' };

type Exchange = { token: string; scopes: string[]; claims?: string | undefined };

type BrokerOptions = {
  url: string;
  http: HttpClient;
  /** Our ServiceAccount token, freshly read. */
  assertion: () => Promise<string>;
};

/**
 * The broker as the frontend needs it. Every method throws Fault `unavailable` or `throttled` while it cannot respond,
 * `server_error` if it does not know us.
 */
export class Broker {
  readonly #client: BrokerClient;
  /** A page may call an API hundreds of times at once, each with the same token; the broker limits its calls. */
  readonly #exchanges = createFlights<Acquired>();
  readonly #onEnd: ((token: string) => void)[] = [];

  constructor(options: BrokerOptions) {
    this.#client = new BrokerClient(options);
  }

  /** Tells of each session that is ended here, by its token, whether or not the broker has confirmed it. */
  onEnd(tell: (token: string) => void): void {
    this.#onEnd.push(tell);
  }

  /** Whether a session lives, since and until when (epoch seconds); undefined once it has ended. */
  async introspect(token: string, traceId: string) {
    const { kind, ...lifetime } = orThrow(await this.#client.introspect(token, traceId));
    return 'endsAt' in lifetime ? lifetime : undefined;
  }

  /** Ends a session; an unknown one counts as ended. */
  async revoke(token: string, traceId: string, reason: 'sign_out' | 'replaced' = 'sign_out'): Promise<void> {
    orThrow(await this.#client.revoke(token, traceId, reason).finally(() => this.#leave(token)));
  }

  /** Ends every session of this session's person. Returns their number: 0 if this one has ended before. */
  async revokeEverywhere(token: string, traceId: string): Promise<number> {
    const ended = await this.#client.revokeEverywhere(token, traceId).finally(() => this.#leave(token));
    return orThrow(ended).sessions;
  }

  #leave(token: string): void {
    this.#exchanges.leave(token);
    for (const tell of this.#onEnd) tell(token);
  }

  /** Ends the sessions that came from this session at Entra. Returns their number. */
  async endBySid(sid: string, iss: string | undefined, traceId: string): Promise<number> {
    return orThrow(await this.#client.endBySid({ sid, iss }, traceId)).sessions;
  }

  /** Begins a process of the session's person; undefined if the session has ended. */
  async startProcess(asked: { token: string; scopes: string[]; client?: string | undefined }, traceId: string) {
    const { token: sessionToken, scopes, client } = asked;
    const begun = await this.#client.startProcess({ sessionToken, scopes, client, traceId });
    return begun.kind === 'ended' ? undefined : orThrow(begun).processToken;
  }

  /**
   * An access token for an API on behalf of the session's person; equal requests of a session at the same time share one
   * exchange. RFC 8693.
   */
  exchange({ token, scopes, claims }: Exchange, traceId: string): Promise<Acquired> {
    const names = [scopes.join(' '), ...(claims === undefined ? [] : [claims])];
    return this.#exchanges.join(token, names, async () =>
      toAcquired(await this.#client.exchange({ sessionToken: token, scopes, claims, traceId }), claims),
    );
  }
}

function toAcquired(result: TokenResult, claims: string | undefined): Acquired {
  const all = orThrow(result);
  switch (all.kind) {
    case 'token':
      return { kind: 'token', accessToken: all.accessToken };
    case 'interaction_required': {
      // Longer ones do not fit the cookie that carries them.
      const asked = (all.claims?.length ?? 0) <= maxClaimsLength ? all.claims : undefined;
      return { kind: 'step_up', stepUp: { kind: 'claims', claims: asked ?? claims } };
    }
    case 'consent_required':
      return { kind: 'step_up', stepUp: { kind: 'consent', scopes: all.scopes, adminOnly: all.adminOnly } };
    case 'login_required':
      return { kind: 'step_up', stepUp: { kind: 'sign_in' } };
    case 'ended':
      return { kind: 'ended' };
  }
}

/** What the broker responded with. @throws Fault of trouble. */
function orThrow<T extends { kind: string }>(result: T): Exclude<T, Trouble> {
  const { kind } = result;
  if (kind === 'unavailable' || kind === 'throttled' || kind === 'refused') {
    throw troubleFault(result as unknown as Trouble);
  }
  return result as Exclude<T, Trouble>;
}
