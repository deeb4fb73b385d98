import { hash } from 'node:crypto';
import type { User } from '../directory/seed.ts';
import { type Call, parametersOf } from '../requests/call.ts';
import type { World } from '../world.ts';
import { deviceGrants } from './grants.ts';
import { readCredentials } from './token.ts';

/** Whom a call is about, as far as it can be seen before it is answered: for faults, counters, the request log. */
export type Subject = {
  grant: string | undefined;
  /** The client's short name; `unknown` for a stranger, whose words go into no log. */
  client: string | undefined;
  clientIds: string[];
  /** `secret`, `assertion` or `none`. */
  auth: string;
  scopes: string[];
  claims: string | undefined;
  /** Asked for only where it matters: it means to look into tokens. */
  user(): User | undefined;
  /** SHA-256 of each token in the request, by parameter. */
  tokens(): Record<string, string>;
};

const tokenParameters = ['code', 'device_code', 'refresh_token', 'assertion', 'client_assertion', 'id_token_hint'];
const grantNames: Record<string, string> = {
  authorization_code: 'authorization_code',
  refresh_token: 'refresh_token',
  client_credentials: 'client_credentials',
  'urn:ietf:params:oauth:grant-type:jwt-bearer': 'on_behalf_of',
  ...Object.fromEntries(deviceGrants.map((name) => [name, 'device_code'])),
};

export function createSubjects({ directory, state, keys }: World) {
  const userOf = (form: URLSearchParams) =>
    state.grantOf(form.get('refresh_token') ?? form.get('code') ?? '')?.user ??
    directory.user(String(keys.verify(form.get('assertion') ?? '')?.oid)) ??
    directory.userByUpn(form.get('login_hint') ?? form.get('username') ?? '');

  return (call: Call): Subject => {
    const form = parametersOf(call);
    const type = form.get('grant_type') ?? '';
    const { clientId, assertion, secret } = attempt(() => readCredentials(call, type)) ?? {};
    const app = clientId ? directory.findApp(clientId) : undefined;
    return {
      grant: type ? (grantNames[type] ?? 'unknown') : undefined,
      client: app?.name ?? (clientId && 'unknown'),
      clientIds: app ? [app.name, app.appId] : [],
      auth: assertion ? 'assertion' : secret ? 'secret' : 'none',
      scopes: (form.get('scope') ?? '').split(' ').filter(Boolean),
      claims: form.get('claims') ?? undefined,
      user: () => userOf(form),
      tokens: () => hashesOf(form),
    };
  };
}

function hashesOf(form: URLSearchParams): Record<string, string> {
  const present = [...form].filter(([name]) => tokenParameters.includes(name));
  return Object.fromEntries(present.map(([name, value]) => [name, hash('sha256', value)]));
}

/** What cannot be read here is refused by the protocol, in its own words. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
