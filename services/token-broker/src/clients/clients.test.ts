import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { parseClients } from './clients.ts';

const client = {
  tenantId: randomUUID().toUpperCase(),
  clientId: randomUUID(),
  subjects: ['system:serviceaccount:onbehalf:web'],
  credentials: [{ type: 'federated' }],
  grants: ['authorization_code'],
  scopes: ['api://api/read'],
  redirectUris: ['https://app.test/callback'],
};
const parse = (more: object, name = 'web') => parseClients(JSON.stringify({ [name]: { ...client, ...more } }));
const fault = (text: string) => {
  try {
    parseClients(text);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  return undefined;
};

describe('clients.json', () => {
  it('is found by name and by every ServiceAccount', () => {
    const subjects = ['system:serviceaccount:a:b', 'system:serviceaccount:a:c'];
    const clients = parse({ subjects });
    assert.equal(clients.byName.get('web')?.tenantId, client.tenantId.toLowerCase(), 'as Entra writes it');
    for (const subject of subjects)
      assert.deepEqual(
        clients.bySubject.get(subject)?.map(({ name }) => name),
        ['web'],
      );
  });

  it('gives nothing that was not said: no scope, no permission', () => {
    const { scopes: _, ...rest } = client;
    const web = parseClients(JSON.stringify({ web: rest })).byName.get('web');
    assert.deepEqual([web?.scopes, web?.permissions], [[], []]);
  });

  it('takes every kind of credential, any tenant, and a redirect URI without TLS', () => {
    const more = {
      tenantId: 'organizations',
      credentials: [
        { type: 'federated', file: 'f' },
        { type: 'certificate', file: 'f', keyFile: 'k', passwordFile: 'p', sendX5c: true },
        { type: 'secret', file: 'f' },
      ],
      redirectUris: ['http://localhost:3000/callback'],
      permissions: ['operator'],
    };
    const web = parse(more, 'a-1'.padEnd(40, 'b')).byName.get('a-1'.padEnd(40, 'b'));
    for (const [field, value] of Object.entries(more)) assert.deepEqual(web?.[field as keyof typeof more], value);
  });

  it('names grants as the wire does, and needs a redirect URI for the code grant alone', () => {
    const grants = [
      'client_credentials',
      'urn:ietf:params:oauth:grant-type:token-exchange',
      'urn:ietf:params:oauth:grant-type:jwt-bearer',
    ];
    const web = parse({ grants, scopes: ['a'], redirectUris: [] }).byName.get('web');
    assert.deepEqual([web?.grants, web?.scopes, web?.redirectUris], [grants, ['a'], []]);
  });

  it('may begin processes, for clients that have the grant', () => {
    const processes = { clients: ['job'], lifeSeconds: 86_400 };
    const clients = { web: { ...client, processes }, job: { ...client, grants: ['refresh_token'] } };
    assert.deepEqual(parseClients(JSON.stringify(clients)).byName.get('web')?.processes, processes);
    assert.equal(parseClients(JSON.stringify(clients)).byName.get('job')?.processes, undefined);
  });

  it('may share a ServiceAccount', () => {
    const both = parseClients(JSON.stringify({ web: client, api: client }));
    const names = both.bySubject.get('system:serviceaccount:onbehalf:web')?.map(({ name }) => name);
    assert.deepEqual(names, ['web', 'api']);
  });

  it('may be a client without a ServiceAccount, if it says how it proves itself', () => {
    const { subjects: _, ...rest } = client;
    const authentication = [{ type: 'private_key_jwt', file: '/keys/jwks.json' }];
    const gateway = parseClients(JSON.stringify({ gateway: { ...rest, authentication } })).byName.get('gateway');
    assert.deepEqual([gateway?.subjects, gateway?.authentication], [[], authentication]);
  });

  const rows: [string, object, string][] = [
    ['a tenant by name', { tenantId: 'contoso.com' }, 'web.tenantId'],
    ['consumers', { tenantId: 'consumers' }, 'web.tenantId'],
    ['a client id that is none', { clientId: 'x' }, 'web.clientId'],
    ['no subject', { subjects: [] }, 'web.subjects'],
    ['no subject and no authentication', { subjects: [], authentication: [] }, 'web.subjects'],
    ['authentication of another kind', { authentication: [{ type: 'none' }] }, 'web.authentication.0'],
    [
      'a client secret in the file itself',
      { authentication: [{ type: 'client_secret', secret: 'canary' }] },
      'web.authentication.0',
    ],
    ['a client secret without file', { authentication: [{ type: 'client_secret' }] }, 'web.authentication.0.file'],
    ['a key without file', { authentication: [{ type: 'private_key_jwt', file: '' }] }, 'web.authentication.0.file'],
    [
      'nine ways to authenticate',
      { authentication: Array(9).fill({ type: 'client_secret', file: 'f' }) },
      'web.authentication',
    ],
    ['any subject', { subjects: ['*'] }, 'web.subjects.0'],
    ['a subject of another kind', { subjects: ['system:node:x'] }, 'web.subjects.0'],
    ['a subject with something before it', { subjects: ['x system:serviceaccount:a:b'] }, 'web.subjects.0'],
    ['a subject with something behind it', { subjects: ['system:serviceaccount:a:b/c'] }, 'web.subjects.0'],
    ['no credential', { credentials: [] }, 'web.credentials'],
    ['a secret in the file itself', { credentials: [{ type: 'secret', secret: 'canary' }] }, 'web.credentials.0'],
    ['a certificate without file', { credentials: [{ type: 'certificate' }] }, 'web.credentials.0.file'],
    ['a file without name', { credentials: [{ type: 'secret', file: '' }] }, 'web.credentials.0.file'],
    ['an unknown credential', { credentials: [{ type: 'password' }] }, 'web.credentials.0'],
    ['no grant', { grants: [] }, 'web.grants'],
    ['an unknown grant', { grants: ['password'] }, 'web.grants.0'],
    ['scopes that are no list', { scopes: 'api://api/read' }, 'web.scopes'],
    ['two scopes in one', { scopes: ['a b'] }, 'web.scopes.0'],
    ['a scope with a space before it', { scopes: [' a'] }, 'web.scopes.0'],
    ['a scope with a space behind it', { scopes: ['a '] }, 'web.scopes.0'],
    ['an empty scope', { scopes: [''] }, 'web.scopes.0'],
    ['the code grant without redirect URI', { redirectUris: [] }, 'web.redirectUris'],
    ['a redirect URI of another scheme', { redirectUris: ['javascript:alert(1)'] }, 'web.redirectUris.0'],
    ['a redirect URI of a scheme like it', { redirectUris: ['shttp://a.test'] }, 'web.redirectUris.0'],
    ['a redirect URI of a scheme that begins so', { redirectUris: ['httpx://a.test'] }, 'web.redirectUris.0'],
    ['an app token of any tenant', { tenantId: 'organizations', grants: ['client_credentials'] }, 'web.tenantId'],
    ['agents of any tenant', { tenantId: 'common', agents: [randomUUID()] }, 'web.tenantId'],
    ['an agent that is no GUID', { agents: ['scout'] }, 'web.agents.0'],
    ["an agent's user without agents", { grants: ['user_fic'], agents: [] }, 'web.agents'],
    [
      'agents with a scope by which anybody is one',
      { agents: [randomUUID()], scopes: ['API://azureadtokenexchange/.default'] },
      'web.scopes',
    ],
    [
      'agents with that scope by the id of its app',
      { agents: [randomUUID()], scopes: ['FB60F99C-7A34-4190-8149-302F77469936/.default'] },
      'web.scopes',
    ],
    ['processes of no client', { processes: { clients: [], lifeSeconds: 600 } }, 'web.processes.clients'],
    ['processes without an end', { processes: { clients: ['web'] } }, 'web.processes.lifeSeconds'],
    ['processes of a year', { processes: { clients: ['web'], lifeSeconds: 31_536_000 } }, 'web.processes.lifeSeconds'],
    [
      'processes of an unknown client',
      { processes: { clients: ['canary'], lifeSeconds: 600 } },
      'web.processes.clients',
    ],
    ['processes without the grant', { processes: { clients: ['web'], lifeSeconds: 600 } }, 'web.processes.clients'],
    ['an unknown permission', { permissions: ['root'] }, 'web.permissions.0'],
    ['an unknown member', { secret: 'canary' }, 'web'],
  ];
  for (const [what, more, path] of rows) {
    it(`is refused for ${what}`, () => {
      const message = String(fault(JSON.stringify({ web: { ...client, ...more } })));
      assert.match(message, new RegExp(`^  ${path.replaceAll('.', '\\.')}`, 'm'));
      assert.doesNotMatch(message, /canary/);
    });
  }

  it('is refused whole: no JSON, no client, a bad name; without quoting it', () => {
    const named = (name: string) => JSON.stringify({ [name]: client });
    const names = ['Web App', ' web', 'web/', '', 'a'.repeat(41)];
    for (const text of ['{"canary": ', '[]', '{}', 'null', ...names.map(named)]) {
      assert.doesNotMatch(String(fault(text)), /canary/);
      assert.match(String(fault(text)), /CLIENTS_FILE/, text);
    }
    const both = String(fault(JSON.stringify({ a: { ...client, grants: [] }, b: { ...client, subjects: [] } })));
    assert.match(both, /a\.grants[\s\S]*b\.subjects/);
  });
});
