import type { Realm } from '../directory/directory.ts';
import type { Asked } from '../directory/scopes.ts';
import type { App, Platform, User } from '../directory/seed.ts';
import { Refusal } from '../requests/aadsts.ts';
import type { ClaimsRequest } from '../requests/claims-request.ts';
import { opaque } from './keys.ts';

/** A signed-in account of one browser: what Entra remembers between applications. */
export type Session = {
  sid: string;
  user: User;
  authTime: number;
  expires: number;
  /** Authentication contexts satisfied; `mfa` once any step-up was approved. */
  acrs: Set<string>;
  mfa: boolean;
  /** Applications that got a code by it: they hear of the sign-out. */
  clients: Set<App>;
  /** The user's sign-in generation it belongs to. */
  generation: number;
};

/** Who a token is about and how they signed in; what a code and a refresh token carry on. */
export type Grant = {
  client: App;
  user: User;
  tid: string;
  sid: string;
  authTime: number;
  acrs: string[];
  mfa: boolean;
  generation: number;
  /** What kind of client it was given to: a public one redeems it without a credential. */
  platform: Platform;
  /** Refresh tokens that came of the same code; revoked together where a switch says so. */
  family: string;
};

export type Code = Grant & {
  redirectUri: string;
  challenge: { value: string; method: string } | undefined;
  asked: Asked;
  nonce: string | undefined;
  wantsAuthTime: boolean;
  claims: ClaimsRequest;
  expires: number;
  used: boolean;
};

/** `scope` is what it was first given for. */
export type RefreshToken = Grant & { scope: string; issued: number; expires: number; used: boolean };

/** A device that waits for a person; `grant` is there once they have signed in. */
export type Device = {
  /** Whose people may sign in. */
  realm: Realm;
  client: App;
  asked: Asked;
  userCode: string;
  expires: number;
  used: boolean;
  grant?: Grant;
  /** The person said no, or the sign-in failed. */
  refused?: boolean;
};

/** Deliberate differences a test may want; all off is Entra. */
export const defaultSwitches = {
  /** A replayed code revokes the refresh tokens that came of it. */
  replayRevokesFamily: false,
  /** A refresh token is good once; using it again revokes its family. */
  strictRotation: false,
  /** Front-channel logout also names `iss`. */
  logoutIss: false,
};

/** What the emulator remembers beyond its seed: browsers, codes, refresh tokens, revocations. In memory only. */
export type State = ReturnType<typeof createState>;

export function createState(now: () => number) {
  const browsers = new Map<string, Session[]>();
  const codes = new Map<string, Code>();
  const refreshTokens = new Map<string, RefreshToken>();
  const devices = new Map<string, Device>();
  const revokedFamilies = new Set<string>();
  const generations = new Map<string, { number: number; since: number }>();
  const generationOf = (user: User) => generations.get(user.oid)?.number ?? 0;

  return {
    switches: { ...defaultSwitches },
    /** The live sessions of a browser. */
    sessions: (browser: string): Session[] =>
      (browsers.get(browser) ?? []).filter((it) => it.expires > now() && it.generation === generationOf(it.user)),
    setSessions: (browser: string, sessions: Session[]) => browsers.set(browser, sessions),
    endSessions(matches: (session: Session) => boolean) {
      for (const [browser, sessions] of browsers) {
        browsers.set(
          browser,
          sessions.filter((session) => !matches(session)),
        );
      }
    },
    addCode(code: Code): string {
      const value = `1.${opaque()}${opaque()}`;
      codes.set(value, code);
      return value;
    },
    /** @throws Refusal 9002313, 70000. */
    code: (value: string) => find(codes, value, '1.'),
    addDevice(device: Device): string {
      const value = `3.${opaque()}${opaque()}`;
      devices.set(value, device);
      return value;
    },
    device: (value: string): Device | undefined => devices.get(value),
    /** The device that shows this code. */
    deviceFor: (userCode: string): Device | undefined => [...devices.values()].find((it) => it.userCode === userCode),
    addRefreshToken(token: RefreshToken): string {
      const value = `2.${opaque()}${opaque()}`;
      refreshTokens.set(value, token);
      return value;
    },
    /** @throws Refusal 9002313, 70000, 70000 for a revoked family. */
    refreshToken(value: string): RefreshToken {
      const token = find(refreshTokens, value, '2.');
      if (revokedFamilies.has(token.family)) throw new Refusal(70000);
      return token;
    },
    /** What a code or refresh token stands for, if there is such a one. */
    grantOf: (value: string): Grant | undefined => codes.get(value) ?? refreshTokens.get(value),
    revokeFamily: (family: string) => revokedFamilies.add(family),
    generationOf,
    /** When `revoke` last ended everything this user had, epoch seconds. */
    revokedSince: (user: User) => generations.get(user.oid)?.since,
    /** Ends every session, code and refresh token of a user, as "revoke sessions" in Entra does. */
    revoke(user: User) {
      generations.set(user.oid, { number: generationOf(user) + 1, since: Math.floor(now()) });
    },
  };
}

/** Codes and refresh tokens are opaque, but their shape shows whether one was cut. */
function find<T>(items: Map<string, T>, value: string, prefix: string): T {
  if (!value.startsWith(prefix) || !/^[\w-]{44}$/.test(value.slice(2))) throw new Refusal(9002313);
  const item = items.get(value);
  if (!item) throw new Refusal(70000);
  return item;
}
