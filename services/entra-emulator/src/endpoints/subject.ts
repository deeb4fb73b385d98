import { createHash } from 'node:crypto';
import type { User } from '../directory/seed.ts';
import { type Call, readParameters } from '../requests/call.ts';
import type { World } from '../world.ts';
import { deviceGrants } from './token/grants.ts';
import { readCredentials } from './token/token.ts';

/** The client, user and grant of a call, as far as its parameters show: for faults, counters and the request log. */
export type Subject = {
  grant: string | undefined;
  /** The client's short name; `unknown` for an unknown client, whose words must not reach the log. */
  client: string | undefined;
  clientIds: string[];
  /** `secret`, `assertion` or `none`. */
  auth: string;
  scopes: string[];
  claims: string | undefined;
  /** RequestedScopes for only where it matters: it means to look into tokens. */
  user(): User | undefined;
  /** SHA-256 of each token in the request, by parameter. */
  tokens(): Record<string, string>;
};

const tokenParameters = [
  ...['code', 'device_code', 'refresh_token', 'assertion', 'client_assertion', 'id_token_hint'],
  'user_federated_identity_credential',
];
const grantNames: Record<string, string> = {
  authorization_code: 'authorization_code',
  refresh_token: 'refresh_token',
  client_credentials: 'client_credentials',
  'urn:ietf:params:oauth:grant-type:jwt-bearer': 'on_behalf_of',
  user_fic: 'user_fic',
  ...Object.fromEntries(deviceGrants.map((name) => [name, 'device_code'])),
};

/** Reads the subject of a call. */
export function readSubject(world: World, call: Call): Subject {
  const form = readParameters(call);
  const type = form.get('grant_type') ?? '';
  const { clientId, assertion, secret } = attempt(() => readCredentials(call, type)) ?? {};
  const app = clientId ? world.directory.findApp(clientId) : undefined;
  return {
    grant: type ? (grantNames[type] ?? 'unknown') : undefined,
    client: app?.name ?? (clientId && 'unknown'),
    clientIds: app ? [app.name, app.appId] : [],
    auth: assertion ? 'assertion' : secret ? 'secret' : 'none',
    scopes: (form.get('scope') ?? '').split(' ').filter(Boolean),
    claims: form.get('claims') ?? undefined,
    user: () => findUser(world, form),
    tokens: () => hashTokens(form),
  };
}

function findUser({ directory, state, keys }: World, form: URLSearchParams): User | undefined {
  return (
    state.findGrant(form.get('refresh_token') ?? form.get('code') ?? '')?.user ??
    directory.user(String(keys.verify(form.get('assertion') ?? '')?.oid)) ??
    directory.userByUpn(form.get('login_hint') ?? form.get('username') ?? '') ??
    directory.user(form.get('user_id') ?? '')
  );
}

function hashTokens(form: URLSearchParams): Record<string, string> {
  const present = [...form].filter(([name]) => tokenParameters.includes(name));
  return Object.fromEntries(present.map(([name, value]) => [name, createHash('sha256').update(value).digest('hex')]));
}

/** Undefined for unreadable credentials: the protocol refuses them later, with the code that Entra gives. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
