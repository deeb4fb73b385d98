// The broker must refuse who brings no assertion, and who brings one of a ServiceAccount it does not know.
import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const { TARGET_URL } = process.env;
const deadline = Date.now() + 60_000;
const assertion = await readFile('/var/run/secrets/foreign/assertion', 'utf8');

async function ask(form) {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    scope: 'api://any/.default',
    ...form,
  });
  const response = await fetch(`${TARGET_URL}/oauth2/token`, {
    method: 'POST',
    body,
    signal: AbortSignal.timeout(5_000),
  });
  // The broker answers 503 to a caller it cannot judge: it has no keys of the cluster to judge by.
  assert.notEqual(
    response.status,
    503,
    'the broker cannot read the cluster’s signing keys, or Redis is away: its log says which (callers.keys_down, ' +
      'redis.down). Where the cluster shows its keys to ServiceAccounts only, set callers.ownToken',
  );
  return `${response.status} ${(await response.json()).error}`;
}

async function check() {
  assert.match(await ask({}), /^40[01] invalid_(client|request)$/, 'no assertion');
  const foreign = await ask({
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion.trim(),
  });
  assert.equal(foreign, '401 invalid_client', 'a foreign ServiceAccount');
}

for (;;) {
  try {
    await check();
    console.log('the broker refuses no assertion and a foreign one');
    break;
  } catch (error) {
    if (Date.now() > deadline) throw error;
    await delay(2_000);
  }
}
