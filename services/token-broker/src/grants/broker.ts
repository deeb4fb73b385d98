import { Fault } from '@onbehalf/node/core/fault';
import type { Client } from '../clients/clients.ts';
import { createAssertionIndex } from '../sessions/assertion-index.ts';
import type { Session } from '../sessions/record.ts';
import { hashSessionToken } from '../sessions/session-token.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { accountName } from '../store/redis-keys.ts';
import type { Token } from '../tokens/token.ts';
import type { Tokens } from '../tokens/tokens.ts';
import { appTokenRequest } from './app-token.ts';
import { Assertions } from './assertions.ts';
import { type AskedToken, type ExchangeDeps, ExchangeRequest } from './exchange.ts';
import { type OnBehalfOfDeps, OnBehalfOfRequest } from './on-behalf-of.ts';
import { type AskedSignIn, CodeRedemption, type RedeemDeps } from './redeem-code.ts';

type Deps = RedeemDeps &
  Omit<ExchangeDeps, 'revocation'> &
  Omit<OnBehalfOfDeps, 'assertionIndex' | 'assertions'> & { tokens: Tokens; nowMs: () => number };

/** What the broker does, one method for each grant and request; endpoints.ts maps the wire to it. */
export class Broker {
  readonly #deps: Deps & ExchangeDeps & OnBehalfOfDeps;
  readonly #sessions: Sessions;
  readonly #tokens: Tokens;
  readonly #redemption: CodeRedemption;

  constructor(deps: Deps) {
    const { sessions, tokens } = deps;
    const ours = { revocation: sessions.revocation, assertionIndex: createAssertionIndex(deps) };
    this.#deps = { ...deps, ...ours, assertions: new Assertions(deps) };
    this.#sessions = sessions;
    this.#tokens = tokens;
    this.#redemption = new CodeRedemption(deps);
  }

  /** Redeems a sign-in once. @throws Fault `invalid_grant`, `unavailable` (then the code may be sent again) or Entra's class. */
  async redeem(client: Client, asked: AskedSignIn) {
    return await this.#redemption.redeem(client, asked);
  }

  /** An access token for a session's user. @throws Fault `invalid_grant`, `invalid_scope` or Entra's class. */
  async exchange(client: Client, sessionToken: string, asked: AskedToken): Promise<Token> {
    const session = await this.#sessions.find(sessionToken, client.name);
    if (!session) throw new Fault('invalid_grant', 'The session has ended.');
    return await this.#tokens.get(new ExchangeRequest(this.#deps, client, session, asked));
  }

  /** An access token for the next API, on behalf of the assertion's user. @throws Fault as `exchange`. */
  async onBehalfOf(client: Client, assertion: string, asked: AskedToken): Promise<Token> {
    return await this.#tokens.get(new OnBehalfOfRequest(this.#deps, client, assertion, asked));
  }

  /** A token for the app itself. @throws Fault as `exchange`. */
  async appToken(client: Client, asked: AskedToken): Promise<Token> {
    return await this.#tokens.get(appTokenRequest(this.#deps, client, asked));
  }

  /** The live session of a token at its own client, else undefined. RFC 7662 section 2.2. @throws Fault `unavailable`. */
  async introspect(client: Client, token: string): Promise<Session | undefined> {
    return await this.#sessions.find(token, client.name);
  }

  /** Ends the session of a token; an unknown token is fine. RFC 7009 section 2.2. @throws Fault `unavailable`: not yet. */
  async revoke(client: Client, token: string, reason: 'sign_out' | 'replaced' = 'sign_out'): Promise<void> {
    await this.#sessions.revocation.end(hashSessionToken(token), { client: client.name, reason });
  }

  /** Ends every session of the session's account at this client. Gives their number. @throws Fault `unavailable`. */
  async endAccount(client: Client, token: string): Promise<number> {
    const hash = hashSessionToken(token);
    return await this.#sessions.revocation.endAccount(hash, { client: client.name, reason: 'sign_out' });
  }

  /** Ends the sessions of one Entra session at this client: OIDC Front-Channel Logout. @throws Fault `unavailable`. */
  async endBySid(client: Client, sid: string): Promise<number> {
    return await this.#sessions.revocation.endBySid(sid, { client: client.name, reason: 'front_channel' });
  }

  /** Ends every session of a person over all clients. @throws Fault `unauthorized_client` without the permission. */
  async endPerson(client: Client, tenantId: string, objectId: string): Promise<number> {
    requireOperator(client);
    const homeAccountId = toHomeAccountId(tenantId, objectId);
    return await this.#sessions.revocation.endPerson(homeAccountId, { client: client.name, reason: 'operator' });
  }

  /** What a person is called in the log's `account`. @throws Fault `unauthorized_client` without the permission. */
  lookUpAccount(client: Client, tenantId: string, objectId: string): string {
    requireOperator(client);
    return accountName(this.#deps.redisKeys, toHomeAccountId(tenantId, objectId));
  }
}

function requireOperator({ permissions }: Client): void {
  if (!permissions.includes('operator')) {
    throw new Fault('unauthorized_client', 'The client lacks the permission operator.');
  }
}

/** Entra writes both in lower case. */
function toHomeAccountId(tenantId: string, objectId: string): string {
  return `${objectId}.${tenantId}`.toLowerCase();
}
