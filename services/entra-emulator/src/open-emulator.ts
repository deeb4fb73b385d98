import { randomUUID } from 'node:crypto';
import { type OwnOptions, ownSeed } from './directory/own-seed.ts';
import { parseScope } from './directory/scopes.ts';
import { createEmulator, type Emulator, type EmulatorOptions } from './emulator.ts';
import { findApp, findUser } from './endpoints/admin/inputs.ts';
import { forge } from './endpoints/admin/mint.ts';
import { mintFor } from './endpoints/token/user-tokens.ts';
import { type FaultMatch, type RefusalOptions, type ScriptedFault, ScriptedFaults } from './scripted-faults.ts';
import type { Claims } from './tokens/jwt.ts';
import type { World } from './world.ts';

export type { ClientOptions, PersonOptions } from './directory/own-seed.ts';
export type { FaultMatch, RefusalOptions, ScriptedFault, ScriptedFaults };

export type OpenEmulatorOptions = Omit<EmulatorOptions, 'seed' | 'people' | 'interaction' | 'logger'> &
  OwnOptions & {
    /** Who signs in without seeing a page, by UPN; without it the pages ask. */
    signInAs?: string;
  };

/** A client of the emulator: what its configuration needs. */
export type Client = {
  clientId: string;
  /** The first of its secrets. */
  secret: string | undefined;
  /** A key pair in PEM, where the seed says `certificates: ['generated']`. */
  certificate: { cert: string; key: string } | undefined;
};

/**
 * Runs an emulator in this process, on free ports unless said.
 * @throws ZodError for people or clients that are none, an error of the system if a port is taken.
 */
export async function openEmulator(options: OpenEmulatorOptions = {}): Promise<EntraEmulator> {
  const { seed, people, clients, redirectUris, signInAs, ...rest } = options;
  const own = ownSeed({
    ...(seed !== undefined && { seed }),
    ...(people && { people }),
    ...(clients && { clients }),
    ...(redirectUris && { redirectUris }),
  });
  const emulator = new EntraEmulator(await createEmulator({ ...rest, seed: own }));
  if (signInAs) emulator.signInAs(signInAs);
  return emulator;
}

/** Entra ID, played, and what a test does to it. `openEmulator` opens it. */
export class EntraEmulator implements AsyncDisposable {
  /** https: issuer, token endpoint, keys, Graph. */
  readonly origin: string;
  /** Where browsers are sent: plain http unless the profile is `https`. */
  readonly browserOrigin: string;
  /** The admin API's origin, undefined if off. */
  readonly admin: string | undefined;
  /** What clients must trust. */
  readonly caPem: string;
  readonly tenantId: string;
  /** `https://localhost:<port>/<tenant id>`, as MSAL takes it; with `/v2.0` it is the issuer. */
  readonly authority: string;
  readonly faults: ScriptedFaults;
  readonly #emulator: Emulator;

  /** @param emulator closed with this. */
  constructor(emulator: Emulator) {
    const { origin, browserOrigin, admin, caPem, engine } = emulator;
    this.origin = origin;
    this.browserOrigin = browserOrigin;
    this.admin = admin;
    this.caPem = caPem;
    this.#emulator = emulator;
    this.tenantId = this.#world.directory.tenants[0]?.tid ?? '';
    this.authority = `${origin}/${this.tenantId}`;
    this.faults = new ScriptedFaults(() => engine.current.faults);
  }

  get #world(): World {
    return this.#emulator.engine.current.world;
  }

  /** An app by its name or client id. @throws Error if there is none. */
  client(name: string): Client {
    const app = findApp(this.#world, name);
    return {
      clientId: app.appId,
      secret: app.secrets[0]?.value,
      certificate: this.#emulator.clientCertificates[app.name],
    };
  }

  /** The object id of a person, by UPN. @throws Error if there is none. */
  oid(upn: string): string {
    return findUser(this.#world, upn).oid;
  }

  /** From now on this person signs in without seeing a page; without a UPN the pages ask again. */
  signInAs(upn?: string): void {
    if (upn) findUser(this.#world, upn);
    this.#world.interaction = upn ? { mode: 'auto', user: upn } : { mode: 'page' };
  }

  /** Moves the emulator's time on, by seconds; negative: back. Reset sets it right again. */
  advance(seconds: number): void {
    this.#world.clock.offsetSeconds += seconds;
  }

  /** Ends every session and refresh token of a person, as "revoke sessions" in Entra does. @throws Error for nobody. */
  revoke(upn: string): void {
    this.#world.state.revoke(findUser(this.#world, upn));
  }

  /** Disables a person's account, or enables it again. @throws Error for nobody. */
  disable(upn: string, disabled = true): void {
    findUser(this.#world, upn).disabled = disabled;
  }

  /**
   * An access token of a person as a client would get it, e.g. for `api://onbehalf-api/access_as_user`, without a sign-in.
   * The person consents to it thereby. @throws Error if the person, client or scope is unknown.
   */
  accessToken({ user: upn, client: name, scope }: { user: string; client: string; scope: string }): string {
    const world = this.#world;
    const [user, client] = [findUser(world, upn), findApp(world, name)];
    const signIn = {
      sid: randomUUID(),
      authTime: world.now(),
      acrs: [],
      mfa: false,
      family: '',
      platform: 'web' as const,
    };
    const grant = { client, user, tid: user.tid, ...signIn, generation: world.state.generation(user) };
    const requested = parseScope(world.directory, scope, user.tid);
    for (const permission of world.consents.permissions(client, requested)) world.consents.grant(user, permission);
    return mintFor(world, grant, requested, { azpacr: '2', claims: undefined }).token;
  }

  /** A token with any claims, by default of this issuer and good for an hour; `foreign`: by a key that is not ours. */
  mint(claims: Claims, key: 'active' | 'foreign' = 'active'): Promise<string> {
    return forge(this.#world, { claims, header: {}, key });
  }

  /** Publishes a new signing key and signs with it; the former one stays published. */
  async rotateKeys(): Promise<void> {
    await this.#world.keys.stage();
    this.#world.keys.activate();
  }

  /** The requests so far: endpoint, grant, client by name, outcome (`ok`, an AADSTS number, `fault`) and how many. */
  requests(): { endpoint: string; grant: string; client: string; outcome: string; count: number }[] {
    return this.#emulator.engine.current.counters.read().counts;
  }

  /** Goes back to the seed: people, consents, sessions, faults, clock and counts. The keys stay. */
  reset(): void {
    this.#emulator.engine.reset();
  }

  close(): Promise<void> {
    return this.#emulator.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
