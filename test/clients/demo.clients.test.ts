import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseEnv } from 'node:util';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { startChild } from '../kit/child.ts';
import { freePort } from '../kit/ports.ts';
import { Visitor } from '../kit/visitor.ts';

const directory = join('out', 'clients-demo');
const startWithinMs = 90_000;

/** A web app of somebody's with openid-client, which knows nothing but its environment. */
const program = `
import { readFile } from 'node:fs/promises';
import express from 'express';
import * as openid from 'openid-client';

const { ENTRA_TENANT_ID, ENTRA_CLIENT_ID, ENTRA_AUTHORITY_HOST, BROKER_URL, BROKER_ASSERTION_FILE } = process.env;
const { REDIRECT_URI, API_URL, API_SCOPE, PORT } = process.env;
const issuer = new URL(ENTRA_AUTHORITY_HOST + '/' + ENTRA_TENANT_ID + '/v2.0');
const execute = [openid.allowInsecureRequests];
const entra = await openid.discovery(issuer, ENTRA_CLIENT_ID, undefined, undefined, { execute });
const server = Object.assign(entra.serverMetadata(), { token_endpoint: BROKER_URL + '/oauth2/token' });
const config = new openid.Configuration(server, ENTRA_CLIENT_ID, {}, async (_server, _client, body) => {
  body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
  body.set('client_assertion', await readFile(BROKER_ASSERTION_FILE, 'utf8'));
});
openid.allowInsecureRequests(config);
const checks = { pkceCodeVerifier: openid.randomPKCECodeVerifier(), expectedState: 'a', expectedNonce: 'b' };
let session;

const app = express();
app.get('/', async (_req, res) => {
  if (!session) {
    const code_challenge = await openid.calculatePKCECodeChallenge(checks.pkceCodeVerifier);
    const scope = 'openid profile offline_access ' + API_SCOPE;
    const asked = { redirect_uri: REDIRECT_URI, scope, state: 'a', nonce: 'b', code_challenge, code_challenge_method: 'S256' };
    return res.redirect(openid.buildAuthorizationUrl(config, asked).href);
  }
  const { access_token } = await openid.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:token-exchange', {
    subject_token: session, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token', scope: API_SCOPE,
  });
  const answer = await fetch(API_URL + '/whoami', { headers: { Authorization: 'Bearer ' + access_token } });
  res.status(answer.status).json(await answer.json());
});
app.get(new URL(REDIRECT_URI).pathname, async (req, res) => {
  const tokens = await openid.authorizationCodeGrant(config, new URL(req.originalUrl, REDIRECT_URI), checks);
  session = tokens.access_token;
  res.redirect('/');
});
app.get('/readyz', (_req, res) => res.end());
app.listen(PORT, 'localhost');
`;

/** A demo with these options, and what it printed until it was up. */
async function startDemo(opened: AsyncDisposableStack, name: string, args: string[]): Promise<string> {
  await mkdir(directory, { recursive: true });
  const logFile = join(directory, `${name}-${process.pid}.log`);
  opened.use(
    await startChild({
      ...{ name, command: process.execPath, logFile, withinMs: startWithinMs },
      args: ['tools/demo.ts', '--any-port', ...args],
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' },
      ready: async () => /Ctrl-C ends everything/.test(await readFile(logFile, 'utf8')),
    }),
  );
  return await readFile(logFile, 'utf8');
}

const webOf = (demo: string) => /^Open (\S+)$/m.exec(demo)?.[1] ?? assert.fail('no address');

describe('npm run demo -- --client --app', () => {
  const opened = new AsyncDisposableStack();
  const envFile = resolve(directory, 'my-web.env');
  let env: Record<string, string>;
  let demo: string;

  before(async () => {
    const redirect = `http://localhost:${await freePort()}/auth/callback`;
    const client = ['--client', 'my-web', '--redirect', redirect, '--env', envFile];
    demo = await startDemo(opened, 'demo', [...client, '--app', 'examples/spa']);
    env = parseEnv(await readFile(envFile, 'utf8')) as Record<string, string>;
    await writeFile(join(directory, 'app.mjs'), program);
    opened.use(
      await startChild({
        ...{ name: 'my-web', command: '/bin/sh' },
        // As the demo says to start it.
        args: ['-c', 'set -a; . "$0"; exec "$1" "$2"', envFile, process.execPath, join(directory, 'app.mjs')],
        logFile: join(directory, 'my-web.log'),
        ready: async () => (await fetch(`http://localhost:${env.PORT}/readyz`)).ok,
      }),
    );
  });
  after(() => opened.disposeAsync());

  it('signs a person in to an app that has nothing but the .env, and lets it call the API', async () => {
    using alice = new Visitor();
    await alice.open(`http://localhost:${env.PORT}/`);
    await alice.press('alice@');
    if (/Permissions requested/.test(alice.words)) await alice.press('Accept');
    const { status, body } = alice.page;
    assert.deepEqual([status, alice.page.url.port], [200, env.PORT], body);
    const { username, client_id } = JSON.parse(body);
    assert.deepEqual([username, client_id], ['alice@contoso.test', env.ENTRA_CLIENT_ID]);
  });

  it('puts a folder of files behind its frontend, which knows who is there', async () => {
    const web = webOf(demo);
    using alice = new Visitor();
    await alice.open(web);
    assert.match(alice.page.body, /<title>A single-page app<\/title>/);
    assert.equal((await alice.fetch('/session', { headers: { 'X-CSRF': '1' } })).status, 401);
    await alice.open(`${web}/sign-in?return_to=/`);
    await alice.press('alice@');
    if (/Permissions requested/.test(alice.words)) await alice.press('Accept');
    const { status, body } = await alice.fetch('/session', { headers: { 'X-CSRF': '1' } });
    assert.deepEqual([status, JSON.parse(body).person.name], [200, 'Alice Ahrens']);
  });

  it('prints what it wrote, which only its owner reads', async () => {
    for (const [name, value] of Object.entries(env)) assert.ok(demo.includes(`  ${name}=${value}\n`), name);
    assert.equal((await stat(envFile)).mode & 0o077, 0);
    assert.equal((await stat(env.BROKER_ASSERTION_FILE ?? '')).mode & 0o077, 0);
  });
});

describe('npm run demo -- --app http://…', () => {
  it('puts a server of somebody behind its frontend: people sign in before, and it is told who they are', async () => {
    await using opened = new AsyncDisposableStack();
    const asked: IncomingHttpHeaders[] = [];
    const server = createServer((req, res) => {
      asked.push(req.headers);
      res.setHeader('Content-Type', 'text/html').end(`<h1>My app</h1> ${req.headers['x-auth-name']} at ${req.url}`);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    opened.defer(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const demo = await startDemo(opened, 'demo-app', ['--app', `http://127.0.0.1:${port}`]);
    using alice = new Visitor();
    await alice.open(`${webOf(demo)}/orders?page=2`);
    assert.equal(asked.length, 0);
    await alice.press('alice@');
    if (/Permissions requested/.test(alice.words)) await alice.press('Accept');
    assert.match(alice.words, /My app Alice Ahrens at \/orders\?page=2/);
    const [, token = ''] = asked[0]?.authorization?.split(' ') ?? [];
    const keys = createRemoteJWKSet(new URL('/auth/jwks.json', webOf(demo)));
    const { payload } = await jwtVerify(token, keys, { audience: 'own-app' });
    assert.equal(payload.name, 'Alice Ahrens');
    assert.equal(asked[0]?.cookie, undefined);
  });
});
