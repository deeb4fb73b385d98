import { Fault } from '@onbehalf/node/core/fault';
import type { Limit } from '@onbehalf/node/core/network/rate-limit';
import type { Client } from '../clients/clients.ts';
import type { Acquired, Entra } from '../entra/entra.ts';
import type { Refusal } from '../entra/entra-errors.ts';
import type { Session } from '../sessions/record.ts';
import type { Revocation } from '../sessions/revocation.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Tombstone, Tombstones } from '../sessions/tombstone.ts';
import { accountName, type RedisKeys } from '../store/redis-keys.ts';
import type { Partition, TokenRequest } from '../tokens/token.ts';
import { allowedScopes } from './allowed-scopes.ts';

export type ExchangeDeps = {
  entra: Entra;
  redisKeys: RedisKeys;
  revocation: Revocation;
  tombstones: Tombstones;
  /** The limit on requests for one session. */
  perSession: Limit;
};

/** The token that a caller asks for. */
export type AskedToken = { scope: string; claims?: string | undefined; agent?: string | undefined; traceId: string };

/** The live session of a token at its client; a process is none. @throws Fault `invalid_grant`, `unavailable`. */
export async function requireSession(sessions: Sessions, client: Client, token: string): Promise<Session> {
  const session = await sessions.find(token, client.name);
  if (!session || session.process) throw new Fault('invalid_grant', 'The session has ended.');
  return session;
}

/** A request for an access token of a session's user: RFC 8693 with the session token as `subject_token`. */
export class ExchangeRequest implements TokenRequest {
  readonly client: string;
  readonly partition: Partition;
  readonly tenantId: string;
  readonly scope: string;
  readonly claims: string | undefined;
  readonly #deps: ExchangeDeps;
  readonly #registration: Client;
  readonly #session: Session;
  readonly #scopes: string[];
  readonly traceId: string;
  #passed: Tombstone[] = [];

  /** @throws Fault `invalid_scope`. */
  constructor(deps: ExchangeDeps, client: Client, session: Session, asked: AskedToken) {
    const { scope, scopes } = allowedScopes(client, asked.scope);
    this.client = client.name;
    this.partition = { key: session.accountKey, kind: 'account', throttleKey: session.accountKey };
    this.tenantId = session.account.tenantId;
    this.scope = scope;
    this.claims = asked.claims;
    this.#deps = deps;
    this.#registration = client;
    this.#session = session;
    this.#scopes = scopes;
    this.traceId = asked.traceId;
  }

  get account(): string {
    return accountName(this.#deps.redisKeys, this.#session.account.homeAccountId);
  }

  admit(): void {
    this.#deps.perSession.take(this.#session.hash);
  }

  async prepare(): Promise<void> {
    this.#passed = await this.#deps.tombstones.find(this.#session.account.homeAccountId);
  }

  async acquire(msal = '') {
    const { account } = this.#session;
    const asked = { account, msal, scopes: this.#scopes, claims: this.claims, traceId: this.traceId };
    return await this.#deps.entra.refresh(this.#registration, asked);
  }

  async beforeWrite({ accessToken, expiresInSeconds }: Acquired): Promise<void> {
    await this.#deps.tombstones.noteIssued(accessToken, this.#passed, expiresInSeconds * 1_000);
  }

  /** Ends all sessions of an account that is revoked. Only its home tenant may say that the account itself is gone. */
  async onRefused({ class: entraClass, members }: Refusal): Promise<void> {
    const { account, hash } = this.#session;
    if (entraClass !== 'revoked' || !account.homeAccountId.endsWith(`.${account.tenantId}`)) return;
    const reason = { client: this.client, reason: 'revoked', aadsts: members.error_codes } as const;
    await this.#deps.revocation.endAccount(hash, reason);
  }
}
