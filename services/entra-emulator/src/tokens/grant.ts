import type { Realm } from '../directory/directory.ts';
import type { RequestedScopes } from '../directory/scopes.ts';
import type { App, Platform, User } from '../directory/seed.ts';
import type { ClaimsRequest } from '../requests/claims-request.ts';

/** A signed-in account of one browser: what Entra remembers between applications. */
export type Session = {
  sid: string;
  user: User;
  authTime: number;
  expires: number;
  /** Authentication contexts satisfied; `mfa` once any step-up was approved. */
  acrs: Set<string>;
  mfa: boolean;
  /** Applications that got a code by it, and are told of the sign-out. */
  clients: Set<App>;
  /** The user's sign-in generation it belongs to. */
  generation: number;
};

/** The person a token is about, and how they signed in; codes and refresh tokens carry it. */
export type Grant = {
  client: App;
  user: User;
  tid: string;
  sid: string;
  authTime: number;
  acrs: string[];
  mfa: boolean;
  generation: number;
  /** The kind of client that got it: a public one redeems it without a credential. */
  platform: Platform;
  /** Names the refresh tokens that came of one code; a switch revokes them together. */
  family: string;
};

export type Code = Grant & {
  redirectUri: string;
  challenge: { value: string; method: string } | undefined;
  requested: RequestedScopes;
  nonce: string | undefined;
  wantsAuthTime: boolean;
  claims: ClaimsRequest;
  expires: number;
  used: boolean;
};

/** `scope` is what the first one was given for. */
export type RefreshToken = Grant & { scope: string; issued: number; expires: number; used: boolean };

/** A device that waits for a person; `grant` is there once they have signed in. */
export type Device = {
  /** The tenant whose people may sign in. */
  realm: Realm;
  client: App;
  requested: RequestedScopes;
  userCode: string;
  expires: number;
  used: boolean;
  grant?: Grant;
  /** The person said no, or the sign-in failed. */
  refused?: boolean;
};
