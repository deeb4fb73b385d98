import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { type Child, startChild } from '../kit/child.ts';
import { freePort } from '../kit/ports.ts';
import { type App, emulatorPackage, installApp, installNode, oldestNode } from './install.ts';

const run = promisify(execFile);
const withinMs = 30_000;

/** A web app's sign-in by code and PKCE with MSAL Node, as its README has it; the person says yes at once. */
const msalProgram = `
import { ConfidentialClientApplication, CryptoProvider } from '@azure/msal-node';
const { AUTHORITY: authority, ADMIN, CLIENT_ID: clientId, CLIENT_SECRET: clientSecret, REDIRECT: redirectUri } = process.env;
await fetch(ADMIN + '/interaction', { method: 'PUT', body: JSON.stringify({ mode: 'auto', user: 'alice@contoso.test' }) });
const auth = { clientId, clientSecret, authority, knownAuthorities: [new URL(authority).host] };
const msal = new ConfidentialClientApplication({ auth });
const { verifier, challenge } = await new CryptoProvider().generatePkceCodes();
const scopes = ['api://onbehalf-api/access_as_user'];
const url = await msal.getAuthCodeUrl({ scopes, redirectUri, codeChallenge: challenge, codeChallengeMethod: 'S256' });
const { headers } = await fetch(url, { redirect: 'manual' });
const code = new URL(headers.get('location')).searchParams.get('code');
const { account, accessToken } = await msal.acquireTokenByCode({ code, scopes, redirectUri, codeVerifier: verifier });
console.log(JSON.stringify({ username: account.username, segments: accessToken.split('.').length }));
`;

