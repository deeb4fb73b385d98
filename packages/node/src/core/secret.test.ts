import assert from 'node:assert/strict';
import { it } from 'node:test';
import { format, inspect } from 'node:util';
import { Secret } from './secret.ts';

it('shows its value to nobody who does not ask for it', () => {
  const secret = new Secret('canary');
  const shown = [
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }),
    format('%o %j %s', secret, secret, secret),
  ];
  assert.doesNotMatch(shown.join(), /canary/);
  assert.doesNotMatch(
    JSON.stringify({ ...secret }) + Object.keys(secret) + inspect(secret, { showHidden: true }),
    /canary/,
  );
  assert.equal(secret.reveal(), 'canary');
});
