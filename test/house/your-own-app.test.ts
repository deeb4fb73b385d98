import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseClients } from '../../services/token-broker/src/clients/clients.ts';
import { startChild } from '../kit/child.ts';
import { freePort } from '../kit/ports.ts';
import { openSystem } from '../kit/system/open.ts';
import { apiScope } from '../kit/system/registrations.ts';
import type { System } from '../kit/system/system.ts';
import { Visitor } from '../kit/visitor.ts';

const directory = join('out', 'your-own-app');

/** The page's programs and files, by the name after the language of their block. */
async function examples(): Promise<Map<string, string>> {
  const page = await readFile('docs/your-own-app.md', 'utf8');
  return new Map(
    [...page.matchAll(/^```\w+ (\S+)\n([\s\S]*?)^```$/gm)].map(([, name = '', text = '']) => [name, text]),
  );
}

describe('the page "Your own app"', () => {
  const opened = new AsyncDisposableStack();
  let system: System;
  let frontend: string;
  let api: string;

  before(async () => {
    const files = await examples();
    const [frontendPort, apiPort] = [await freePort(), await freePort()];
    frontend = `http://localhost:${frontendPort}`;
    api = `http://127.0.0.1:${apiPort}`;
    const redirectUris = [`${frontend}/auth/callback`];

    system = opened.use(
      await openSystem({
        name: 'your-own-app',
        brokers: 1,
        seed: (usual) => ({
          ...usual,
          apps: usual.apps.map((app) => (app.name === 'web' ? { ...app, redirectUris } : app)),
        }),
        clients: ({ operator }, { ids }) => {
          const text = files.get('clients.json') ?? '';
          assert.ok(parseClients(text).byName.has('your-frontend'));
          const ours = { tenantId: ids.tenants.contoso, clientId: ids.apps.web, redirectUris };
          return { operator, 'your-frontend': { ...JSON.parse(text)['your-frontend'], ...ours } };
        },
      }),
    );
    const { emulator, cluster, stateDir, brokers } = system;
    await system.admin('PUT', '/interaction', { mode: 'auto', user: 'alice@contoso.test' });

    // Under the project, where its packages are found.
    await mkdir(directory, { recursive: true });
    const start = async (name: string, port: number, env: Record<string, string>, url: string) => {
      const path = join(directory, `${name}.ts`);
      await writeFile(path, files.get(`${name}.ts`) ?? assert.fail(`the page has no ${name}.ts`));
      const common = { PATH: process.env.PATH ?? '', NODE_EXTRA_CA_CERTS: join(stateDir, 'emulator', 'ca.pem') };
      const entra = { ENTRA_AUTHORITY_HOST: emulator.origin, ENTRA_TENANT_ID: emulator.ids.tenants.contoso };
      opened.use(
        await startChild({
          ...{ name, command: process.execPath, args: [path], logFile: join(directory, `${name}.log`) },
          env: { ...common, ...entra, PORT: String(port), ...env },
          // A refusal and a redirect are answers too.
          ready: async () => (await fetch(url, { redirect: 'manual' })).status > 0,
        }),
      );
    };
    const account = { namespace: 'shop', name: 'your-frontend', audience: 'token-broker' };
    await start('your-api', apiPort, { ENTRA_AUDIENCE: emulator.ids.apps.api }, `${api}/whoami`);
    await start(
      'your-frontend',
      frontendPort,
      {
        ENTRA_CLIENT_ID: emulator.ids.apps.web,
        BROKER_URL: brokers[0]?.url ?? '',
        BROKER_ASSERTION_FILE: await cluster.mountToken(account),
        API_URL: api,
        API_SCOPE: apiScope,
      },
      `http://127.0.0.1:${frontendPort}/`,
    );
  });
  after(() => opened.disposeAsync());

  it('signs a person in with any OAuth library and calls the API on their behalf', async () => {
    using alice = new Visitor();
    await alice.open(frontend);
    assert.deepEqual([alice.page.status, JSON.parse(alice.page.body)], [200, { hello: 'Alice Ahrens' }]);
    await system.admin('DELETE', '/counters');
    await alice.open(frontend);
    assert.equal(alice.page.status, 200);
    assert.equal(await system.calls(), 0);
  });

  it('signs in again when the session has ended elsewhere', async () => {
    using alice = new Visitor();
    await alice.open(frontend);
    const { tenants, users } = system.emulator.ids;
    const person = { tid: tenants.contoso, oid: users.alice };
    assert.equal((await system.post(0, '/sessions/end', person, 'operator')).status, 200);
    const before = alice.answers.length;
    await alice.open(frontend);
    const paths = alice.answers.slice(before).map(({ url }) => url.pathname);
    assert.deepEqual(paths.slice(0, 2), ['/', '/sign-in']);
    assert.equal(alice.page.status, 200);
  });

  it('ends the session at the broker when the person signs out', async () => {
    using alice = new Visitor();
    await alice.open(frontend);
    const sessions = (await system.keys('session:*')).length;
    const cookie = await alice.jar.getCookieString(frontend);
    const signedOut = await fetch(`${frontend}/sign-out`, { method: 'POST', headers: { cookie }, redirect: 'manual' });
    assert.deepEqual(
      [signedOut.status, new URL(signedOut.headers.get('location') ?? '').pathname.split('/').at(-1)],
      [302, 'logout'],
    );
    assert.equal((await system.keys('session:*')).length, sessions - 1);
  });

  it('tells an outage from a sign-out', async () => {
    using alice = new Visitor();
    await alice.open(frontend);
    const { child } = system.brokers[0] ?? assert.fail();
    await child[Symbol.asyncDispose]();
    await alice.open(frontend);
    assert.deepEqual([alice.page.status, alice.page.headers['retry-after']], [503, '2']);
  });

  it('has the API refuse what is not a token for it', async () => {
    const challengeOf = async (headers: Record<string, string>) => {
      const res = await fetch(`${api}/whoami`, { headers });
      assert.deepEqual([res.status, res.headers.get('cache-control')], [401, 'no-store']);
      return res.headers.get('www-authenticate');
    };
    assert.equal(await challengeOf({}), 'Bearer');
    assert.match((await challengeOf({ Authorization: 'Bearer e30.e30.e30' })) ?? '', /error="invalid_token"/);
  });
});
