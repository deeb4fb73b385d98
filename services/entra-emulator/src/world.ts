import type { Consents } from './directory/consent.ts';
import type { Directory } from './directory/directory.ts';
import type { Lifetimes } from './lifetimes.ts';
import type { ClientAuthenticator } from './tokens/client-auth.ts';
import type { Keys } from './tokens/keys.ts';
import type { State } from './tokens/state.ts';
import type { Tokens } from './tokens/tokens.ts';

/** Whether a person answers the pages, or the emulator does at once. */
export type Interaction = { mode: 'page' } | { mode: 'auto'; user?: string };

/** What the protocol works with; a reset makes a new one. */
export type World = {
  /** Issuer, token endpoint, keys and Graph: https. */
  origin: string;
  /** The `iss` of a tenant's tokens. */
  issuerFor(tid: string): string;
  /** Where browsers are sent; http unless the profile is `https`. */
  browserOrigin: string;
  /** Epoch seconds, by the emulator's own movable clock. */
  now: () => number;
  clock: { offsetSeconds: number };
  lifetimes: Lifetimes;
  interaction: Interaction;
  keys: Keys;
  directory: Directory;
  consents: Consents;
  state: State;
  tokens: Tokens;
  authenticator: ClientAuthenticator;
};
