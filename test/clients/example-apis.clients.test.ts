import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { cp, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startChild } from '../kit/child.ts';
import { freePort } from '../kit/ports.ts';
import { openSystem } from '../kit/system/open.ts';
import { namespace } from '../kit/system/registrations.ts';
import type { System } from '../kit/system/system.ts';
import { type App, installApp } from '../packages/install.ts';
import { type LanguageName, openLanguage } from './languages.ts';

type Command = { command: string; args: string[]; env?: Record<string, string>; cwd?: string };

/** What an API is started within: Next.js compiles, Java warms up. */
const startWithinMs = 60_000;
const name = 'clients-example-apis';
let system: System;
let node: App;
const opened = new AsyncDisposableStack();

before(async () => {
  system = opened.use(await openSystem({ name, people: 40 }));
  node = opened.use(
    await installApp(['fastify@5', 'hono@4', '@hono/node-server@1', 'next@16', 'react@19', 'react-dom@19']),
  );
  for (const each of ['fastify', 'hono', 'nextjs'])
    await cp(join('examples', each), join(node.folder, each), { recursive: true });
});
after(() => opened.disposeAsync());

const ofLanguage = (language: LanguageName, program: string) => (): Command => openLanguage(language)(program);
const ofNode =
  (...args: string[]) =>
  (): Command => ({ command: process.execPath, args });

/** Java reads no PEM: a trust store of the emulator's CA. */
function withTrustStore({ command, args }: Command): Command {
  const store = resolve(system.stateDir, 'trust.p12');
  const file = join(system.stateDir, 'emulator', 'ca.pem');
  const given = ['-importcert', '-noprompt', '-alias', 'emulator', '-file', file, '-keystore', store];
  execFileSync('keytool', [...given, '-storepass', 'changeit'], { stdio: 'ignore' });
  return {
    command,
    args: [`-Djavax.net.ssl.trustStore=${store}`, '-Djavax.net.ssl.trustStorePassword=changeit', ...args],
  };
}

let person = 0;
/** A token for the API of somebody who has not been here before: the broker holds nothing for them. */
async function newPerson(): Promise<string> {
  person += 1;
  const session = await system.signIn(`load${String(person).padStart(5, '0')}@contoso.test`);
  const { body } = await system.exchange(0, session);
  return String(body.access_token);
}

/** A token with claims changed; without a change it is good. */
async function forged(claims: Record<string, unknown>, key: 'active' | 'foreign' = 'active'): Promise<string> {
  const { apps, tenants, users } = system.emulator.ids;
  const good = {
    aud: apps.api,
    azp: apps.web,
    oid: users.alice,
    tid: tenants.contoso,
    name: 'Alice',
    ...{ sub: 'alice', scp: 'access_as_user' },
  };
  const { token } = (await system.admin('POST', '/mint', { claims: { ...good, ...claims }, key })) as { token: string };
  return token;
}

const examples: Record<string, () => Command> = {
  FastAPI: ofLanguage('fastapi', 'api'),
  'Go net/http': ofLanguage('go-api', 'api'),
  'plain Java': () => withTrustStore(ofLanguage('java-api', 'Api')()),
  Fastify: () => ofNode(join(node.folder, 'fastify', 'api.js'))(),
  Hono: () => ofNode(join(node.folder, 'hono', 'api.js'))(),
  'Next.js': () => ofNode(join(node.folder, 'node_modules/next/dist/bin/next'), 'dev', join(node.folder, 'nextjs'))(),
};

it('the examples are at most sixty lines a file', async () => {
  const files = globSync('examples/{fastapi,go,java,aspnet,fastify,hono,nextjs}/**/*.{py,go,java,cs,js}');
  assert.ok(files.length >= 8, `${files}`);
  for (const file of files) assert.ok((await readFile(file, 'utf8')).trim().split('\n').length <= 60, file);
});

