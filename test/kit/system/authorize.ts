import { createHash, randomUUID } from 'node:crypto';
import type { Entra } from './emulator.ts';
import { apiScope } from './registrations.ts';

type Asked = { user: string; tenant: string; nonce: string; redirectUri: string };

/** Walks the authorize endpoint as a browser whose person says yes to everything; gives the code. RFC 7636 section 4. */
export async function codeFor(
  { admin, browserOrigin, ids }: Entra,
  { user, tenant, nonce, redirectUri }: Asked,
  verifier: string,
): Promise<string> {
  const upn = user.includes('@') ? user : `${user}@contoso.test`;
  await fetch(`${admin}/interaction`, { method: 'PUT', body: JSON.stringify({ mode: 'auto', user: upn }) });
  const url = new URL(`${browserOrigin}/${tenant}/oauth2/v2.0/authorize`);
  url.search = new URLSearchParams({
    client_id: ids.apps.web,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope: `openid profile offline_access ${apiScope}`,
    login_hint: upn,
    nonce,
    state: randomUUID(),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString();
  const response = await fetch(url, { redirect: 'manual' });
  const code = new URL(response.headers.get('location') ?? 'x:', url).searchParams.get('code');
  if (!code) throw new Error(`the emulator gave no code: ${response.status} ${(await response.text()).slice(0, 500)}`);
  return code;
}
