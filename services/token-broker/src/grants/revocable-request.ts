import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { Client } from '../clients/clients.ts';
import type { Acquired, Refused } from '../entra/entra.ts';
import type { Refusal } from '../entra/entra-errors.ts';
import type { AssertionIndex } from '../sessions/assertion-index.ts';
import type { Assertion, Tombstone, Tombstones } from '../sessions/tombstone.ts';
import { accountName, type RedisKeys } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';
import type { Partition, TokenRequest } from '../tokens/token.ts';

export type RevocableDeps = {
  store: Store;
  redisKeys: RedisKeys;
  tombstones: Tombstones;
  assertionIndex: AssertionIndex;
  logger: Logger;
  nowMs: () => number;
};

/** An agent that a client acts as. `name`: how an operator names it; it has one tenant. */
export type Agent = { id: string; name: string; key: string };

type Revocable = Pick<TokenRequest, 'tenantId' | 'scope' | 'claims' | 'traceId'> & {
  acquire: () => Promise<Acquired | Refused>;
  client: Client;
  partition: Partition;
  agent: Agent | undefined;
  /** A token that only proves the agent to Entra. */
  isCredential?: boolean;
  /** The home account of the person, if it is known before the token says it. */
  person?: string | undefined;
  /** The person's token by which one acts on their behalf. */
  assertion?: Assertion;
};

/**
 * A request for a token that goes with the end of the person whom it is about, and of the agent that has it. It is added
 * to the index of each before it is written, and again after, when their tombstones are read (`tombstone.ts`).
 */
export class RevocableRequest implements TokenRequest {
  readonly client: string;
  readonly partition: Partition;
  readonly tenantId: string;
  readonly scope: string;
  readonly claims: string | undefined;
  readonly agent: string | undefined;
  readonly traceId: string;
  readonly #deps: RevocableDeps;
  readonly #asked: Revocable;
  #beganAtSeconds = 0;
  #passed: Tombstone[] = [];

  constructor(deps: RevocableDeps, asked: Revocable) {
    this.client = asked.client.name;
    this.partition = asked.partition;
    this.tenantId = asked.tenantId;
    this.scope = asked.scope;
    this.claims = asked.claims;
    this.agent = asked.agent?.id;
    this.traceId = asked.traceId;
    this.#deps = deps;
    this.#asked = asked;
  }

  get account(): string | undefined {
    return this.#nameOf(this.#asked.person);
  }

  async prepare(): Promise<void> {
    const { tombstones, nowMs } = this.#deps;
    const { agent } = this.#asked;
    this.#beganAtSeconds = Math.floor(nowMs() / 1_000);
    if (agent) this.#passed = await tombstones.find(agent.name);
  }

  /** Nobody signs in for an agent itself: a refusal stands for its whole time. */
  async signIn(): Promise<string | undefined> {
    const { store, redisKeys } = this.#deps;
    const { assertion, person } = this.#asked;
    return assertion && person ? (await store.get(redisKeys.signedIn(person)))?.toString() : undefined;
  }

  async acquire() {
    return await this.#asked.acquire();
  }

  async beforeWrite(acquired: Acquired): Promise<void> {
    const passed = await this.#index(acquired);
    await this.#deps.tombstones.noteIssued(acquired.accessToken, passed, acquired.expiresInSeconds * 1_000);
  }

  async afterWrite(acquired: Acquired): Promise<void> {
    const { tombstones, logger } = this.#deps;
    const { agent, isCredential = false } = this.#asked;
    try {
      await this.#index(acquired);
      if (agent) await tombstones.refuseNew(agent.name, this.#passed);
    } catch (error) {
      // Another pod may have read the partition in this moment.
      await this.#drop(this.partition.key);
      throw error;
    }
    if (!agent || isCredential) return;
    const facts = { client: this.client, agent: agent.id, account: this.#nameOf(this.#personOf(acquired)) };
    logger.info({ event: 'audit.agent_acted', ...facts, trace_id: this.traceId });
  }

  async onRefused({ class: entraClass }: Refusal): Promise<void> {
    const { agent, assertion } = this.#asked;
    // The next request acquires another credential.
    if (agent && entraClass === 'credential') await this.#drop(agent.key);
    const ofAssertion = entraClass === 'assertion' || entraClass === 'revoked';
    if (assertion && ofAssertion) await this.#deps.store.delete(this.partition.key);
  }

  /** Gives the tombstones of the person that the token passes. @throws Fault `invalid_grant`. */
  async #index(acquired: Acquired): Promise<Tombstone[]> {
    const { assertionIndex, tombstones } = this.#deps;
    const { agent, assertion, partition } = this.#asked;
    const lifeMs = acquired.expiresInSeconds * 1_000;
    const holder = this.#personOf(acquired);
    if (agent) await assertionIndex.add(agent.name, partition.key, lifeMs);
    if (!holder) return [];
    await assertionIndex.add(holder, partition.key, lifeMs);
    // Without an assertion the token is the first to say who it is about: their end is told by its time.
    const shown = assertion ?? { token: acquired.accessToken, issuedAtSeconds: this.#beganAtSeconds };
    return await tombstones.refuseEnded(holder, shown);
  }

  /** As Entra names them: the assertion of a guest names the person by the tenant that it is for. */
  #personOf({ account }: Acquired): string | undefined {
    return account?.homeAccountId ?? this.#asked.person;
  }

  #nameOf(homeAccountId: string | undefined): string | undefined {
    return homeAccountId && accountName(this.#deps.redisKeys, homeAccountId);
  }

  async #drop(key: string): Promise<void> {
    await this.#deps.store.delete(key);
    await this.#deps.store.invalidate([key]);
  }
}
