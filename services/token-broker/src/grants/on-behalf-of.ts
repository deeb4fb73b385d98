import type { Client } from '../clients/clients.ts';
import type { Acquired, Entra } from '../entra/entra.ts';
import type { Refusal } from '../entra/entra-errors.ts';
import type { AssertionIndex } from '../sessions/assertion-index.ts';
import type { Assertion, Tombstones } from '../sessions/tombstone.ts';
import { accountName, type RedisKeys } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';
import type { Partition, TokenRequest } from '../tokens/token.ts';
import { allowedScopes } from './allowed-scopes.ts';
import type { Assertions } from './assertions.ts';
import type { AskedToken } from './exchange.ts';

export type OnBehalfOfDeps = {
  entra: Entra;
  store: Store;
  tombstones: Tombstones;
  assertionIndex: AssertionIndex;
  redisKeys: RedisKeys;
  assertions: Assertions;
};

/** A request for an access token for the next API, on behalf of an assertion's user: RFC 7523 section 2.1. */
export class OnBehalfOfRequest implements TokenRequest {
  readonly client: string;
  readonly partition: Partition;
  readonly tenantId: string;
  readonly scope: string;
  readonly claims: string | undefined;
  readonly #deps: OnBehalfOfDeps;
  readonly #registration: Client;
  readonly #assertion: Assertion;
  readonly #homeAccountId: string;
  readonly #scopes: string[];
  readonly traceId: string;

  /** @throws Fault `invalid_grant`, `invalid_scope`. */
  constructor(deps: OnBehalfOfDeps, client: Client, token: string, asked: AskedToken) {
    const { claims, key, throttleKey } = deps.assertions.parse(client, token);
    const { tid, oid, iat } = claims;
    const { scope, scopes } = allowedScopes(client, asked.scope);
    this.client = client.name;
    this.partition = { key, kind: 'obo', throttleKey };
    this.tenantId = tid;
    this.scope = scope;
    this.claims = asked.claims;
    this.#deps = deps;
    this.#registration = client;
    this.#assertion = { token, issuedAtSeconds: iat };
    this.#homeAccountId = `${oid}.${tid}`;
    this.#scopes = scopes;
    this.traceId = asked.traceId;
  }

  get account(): string {
    return accountName(this.#deps.redisKeys, this.#homeAccountId);
  }

  async signIn(): Promise<string | undefined> {
    const { store, redisKeys } = this.#deps;
    return (await store.get(redisKeys.signedIn(this.#homeAccountId)))?.toString();
  }

  async acquire() {
    const { entra, tombstones } = this.#deps;
    await tombstones.refuseEnded(this.#homeAccountId, this.#assertion);
    return await entra.onBehalfOf(this.#registration, {
      assertion: this.#assertion.token,
      tenantId: this.tenantId,
      scopes: this.#scopes,
      claims: this.claims,
      traceId: this.traceId,
    });
  }

  async beforeWrite(acquired: Acquired): Promise<void> {
    const { tombstones } = this.#deps;
    const lifeMs = acquired.expiresInSeconds * 1_000;
    await this.#addToIndex(acquired);
    const passed = await tombstones.refuseEnded(this.#findPerson(acquired), this.#assertion);
    await tombstones.noteIssued(acquired.accessToken, passed, lifeMs);
  }

  async afterWrite(acquired: Acquired): Promise<void> {
    const { store, tombstones } = this.#deps;
    const { key } = this.partition;
    try {
      await this.#addToIndex(acquired);
      await tombstones.refuseEnded(this.#findPerson(acquired), this.#assertion);
    } catch (error) {
      // Another pod may have read the partition in this moment.
      await store.delete(key);
      await store.invalidate([key]);
      throw error;
    }
  }

  async onRefused({ class: entraClass }: Refusal): Promise<void> {
    if (entraClass === 'assertion' || entraClass === 'revoked') await this.#deps.store.delete(this.partition.key);
  }

  async #addToIndex(acquired: Acquired): Promise<void> {
    const lifeMs = acquired.expiresInSeconds * 1_000;
    await this.#deps.assertionIndex.add(this.#findPerson(acquired), this.partition.key, lifeMs);
  }

  /** The home account as Entra names it: the assertion of a guest names the person by the tenant that it is for. */
  #findPerson(acquired: Acquired): string {
    return acquired.account?.homeAccountId ?? this.#homeAccountId;
  }
}
