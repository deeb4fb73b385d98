import { Fault } from '@onbehalf/node/core/fault';
import type { Client } from '../clients/clients.ts';
import type { AgentUser } from '../entra/entra.ts';
import { createAssertionIndex } from '../sessions/assertion-index.ts';
import { isAccount } from '../sessions/complete-revocation.ts';
import type { Session } from '../sessions/record.ts';
import { hashSessionToken } from '../sessions/session-token.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { accountName } from '../store/redis-keys.ts';
import type { Token } from '../tokens/token.ts';
import type { Tokens } from '../tokens/tokens.ts';
import { agentUserRequest } from './agent.ts';
import { appTokenRequest } from './app-token.ts';
import { Assertions } from './assertions.ts';
import { type AskedToken, type ExchangeDeps, ExchangeRequest, requireSession } from './exchange.ts';
import { type OnBehalfOfDeps, onBehalfOfRequest } from './on-behalf-of.ts';
import { type AskedProcess, type ListedProcess, type ProcessDeps, ProcessGrants } from './processes.ts';
import { type AskedSignIn, CodeRedemption, type RedeemDeps } from './redeem-code.ts';

type Deps = RedeemDeps &
  Omit<ExchangeDeps, 'revocation'> &
  Omit<OnBehalfOfDeps, 'assertionIndex' | 'assertions'> &
  Pick<ProcessDeps, 'findClient' | 'tokens'> & { nowMs: () => number };

/** What the broker does, one method for each grant and request; endpoints.ts maps the wire to it. */
export class Broker {
  readonly #deps: Deps & ExchangeDeps & OnBehalfOfDeps;
  readonly #sessions: Sessions;
  readonly #tokens: Tokens;
  readonly #redemption: CodeRedemption;
  readonly #processes: ProcessGrants;

  constructor(deps: Deps) {
    const { sessions, tokens } = deps;
    const ours = { revocation: sessions.revocation, assertionIndex: createAssertionIndex(deps) };
    this.#deps = { ...deps, ...ours, assertions: new Assertions(deps) };
    this.#sessions = sessions;
    this.#tokens = tokens;
    this.#redemption = new CodeRedemption(deps);
    this.#processes = new ProcessGrants(this.#deps);
  }

  /** Redeems a sign-in once. @throws Fault `invalid_grant`, `unavailable` (then the code may be sent again) or Entra's class. */
  async redeem(client: Client, asked: AskedSignIn) {
    return await this.#redemption.redeem(client, asked);
  }

  /** An access token for a session's user. @throws Fault `invalid_grant`, `invalid_scope` or Entra's class. */
  async exchange(client: Client, sessionToken: string, asked: AskedToken): Promise<Token> {
    const session = await requireSession(this.#sessions, client, sessionToken);
    return await this.#tokens.get(new ExchangeRequest(this.#deps, client, session, asked));
  }

  /** Begins a process of a session's person. @throws Fault as `ProcessGrants.start`. */
  async startProcess(client: Client, sessionToken: string, asked: AskedProcess) {
    return await this.#processes.start(client, sessionToken, asked);
  }

  /** An access token for a process' person. @throws Fault as `ProcessGrants.token`. */
  async processToken(client: Client, processToken: string, asked: AskedToken): Promise<Token> {
    return await this.#processes.token(client, processToken, asked);
  }

  /** The processes of a session's account at this client. @throws Fault `invalid_grant`, `unavailable`. */
  async listProcesses(client: Client, sessionToken: string): Promise<ListedProcess[]> {
    const session = await requireSession(this.#sessions, client, sessionToken);
    return await this.#processes.list([session.accountKey]);
  }

  /** The processes of a person over all clients. @throws Fault `unauthorized_client` without the permission. */
  async listPersonsProcesses(client: Client, tenantId: string, objectId: string): Promise<ListedProcess[]> {
    requireOperator(client);
    const { store, redisKeys } = this.#deps;
    const members = await store.members(redisKeys.user(toHomeAccountId(tenantId, objectId)));
    return await this.#processes.list(members.filter(isAccount));
  }

  /** An access token for the next API, on behalf of the assertion's user. @throws Fault as `exchange`. */
  async onBehalfOf(client: Client, assertion: string, asked: AskedToken): Promise<Token> {
    return await this.#tokens.get(onBehalfOfRequest(this.#deps, client, assertion, asked));
  }

  /** A token for the app itself, or for an agent itself. @throws Fault as `exchange`, `unauthorized_client`. */
  async appToken(client: Client, asked: AskedToken): Promise<Token> {
    return await this.#tokens.get(appTokenRequest(this.#deps, client, asked));
  }

  /** A token for the user that belongs to an agent. @throws Fault as `appToken`. */
  async agentUser(client: Client, asked: AskedToken & { agent: string; user: AgentUser }): Promise<Token> {
    return await this.#tokens.get(agentUserRequest(this.#deps, client, asked));
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
