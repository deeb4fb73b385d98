// Signing in must lead to Entra with our client, our redirect URI and PKCE, at every public URL.
import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const { TARGET_URL, PUBLIC_BASE_URLS, ENTRA_CLIENT_ID } = process.env;
const deadline = Date.now() + 60_000;

async function check(base) {
  const { host, pathname } = new URL(base);
  const url = `${TARGET_URL}${pathname.replace(/\/$/, '')}/sign-in`;
  // Not by fetch, which sends a Host of its own.
  const [response] = await once(get(url, { headers: { host }, signal: AbortSignal.timeout(5_000) }), 'response');
  response.resume();
  assert.ok([302, 303].includes(response.statusCode), `${base}/sign-in answers ${response.statusCode}`);
  const query = new URL(response.headers.location).searchParams;
  assert.equal(query.get('client_id'), ENTRA_CLIENT_ID, 'client_id');
  assert.equal(query.get('redirect_uri'), `${base}/auth/callback`, 'redirect_uri');
  assert.equal(query.get('code_challenge_method'), 'S256', 'code_challenge_method');
}

for (;;) {
  try {
    for (const base of PUBLIC_BASE_URLS.split(',')) await check(base);
    console.log('sign-in leads to Entra: client, redirect URI and PKCE are right');
    break;
  } catch (error) {
    if (Date.now() > deadline) throw error;
    await delay(2_000);
  }
}