for (const [example, command] of Object.entries(examples)) {
  describe(`the example API in ${example}`, () => {
    let url: string;
    before(async () => {
      const port = await freePort();
      url = `http://localhost:${port}/me`;
      const { command: program, args, env = {} } = command();
      const ca = join(system.stateDir, 'emulator', 'ca.pem');
      const { origin, ids } = system.emulator;
      opened.use(
        await startChild({
          ...{ name: example, command: program, args, withinMs: startWithinMs },
          logFile: join(system.logDir, `${example.replaceAll(/\W+/g, '-')}.log`),
          env: {
            ...{ PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', NEXT_TELEMETRY_DISABLED: '1', ...env },
            ...{ PORT: `${port}`, ENTRA_TENANT_ID: ids.tenants.contoso, ENTRA_AUDIENCE: ids.apps.api },
            ...{ ENTRA_AUTHORITY_HOST: origin, GRAPH_BASE_URL: origin, BROKER_URL: system.brokers[0]?.url ?? '' },
            BROKER_ASSERTION_FILE: await system.cluster.mountToken({
              namespace,
              name: 'api',
              audience: 'token-broker',
            }),
            ...{ NODE_EXTRA_CA_CERTS: ca, SSL_CERT_FILE: ca },
          },
          ready: async () => (await fetch(url)).status > 0,
        }),
      );
    });

    const ask = async (token?: string) => {
      const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` };
      const response = await fetch(url, { headers, signal: AbortSignal.timeout(20_000) });
      const challenge = response.headers.get('www-authenticate');
      return {
        status: response.status,
        challenge,
        retryAfter: response.headers.get('retry-after'),
        text: await response.text(),
      };
    };

    it('knows a person, and calls Graph on behalf of them', async () => {
      const { body } = await system.exchange(0, await system.signIn('alice'));
      const { status, text } = await ask(String(body.access_token));
      assert.deepEqual([status, JSON.parse(text)], [200, { hello: 'Alice Ahrens', graph: 'Alice Ahrens' }]);
    });

    it('refuses what is no token for it, and asks for the scope', async () => {
      const { tenants, apps } = system.emulator.ids;
      assert.deepEqual([(await ask()).status, (await ask()).challenge], [401, 'Bearer']);
      assert.equal((await ask(await forged({}))).status, 200, 'nothing is wrong with this one');
      const past = Math.floor(Date.now() / 1_000) - 3_600;
      const wrong = {
        'a foreign key': forged({}, 'foreign'),
        'another API': forged({ aud: apps.graph }),
        'another tenant': forged({ tid: tenants.fabrikam }),
        'another issuer': forged({ iss: 'https://evil.test' }),
        'version 1.0': forged({ ver: '1.0' }),
        'the past': forged({ exp: past }),
        'the future': forged({ nbf: past + 7_200 }),
        'no JWT': Promise.resolve('e30.e30.e30'),
      };
      for (const [what, token] of Object.entries(wrong)) {
        const { status, challenge } = await ask(await token);
        assert.deepEqual([status, /error="invalid_token"/.test(challenge ?? '')], [401, true], `${what}: ${challenge}`);
      }
      const { status, challenge } = await ask(await forged({ scp: 'other' }));
      assert.equal(status, 403);
      assert.match(challenge ?? '', /error="insufficient_scope"/);
    });

    it('hands on what Entra asks of the person', async () => {
      const token = await newPerson();
      await system.admin('PATCH', '/apps/graph', { policy: 'mfa' });
      const { status, challenge } = await ask(token).finally(() =>
        system.admin('PATCH', '/apps/graph', { policy: 'none' }),
      );
      assert.equal(status, 401);
      const [, claims = ''] = /^Bearer error="insufficient_claims", claims="([^"]+)"/.exec(challenge ?? '') ?? [];
      assert.ok(JSON.parse(Buffer.from(claims, 'base64').toString()).access_token, `${challenge}`);
    });

    it('tells an outage from a refusal', async () => {
      const token = await newPerson();
      await system.admin('PUT', '/faults', [{ match: { grant: 'on_behalf_of' }, then: { status: 503 } }]);
      const { status, retryAfter, challenge } = await ask(token).finally(() => system.admin('DELETE', '/faults'));
      assert.deepEqual([status, challenge], [503, null]);
      assert.match(retryAfter ?? '', /^\d+$/);
    });
  });
}
