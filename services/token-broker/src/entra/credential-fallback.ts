import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { Client } from '../clients/clients.ts';
import { CredentialCooldown } from '../credentials/cooldown.ts';
import { type ClientAuth, type CredentialSource, createCredential } from '../credentials/credentials.ts';
import { credentialRetryMs } from '../lifetimes.ts';
import { type Refused, refused } from './entra.ts';
import { mayBeTransient, type Refusal } from './entra-errors.ts';

type Options = {
  authorityHost: string;
  /** AZURE_FEDERATED_TOKEN_FILE. */
  federatedFile: string | undefined;
  logger: Logger;
  nowMs: () => number;
};

/** Where a request goes, and for which person, app or agent, if known. */
type Target = { client: Client; tenantId: string; subject?: string; forAgent?: boolean };

/** A credential, and the client authentication that it gave for one request. */
export type Presented = { source: CredentialSource; clientAuth: ClientAuth };

type Outcome = { kind: 'token' } | Refused;
type Send<T> = (presented: Presented) => Promise<T | Refused>;
type Attempt<T> = { presented: Presented; outcome: T | Refused };

/** How often to retry with the same credential: with its file read again, and at another server of Entra. */
const fileRetries = 1;
const serverRetries = 2;

/** Refusals that Entra gives only after it accepted the credential. */
const afterAcceptance = new Set<Refusal['class']>([
  'interaction',
  'consent',
  'sign_in',
  'revoked',
  'assertion',
  'code',
  'scope',
]);

/** Sends a request with the credentials of its client, in their configured order, until Entra accepts one. */
export class CredentialFallback {
  readonly #options: Options;
  readonly #cooldown: CredentialCooldown;
  readonly #sources = new WeakMap<Client, CredentialSource[]>();

  constructor(options: Options) {
    this.#options = options;
    this.#cooldown = new CredentialCooldown(options.nowMs);
  }

  /** Reads every credential once and logs each unusable one, with its file and the reason. */
  async check(clients: Iterable<Client>): Promise<void> {
    for (const client of clients) {
      for (const source of this.#openSources(client)) await this.#authenticate(client, client.tenantId, source);
    }
  }

  async send<T extends Outcome>(target: Target, send: Send<T>): Promise<T | Refused> {
    const doubted: Presented[] = [];
    let last: T | Refused | undefined;
    for (const source of this.#openSources(target.client)) {
      const attempt = await this.#sendWith(source, target, send);
      if (!attempt) continue;
      const { presented, outcome } = attempt;
      if (outcome.kind === 'token') {
        // The same request with another credential was good, so the credentials before were at fault.
        for (const one of doubted) this.#cooldown.start(one.source, target.tenantId, one.clientAuth);
        return outcome;
      }
      last = outcome;
      if (outcome.refusal.class !== 'credential' && !mayBeTransient(outcome.refusal)) return outcome;
      doubted.push(presented);
    }
    return last ?? refused('credential');
  }

  /**
   * Sends with one credential. If Entra refuses the credential, one retry reads its file again. If Entra accepted the
   * credential recently, a single server may be wrong: then there are two retries, each after `credentialRetryMs`.
   * Undefined if the credential cannot be used or is cooling down.
   */
  async #sendWith<T extends Outcome>(
    source: CredentialSource,
    target: Target,
    send: Send<T>,
  ): Promise<Attempt<T> | undefined> {
    const { tenantId } = target;
    let last: Attempt<T> | undefined;
    for (let attempt = 0; ; attempt += 1) {
      const presented = await this.#present(source, target);
      if (!presented) return last;
      const outcome = await send(presented);
      last = { presented, outcome };
      if (outcome.kind === 'token' || afterAcceptance.has(outcome.refusal.class)) {
        this.#cooldown.accept(source, tenantId);
      }
      if (outcome.kind === 'token' || outcome.refusal.class !== 'credential') return last;
      const { refusal } = outcome;
      const transient = mayBeTransient(refusal) && this.#cooldown.wasAcceptedRecently(source);
      this.#logRefusal(target.client, source, refusal, transient);
      // A refusal that no rule knows may be due to the request.
      if (!refusal.known) return last;
      if (attempt === (transient ? serverRetries : fileRetries)) {
        // The same number says that the agent is of another blueprint: no fault of the credential.
        if (target.forAgent && mayBeTransient(refusal)) return last;
        if (transient) return { presented, outcome: { kind: 'refused', refusal: { ...refusal, class: 'transient' } } };
        this.#cooldown.refuse(source, tenantId, presented.clientAuth, target.subject);
        return last;
      }
      source.renew();
      if (transient) await delay(credentialRetryMs);
    }
  }

  /** Undefined if the credential cannot be used or is cooling down. */
  async #present(source: CredentialSource, { client, tenantId }: Target): Promise<Presented | undefined> {
    const clientAuth = await this.#authenticate(client, tenantId, source);
    if (clientAuth === undefined || this.#cooldown.isCoolingDown(source, tenantId, clientAuth)) return undefined;
    return { source, clientAuth };
  }

  /** Undefined if the credential cannot be used. That is logged. */
  async #authenticate(client: Client, tenantId: string, source: CredentialSource): Promise<ClientAuth | undefined> {
    const { authorityHost, logger } = this.#options;
    try {
      return await source.clientAuth(client.clientId, `${authorityHost}/${tenantId}/oauth2/v2.0/token`);
    } catch (error) {
      logger.error({ event: 'credential.unusable', ...describeCredential(client, source), error });
      return undefined;
    }
  }

  #openSources(client: Client): CredentialSource[] {
    const open = this.#sources.get(client);
    if (open) return open;
    const { federatedFile, nowMs, logger } = this.#options;
    const opened = client.credentials.map((one) => {
      const source: CredentialSource = createCredential(one, federatedFile, nowMs, (error) =>
        logger.error(
          { event: 'credential.broken', ...describeCredential(client, source), error },
          'a credential is broken: keeping the last good one',
        ),
      );
      return source;
    });
    this.#sources.set(client, opened);
    return opened;
  }

  #logRefusal(client: Client, source: CredentialSource, refusal: Refusal, transient: boolean): void {
    const { logger } = this.#options;
    const { error_codes, correlation_id } = refusal.members;
    const facts = { client: client.name, credential: source.type, aadsts: error_codes, correlation_id };
    if (refusal.known && !transient) {
      logger.error({ event: 'credential.refused', ...facts }, 'Entra ID refuses our credential');
    } else logger.warn({ event: 'credential.doubted', ...facts });
  }
}

function describeCredential({ name }: Client, { type, file }: CredentialSource) {
  return { client: name, credential: type, file };
}
