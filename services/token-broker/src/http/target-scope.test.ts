import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseClients } from '../clients/clients.ts';
import { targetScope } from './target-scope.ts';

const graphs = ['https://graph.microsoft.com', 'https://graph.microsoft.us', 'https://microsoftgraph.chinacloudapi.cn'];
const scopes = ['User.Read', 'api://api/read'];
const guid = '11111111-1111-4111-8111-111111111111';
const configuration = { tenantId: guid, clientId: guid, subjects: ['system:serviceaccount:a:b'], scopes };

describe('a scope without a resource', () => {
  const client = parseClients(
    JSON.stringify({ web: { ...configuration, credentials: [{ type: 'federated' }], grants: ['client_credentials'] } }),
  ).byName.get('web');
  assert.ok(client);

  for (const graph of graphs) {
    it(`is one of Microsoft Graph in its own cloud alone: ${graph}`, () => {
      assert.equal(targetScope(client, { resource: graph }, graph), 'User.Read');
      for (const other of graphs.filter((one) => one !== graph)) {
        assert.throws(() => targetScope(client, { resource: other }, graph), { code: 'invalid_target' });
      }
    });
  }
});
