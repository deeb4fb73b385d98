import { createHash, randomBytes } from 'node:crypto';
import tls from 'node:tls';
import { createEmulator, type Emulator, type EmulatorOptions } from './emulator.ts';
import { createPerson, type Person } from './person.fake.ts';

export const callback = 'http://localhost:3000/auth/callback';
export const apiScope = 'api://onbehalf-api/access_as_user';
export const graphScope = 'https://graph.microsoft.com/User.Read';
export const verifier = randomBytes(32).toString('base64url');

export type TokenBody = Record<string, string> & { access_token: string; error_codes: number[]; expires_in: number };
export type TokenResponse = { status: number; headers: Headers; body: TokenBody };

const challenge = createHash('sha256').update(verifier).digest('base64url');

/** An emulator of this process. */
export async function openRig(options: EmulatorOptions = {}) {
  return createRig(await createEmulator(options));
}

/** Makes this process trust what this CA signs. */
export function trust(caPem: string): void {
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), caPem]);
}

/** Trusts an emulator, wherever it runs, and makes the requests of the tests. */
export function createRig(emulator: Emulator) {
  trust(emulator.caPem);
  const { origin, browserOrigin, ids } = emulator;
  const tenant = ids.tenants.contoso;

  const rig = {
    emulator,
    ids,
    tenant,
    authority: `${origin}/${tenant}`,
    person: (): Person => createPerson([origin, browserOrigin]),
    /** A call of the admin API; gives the JSON of the response. */
    async admin(method: string, path: string, body?: unknown) {
      const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
      const response = await fetch(`${emulator.admin}${path}`, init);
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return text ? JSON.parse(text) : undefined;
    },
    /** An authorization request of `web`; a parameter set to undefined is left out. */
    authorizeUrl(parameters: Record<string, string | undefined> = {}, at = tenant): string {
      const all = {
        ...{ client_id: ids.apps.web, response_type: 'code', redirect_uri: callback, scope: `openid ${apiScope}` },
        ...{ state: 'some-state', nonce: 'some-nonce', code_challenge: challenge, code_challenge_method: 'S256' },
        ...parameters,
      };
      const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
      return `${browserOrigin}/${at}/oauth2/v2.0/authorize?${new URLSearchParams(given)}`;
    },
    async post(form: Record<string, string>, { at = tenant, headers = {} } = {}): Promise<TokenResponse> {
      const url = `${origin}/${at}/oauth2/v2.0/token`;
      const response = await fetch(url, { method: 'POST', headers, body: new URLSearchParams(form) });
      return { status: response.status, headers: response.headers, body: (await response.json()) as TokenBody };
    },
    /** A code of `web` for a person who accepts every page. */
    async code(upn = 'alice@contoso.test', parameters: Record<string, string | undefined> = {}, at = tenant) {
      const landing = await rig.person().signIn(rig.authorizeUrl(parameters, at), upn);
      return landing.get('code') ?? '';
    },
    redeem: (code: string, more: Record<string, string> = {}, at = tenant) =>
      rig.post(
        {
          ...rig.web,
          grant_type: 'authorization_code',
          code,
          redirect_uri: callback,
          code_verifier: verifier,
          ...more,
        },
        { at },
      ),
    /** Tokens of `web` for a person. */
    async tokens(upn = 'alice@contoso.test', scope = `openid offline_access ${apiScope}`): Promise<TokenBody> {
      const { body } = await rig.redeem(await rig.code(upn, { scope }));
      return body;
    },
    onBehalf: (assertion: string, more: Record<string, string> = {}) =>
      rig.post({
        ...rig.api,
        ...{ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', requested_token_use: 'on_behalf_of' },
        ...{ assertion, scope: graphScope, ...more },
      }),
    refresh: (token: string, scope = apiScope, more: Record<string, string> = {}) =>
      rig.post({ ...rig.web, grant_type: 'refresh_token', refresh_token: token, scope, ...more }),
    web: { client_id: ids.apps.web, client_secret: 'web-secret' },
    api: { client_id: ids.apps.api, client_secret: 'api-secret' },
    job: { client_id: ids.apps.job, client_secret: 'job-secret' },
    [Symbol.asyncDispose]: () => emulator.close(),
  };
  return rig;
}

export type Rig = ReturnType<typeof createRig>;

export function readClaims(jwt: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());
}
