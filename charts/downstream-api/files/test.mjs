// The API must refuse who brings no token, and say which kind it takes.
import { strict as assert } from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';

const { TARGET_URL } = process.env;
const deadline = Date.now() + 60_000;

async function check() {
  const response = await fetch(`${TARGET_URL}/whoami`, { signal: AbortSignal.timeout(5_000) });
  assert.equal(response.status, 401, 'no token');
  assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer/, 'WWW-Authenticate');
}

for (;;) {
  try {
    await check();
    console.log('the API refuses who brings no token');
    break;
  } catch (error) {
    if (Date.now() > deadline) throw error;
    await delay(2_000);
  }
}
