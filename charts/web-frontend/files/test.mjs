// Signing in must lead to Entra with our client, our redirect URI and PKCE.
import { strict as assert } from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';

const { TARGET_URL, PUBLIC_BASE_URL, ENTRA_CLIENT_ID } = process.env;
const deadline = Date.now() + 60_000;

async function check() {
  const response = await fetch(`${TARGET_URL}/sign-in`, { redirect: 'manual', signal: AbortSignal.timeout(5_000) });
  assert.ok([302, 303].includes(response.status), `/sign-in answers ${response.status}`);
  const query = new URL(response.headers.get('location')).searchParams;
  assert.equal(query.get('client_id'), ENTRA_CLIENT_ID, 'client_id');
  assert.equal(query.get('redirect_uri'), `${PUBLIC_BASE_URL}/auth/callback`, 'redirect_uri');
  assert.equal(query.get('code_challenge_method'), 'S256', 'code_challenge_method');
}

for (;;) {
  try {
    await check();
    console.log('sign-in leads to Entra: client, redirect URI and PKCE are right');
    break;
  } catch (error) {
    if (Date.now() > deadline) throw error;
    await delay(2_000);
  }
}
