import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { parseClients } from '../../services/token-broker/src/clients/clients.ts';
import {
  apiScope,
  grants,
  graphScope,
  seedWithPeople,
  serviceClients,
  testClients,
} from '../../test/kit/system/registrations.ts';
import { readOwnClient, withOwnClient } from './own-client.ts';

const callback = 'http://localhost:4000/auth/callback';

describe('a client of your own in the demo', () => {
  it('is known by its name and redirect URIs, and has its .env in .cache unless told', () => {
    const own = readOwnClient({ client: 'my-web', redirect: [callback] });
    assert.deepEqual(own, { name: 'my-web', redirectUris: [callback], envFile: resolve('.cache/demo/my-web.env') });
    const told = readOwnClient({ client: 'my-web', redirect: [callback], env: 'out/my.env' });
    assert.equal(told?.envFile, resolve(join('out', 'my.env')));
    assert.equal(readOwnClient({}), undefined);
  });

  const wrong: [values: Parameters<typeof readOwnClient>[0], sentence: RegExp][] = [
    [{ redirect: [callback] }, /^--redirect needs --client <name>\.$/],
    [{ env: 'x' }, /^--env needs --client <name>\.$/],
    [{ client: 'my-web' }, /^--client needs --redirect <uri>/],
    [{ client: 'My Web', redirect: [callback] }, /^--client must be a name of lower-case letters/],
    [{ client: '../x', redirect: [callback] }, /^--client must be a name/],
    [{ client: 'web-frontend', redirect: [callback] }, /^The demo has a web-frontend itself/],
    [{ client: 'my-web', redirect: ['localhost:4000'] }, /^--redirect localhost:4000 is no http or https URL\.$/],
    [{ client: 'my-web', redirect: [`${callback}#x`] }, /must have no fragment/],
    [{ client: 'my-web', redirect: ['http://app.test/cb'] }, /must be https, as Entra demands/],
  ];
  for (const [values, sentence] of wrong) {
    it(`is refused with a sentence: ${JSON.stringify(values)}`, () => {
      assert.throws(() => readOwnClient(values), { message: sentence });
    });
  }

  it('is one registration at Entra and one client of the broker', () => {
    const own = readOwnClient({ client: 'my-web', redirect: [callback] }) ?? assert.fail();
    const { seed, clients, env } = withOwnClient(own);
    const { apps } = seed(seedWithPeople(0));
    const registered = apps.find(({ name }) => name === 'my-web') ?? assert.fail();
    assert.deepEqual(registered.redirectUris, [callback]);
    const { 'my-web': known } = clients(testClients(callback, 'secret', [])) as Record<string, object>;
    const { byName } = parseClients(JSON.stringify({ 'my-web': known }));
    assert.equal(byName.get('my-web')?.clientId, registered.appId);
    assert.match(env.api.ENTRA_ALLOWED_CLIENTS, new RegExp(registered.appId));
  });

  it('is an API too: web-frontend may ask for its token, and it may call Graph on behalf of people', () => {
    const own = readOwnClient({ client: 'my-api', redirect: [callback] }) ?? assert.fail();
    const { seed, clients, scopes } = withOwnClient(own);
    const registered = seed(seedWithPeople(0)).apps.find(({ name }) => name === 'my-api') ?? assert.fail();
    assert.deepEqual(scopes, [`${registered.identifierUri}/${registered.scopes[0]?.value}`]);
    assert.deepEqual(registered.preAuthorized, [{ client: 'web', scopes: ['access_as_user'] }]);
    assert.ok(registered.adminConsent.includes(graphScope));
    const { 'my-api': known } = clients(testClients(callback, 'secret', [])) as Record<string, { grants: string[] }>;
    assert.ok(known?.grants.includes(grants.jwtBearer));
    const { 'web-frontend': web } = serviceClients([callback], scopes);
    assert.deepEqual(web.scopes, [apiScope, 'api://my-api/access_as_user']);
  });
});