/** The README's block of TypeScript. */
async function readmeProgram(): Promise<string> {
  const page = await readFile('services/entra-emulator/README.md', 'utf8');
  return /^```ts\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? assert.fail('the README has no test');
}

/** A test as strict programs write it. */
const typedProgram = `
import { get } from 'node:https';
import { type EntraEmulator, openEmulator, type ScriptedFault } from '@onbehalf/entra-emulator';
await using emulator: EntraEmulator = await openEmulator({
  people: [{ upn: 'erin@contoso.test', roles: ['Admin'] }],
  clients: [{ name: 'my-web', redirectUris: ['http://localhost:4000/auth/callback'], secrets: [{ value: 's' }] }],
  signInAs: 'erin@contoso.test',
});
const status = (path: string) =>
  new Promise<number>((resolve, reject) =>
    get(emulator.authority + path, { ca: emulator.caPem }, (res) => resolve(res.resume().statusCode ?? 0)).on('error', reject),
  );
const discovery = '/v2.0/.well-known/openid-configuration';
const before = await status(discovery);
const fault: ScriptedFault = emulator.faults.throttle({ path: 'openid-configuration', count: 1, retryAfter: 2 });
const seen = [before, await status(discovery), await status(discovery)];
emulator.faults.refuse(50076, { user: 'erin@contoso.test', grant: 'refresh_token', claims: '{}' });
// @ts-expect-error: no such grant
const slow = () => emulator.faults.slow(10, { grant: 'password' });
// @ts-expect-error: no such member
const down = () => emulator.faults.down({ clients: 'web' });
emulator.advance(3_600);
emulator.revoke('erin@contoso.test');
const secret: string | undefined = emulator.client('my-web').secret;
const token: string = await emulator.mint({ aud: emulator.client('my-web').clientId });
console.log(JSON.stringify({ seen, hits: fault.hits, secret, segments: token.split('.').length }));
`;

describe('@onbehalf/entra-emulator, installed', () => {
  const opened = new AsyncDisposableStack();
  const nodes = new Map([['the newest', process.execPath]]);
  let app: App;

  before(async () => {
    const oldest = installNode(oldestNode);
    app = opened.use(await installApp(['@azure/msal-node@7', '@types/node@24'], emulatorPackage));
    nodes.set('the oldest', opened.use(await oldest).path);
    await app.write('app.ts', typedProgram);
    await app.write('readme.ts', await readmeProgram());
    await app.write('msal.js', msalProgram);
  });
  after(() => opened.disposeAsync());

  const pathOf = (age: string) => [dirname(nodes.get(age) ?? ''), process.env.PATH].join(delimiter);

  /** Starts the emulator by the name of its program, in the app's folder. */
  async function start(age: string, more: string[] = []): Promise<Child & { authority: string; admin: string }> {
    const [https, http, admin] = [await freePort(), await freePort(), await freePort()];
    const ports = ['--port', `${https}`, '--http-port', `${http}`, '--admin-port', `${admin}`];
    const program = join(app.folder, 'node_modules/.bin/entra-emulator');
    const child = await startChild({
      ...{ name: `emulator on ${age} Node`, command: program, withinMs },
      args: [...ports, '--state-dir', join(app.folder, 'state'), ...more],
      logFile: join(app.folder, `${age.replace(' ', '-')}.log`),
      env: { PATH: pathOf(age) },
      ready: async () => (await fetch(`http://127.0.0.1:${http}/readyz`)).ok,
    });
    const tenant = 'c0a70500-7e57-4000-8000-000000000001';
    return Object.assign(child, {
      authority: `https://localhost:${https}/${tenant}`,
      admin: `http://127.0.0.1:${admin}`,
    });
  }

  for (const age of ['the oldest', 'the newest']) {
    it(`signs MSAL Node in by code, on ${age} Node`, async () => {
      const redirect = 'https://my-app.test/auth/callback';
      await using emulator = await start(age, ['--redirect', redirect]);
      const { stdout } = await run(nodes.get(age) ?? '', ['msal.js'], {
        cwd: app.folder,
        timeout: withinMs,
        env: {
          ...{ AUTHORITY: emulator.authority, ADMIN: emulator.admin, REDIRECT: redirect },
          ...{ CLIENT_ID: '3eb00000-7e57-4000-8000-000000000011', CLIENT_SECRET: 'web-secret' },
          NODE_EXTRA_CA_CERTS: join(app.folder, 'state/ca.pem'),
        },
      });
      assert.deepEqual(JSON.parse(stdout), { username: 'alice@contoso.test', segments: 3 });
      const said = await readFile(emulator.logFile, 'utf8');
      assert.match(said, /^A stand-in for Microsoft Entra ID/m);
      assert.doesNotMatch(said, /Warning|Error/);
    });

    it(`is a typed part of a test, on ${age} Node`, async () => {
      const lib = ['--lib', 'es2022,esnext.disposable', '--target', 'es2022'];
      const args = ['--strict', '--exactOptionalPropertyTypes', ...lib, '--module', 'nodenext', 'app.ts', 'readme.ts'];
      await run(resolve('node_modules/.bin/tsc'), args, { cwd: app.folder }).catch((error) =>
        assert.fail(error.stdout),
      );
      // The page's own test needs a Node that can trust a CA while it runs.
      if (age === 'the newest') await run(process.execPath, ['readme.js'], { cwd: app.folder, timeout: withinMs });
      const { stdout, stderr } = await run(nodes.get(age) ?? '', ['app.js'], { cwd: app.folder, timeout: withinMs });
      const seen = { seen: [200, 429, 200], hits: 1, secret: 's', segments: 3 };
      assert.deepEqual([JSON.parse(stdout), stderr], [seen, '']);
    });
  }

  it('starts by npx, and tells its options and what is wrong in a sentence', async () => {
    const npx = (...args: string[]) =>
      run('npx', ['--no-install', '@onbehalf/entra-emulator', ...args], {
        ...{ cwd: app.folder, timeout: withinMs, env: { ...process.env, PATH: pathOf('the newest') } },
      });
    assert.match((await npx('--help')).stdout, /--redirect <uri>/);
    const failed = (args: string[]) =>
      npx(...args).then(
        () => '',
        ({ stderr }) => String(stderr),
      );
    assert.match(await failed(['--prot', '1']), /^Unknown option '--prot'/);
    assert.match(await failed(['--port', 'many']), /--port: /);
    assert.match(await failed(['--seed', 'nowhere.json']), /^nowhere\.json cannot be read: ENOENT\.$/m);
  });
});
