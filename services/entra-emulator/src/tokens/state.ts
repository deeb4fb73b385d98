import type { User } from '../directory/seed.ts';
import { Refusal } from '../requests/aadsts.ts';
import type { Code, Device, Grant, RefreshToken, Session } from './grant.ts';
import { opaque } from './jwt.ts';

/** Deliberate differences a test may want; all off is Entra. */
export const defaultSwitches = {
  /** A replayed code revokes the refresh tokens that came of it. */
  replayRevokesFamily: false,
  /** A refresh token is good once; using it again revokes its family. */
  strictRotation: false,
  /** Front-channel logout also names `iss`. */
  logoutIss: false,
  /** Every `resource` is refused, as Entra did until the spring of 2026. */
  refuseResource: false,
};

/** What the emulator remembers beyond its seed: browsers, codes, refresh tokens, revocations. In memory only. */
export class State {
  readonly #now: () => number;
  readonly #browsers = new Map<string, Session[]>();
  readonly #codes = new Map<string, Code>();
  readonly #refreshTokens = new Map<string, RefreshToken>();
  readonly #devices = new Map<string, Device>();
  readonly #revokedFamilies = new Set<string>();
  readonly #generations = new Map<string, { number: number; since: number }>();
  readonly switches = { ...defaultSwitches };

  /** @param now epoch seconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The live sessions of a browser. */
  sessions(browser: string): Session[] {
    const isLive = ({ expires, generation, user }: Session) =>
      expires > this.#now() && generation === this.generation(user);
    return (this.#browsers.get(browser) ?? []).filter(isLive);
  }

  setSessions(browser: string, sessions: Session[]): void {
    this.#browsers.set(browser, sessions);
  }

  endSessions(matches: (session: Session) => boolean): void {
    for (const [browser, sessions] of this.#browsers) {
      const left = sessions.filter((session) => !matches(session));
      this.#browsers.set(browser, left);
    }
  }

  addCode(code: Code): string {
    const value = `1.${opaque()}${opaque()}`;
    this.#codes.set(value, code);
    return value;
  }

  /** @throws Refusal 9002313, 70000. */
  code(value: string): Code {
    return find(this.#codes, value, '1.');
  }

  addDevice(device: Device): string {
    const value = `3.${opaque()}${opaque()}`;
    this.#devices.set(value, device);
    return value;
  }

  device(value: string): Device | undefined {
    return this.#devices.get(value);
  }

  /** The device that shows this code. */
  deviceShowing(userCode: string): Device | undefined {
    return [...this.#devices.values()].find((device) => device.userCode === userCode);
  }

  addRefreshToken(token: RefreshToken): string {
    const value = `2.${opaque()}${opaque()}`;
    this.#refreshTokens.set(value, token);
    return value;
  }

  /** @throws Refusal 9002313, 70000, 70000 for a revoked family. */
  refreshToken(value: string): RefreshToken {
    const token = find(this.#refreshTokens, value, '2.');
    if (this.#revokedFamilies.has(token.family)) throw new Refusal(70000);
    return token;
  }

  /** The grant behind a code or a refresh token. */
  findGrant(value: string): Grant | undefined {
    return this.#codes.get(value) ?? this.#refreshTokens.get(value);
  }

  revokeFamily(family: string): void {
    this.#revokedFamilies.add(family);
  }

  /** How often this user was revoked; a session or token with another number is revoked. */
  generation(user: User): number {
    return this.#generations.get(user.oid)?.number ?? 0;
  }

  /** When `revoke` last ended everything this user had, epoch seconds. */
  revokedSince(user: User): number | undefined {
    return this.#generations.get(user.oid)?.since;
  }

  /** Ends every session, code and refresh token of a user, as "revoke sessions" in Entra does. */
  revoke(user: User): void {
    this.#generations.set(user.oid, { number: this.generation(user) + 1, since: Math.floor(this.#now()) });
  }
}

/** Codes and refresh tokens are opaque, but their shape shows whether one was cut. */
function find<T>(items: Map<string, T>, value: string, prefix: string): T {
  if (!value.startsWith(prefix) || !/^[\w-]{44}$/.test(value.slice(2))) throw new Refusal(9002313);
  const item = items.get(value);
  if (!item) throw new Refusal(70000);
  return item;
}
