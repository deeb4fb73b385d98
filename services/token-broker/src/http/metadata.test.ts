import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { parseClients } from '../clients/clients.ts';
import { hasSecrets, metadata, signInTenant } from './metadata.ts';

/** Clients of these tenants, with these grants. */
function makeClients(...list: [tenantId: string, grants: string[]][]) {
  const subjects = ['system:serviceaccount:a:b'];
  const client = { clientId: randomUUID(), subjects, credentials: [{ type: 'federated' }] };
  const entries = list.map(([tenantId, grants], i) => [
    `client-${i}`,
    { ...client, tenantId, grants, redirectUris: ['https://app.test/cb'] },
  ]);
  return parseClients(JSON.stringify(Object.fromEntries(entries)));
}

describe('the metadata', () => {
  const [one, two] = [randomUUID(), randomUUID()];

  it('sends people to the tenant of the clients that sign them in', () => {
    const clients = makeClients(
      [one, ['authorization_code']],
      [one, ['authorization_code']],
      [two, ['client_credentials']],
    );
    assert.equal(signInTenant(clients), one);
  });

  it('sends them to any organization where those are of several tenants', () => {
    const clients = makeClients([one, ['authorization_code']], [two, ['authorization_code']]);
    assert.equal(signInTenant(clients), 'organizations');
  });

  it('offers secrets only where a client has one', () => {
    const clients = makeClients([one, ['client_credentials']]);
    assert.equal(hasSecrets(clients), false);
    const document = metadata('https://broker.test', { secrets: hasSecrets(clients) });
    assert.deepEqual(document.token_endpoint_auth_methods_supported, ['private_key_jwt']);
  });

  it('names no endpoint and no response type where nobody signs in', () => {
    assert.equal(signInTenant(makeClients([one, ['client_credentials']])), undefined);
    const document = metadata('https://broker.test', {});
    assert.deepEqual(document.response_types_supported, []);
    assert.ok(!('authorization_endpoint' in document));
  });
});
