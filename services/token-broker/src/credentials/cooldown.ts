import { LRUCache } from 'lru-cache';
import { credentialAcceptedMs, credentialCooldownSeconds } from '../lifetimes.ts';
import type { ClientAuth, CredentialSource } from './credentials.ts';

/** With `organizations` there is a tenant for each organisation whose people sign in. */
const maxTenants = 1_000;

/** After refusals for this many different subjects in a row, the credential itself is at fault. */
const subjectsAtFault = 3;

type InTenant = { acceptedAtMs: number; subjects: Set<string>; refused?: { clientAuth: string; untilMs: number } };
type InAllTenants = { acceptedAtMs: number; tenants: LRUCache<string, InTenant> };

const never = Number.NEGATIVE_INFINITY;

/**
 * The cooldown of credentials that Entra refused, per tenant. It ends when the file of the credential has new content.
 * Each `credentialCooldownSeconds` one caller may try the credential on behalf of all.
 */
export class CredentialCooldown {
  readonly #nowMs: () => number;
  readonly #sources = new WeakMap<CredentialSource, InAllTenants>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** False for the one caller that may try the credential after each `credentialCooldownSeconds`. */
  isCoolingDown(source: CredentialSource, tenantId: string, clientAuth: ClientAuth): boolean {
    const last = this.#inAllTenants(source).tenants.get(tenantId)?.refused;
    if (!last || last.clientAuth !== JSON.stringify(clientAuth)) return false;
    if (last.untilMs > this.#nowMs()) return true;
    last.untilMs = this.#untilMs();
    return false;
  }

  start(source: CredentialSource, tenantId: string, clientAuth: ClientAuth): void {
    this.#inTenant(source, tenantId).refused = { clientAuth: JSON.stringify(clientAuth), untilMs: this.#untilMs() };
  }

  /**
   * Entra refused the credential itself. The cooldown starts, unless Entra accepted the credential recently: then this
   * one request may be at fault, until the third different `subject` (the person or app of the request, if known).
   */
  refuse(source: CredentialSource, tenantId: string, clientAuth: ClientAuth, subject: string | undefined): void {
    const { subjects } = this.#inTenant(source, tenantId);
    if (subject !== undefined && subjects.size < subjectsAtFault) subjects.add(subject);
    if (!this.wasAcceptedRecently(source, tenantId) || subjects.size === subjectsAtFault) {
      this.start(source, tenantId, clientAuth);
    }
  }

  accept(source: CredentialSource, tenantId: string): void {
    const known = this.#inAllTenants(source);
    known.acceptedAtMs = this.#nowMs();
    known.tenants.set(tenantId, { acceptedAtMs: known.acceptedAtMs, subjects: new Set() });
  }

  /** Without `tenantId`: in any tenant. */
  wasAcceptedRecently(source: CredentialSource, tenantId?: string): boolean {
    const known = this.#inAllTenants(source);
    const { acceptedAtMs } = tenantId === undefined ? known : (known.tenants.get(tenantId) ?? { acceptedAtMs: never });
    return this.#nowMs() - acceptedAtMs < credentialAcceptedMs;
  }

  #inAllTenants(source: CredentialSource): InAllTenants {
    const found = this.#sources.get(source) ?? { acceptedAtMs: never, tenants: new LRUCache({ max: maxTenants }) };
    this.#sources.set(source, found);
    return found;
  }

  #inTenant(source: CredentialSource, tenantId: string): InTenant {
    const { tenants } = this.#inAllTenants(source);
    const found = tenants.get(tenantId) ?? { acceptedAtMs: never, subjects: new Set() };
    tenants.set(tenantId, found);
    return found;
  }

  #untilMs(): number {
    return this.#nowMs() + credentialCooldownSeconds * 1_000;
  }
}
