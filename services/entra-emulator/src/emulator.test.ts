import { strict as assert } from 'node:assert';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { builtInSeed } from './directory/seed.ts';
import { createEmulator } from './emulator.ts';
import { fakeIssuer } from './issuer.fake.ts';
import { openRig, type Rig, readClaims } from './rig.fake.ts';

describe('the emulator', () => {
  const lines: string[] = [];
  let rig: Rig;
  before(async () => {
    const logger = createLogger({ level: 'trace', service: 'entra-emulator' }, { write: (line) => lines.push(line) });
    rig = await openRig({ logger });
  });
  after(() => rig.emulator.close());

  const get = (path: string, init: RequestInit = {}) => fetch(`${rig.emulator.origin}${path}`, init);

  it('is discovered as Entra is', async () => {
    const { origin, browserOrigin } = rig.emulator;
    const read = async (segment: string) =>
      (await (await get(`/${segment}/v2.0/.well-known/openid-configuration`)).json()) as Record<string, unknown>;
    const own = await read('contoso.test');
    assert.equal(own.issuer, `${origin}/${rig.tenant}/v2.0`);
    assert.equal(own.authorization_endpoint, `${browserOrigin}/${rig.tenant}/oauth2/v2.0/authorize`);
    assert.equal(own.token_endpoint, `${origin}/${rig.tenant}/oauth2/v2.0/token`);
    assert.deepEqual(own.subject_types_supported, ['pairwise']);
    assert.equal((await read('organizations')).issuer, `${origin}/{tenantid}/v2.0`);
    const instance = (await (await get('/common/discovery/instance?api-version=1.1')).json()) as { metadata: object[] };
    const { host } = new URL(origin);
    assert.deepEqual(instance.metadata, [{ preferred_network: host, preferred_cache: host, aliases: [host] }]);
  });

  it('leaves default ports out of its issuer and endpoints', async () => {
    await using plain = await createEmulator({ origin: 'https://localhost:443', browserOrigin: 'http://localhost:80' });
    assert.deepEqual([plain.origin, plain.browserOrigin], ['https://localhost', 'http://localhost']);
    const response = await fetch(`${plain.admin}/mint`, { method: 'POST', body: '{"claims":{}}' });
    const { token } = (await response.json()) as { token: string };
    assert.equal(readClaims(token).iss, `https://localhost/${plain.ids.tenants.contoso}/v2.0`);
  });

  it('serves the same over plain http, for browsers', async () => {
    const { browserOrigin } = rig.emulator;
    assert.equal((await fetch(`${browserOrigin}/readyz`)).status, 200);
    assert.equal((await fetch(`${browserOrigin}/${rig.tenant}/discovery/v2.0/keys`)).status, 200);
  });

  it('sets a cookie that fits the way it came', async () => {
    const url = rig.authorizeUrl().replace(rig.emulator.browserOrigin, rig.emulator.origin);
    assert.match((await fetch(url)).headers.get('set-cookie') ?? '', /SameSite=None; Secure$/);
  });

  it('responds to bad requests without harm', async () => {
    assert.equal((await get('/')).status, 404);
    assert.equal((await get('/%zz/oauth2/v2.0/token')).status, 405);
    const wrongMethod = await get(`/${rig.tenant}/oauth2/v2.0/token`);
    assert.deepEqual([wrongMethod.status, wrongMethod.headers.get('allow')], [405, 'POST']);
    const tooLarge = await get(`/${rig.tenant}/oauth2/v2.0/token`, { method: 'POST', body: 'a'.repeat(100_001) });
    assert.equal(tooLarge.status, 413);
    const notForm = await get(`/${rig.tenant}/oauth2/v2.0/token`, { method: 'POST', body: '{}' });
    assert.equal(notForm.status, 400);
    const basic = { authorization: `Basic ${Buffer.from('%zz:x').toString('base64')}` };
    const badBasic = await rig.post({ grant_type: 'refresh_token' }, { headers: basic });
    assert.equal(badBasic.body.error, 'invalid_request');
    assert.equal((await rig.refresh('2.x', 'openid', { claims: 'no json' })).status, 400);
  });

  it('lets a Graph token read the profile only with the scope for it', async () => {
    await rig.code('alice@contoso.test', { scope: 'openid email Mail.Read' });
    const { refresh_token = '' } = await rig.tokens();
    const ask = async (scope: string, path: string) => {
      const { body } = await rig.refresh(refresh_token, scope);
      return get(path, { headers: { authorization: `Bearer ${body.access_token}` } });
    };
    assert.equal((await ask('Mail.Read', '/v1.0/me')).status, 403);
    assert.equal((await ask('Mail.Read', '/oidc/userinfo')).status, 403);
    const info = (await (await ask('openid email', '/oidc/userinfo')).json()) as Record<string, unknown>;
    assert.deepEqual([info.name, info.email], ['Alice Ahrens', 'alice@contoso.test']);
    for (const authorization of ['', 'Bearer x', 'Bearer a.b.c']) {
      assert.equal((await get('/v1.0/me', { headers: { authorization } })).status, 401);
    }
  });

  it('remembers requests: tokens as hashes, the user and the trace', async () => {
    const since = Date.now() / 1000;
    const { refresh_token = '' } = await rig.tokens();
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`;
    const form = { ...rig.web, grant_type: 'refresh_token', refresh_token, scope: 'openid' };
    await rig.post(form, { headers: { traceparent } });
    const seen = await rig.admin('GET', `/requests?since=${since}`);
    const last = seen.at(-1);
    assert.deepEqual(
      [last.endpoint, last.grant, last.client, last.auth, last.user, last.scope, last.outcome, last.traceparent],
      ['token', 'refresh_token', 'web', 'secret', 'alice@contoso.test', 'openid', 'ok', traceparent],
    );
    assert.match(last.tokens.refresh_token, /^[0-9a-f]{64}$/);
    assert.ok(!JSON.stringify(seen).includes(refresh_token));
  });

  it('logs no token, code, secret or e-mail address', async () => {
    await rig.onBehalf((await rig.tokens()).access_token);
    await rig.post({ ...rig.web, client_secret: 'wrong-secret', grant_type: 'refresh_token' });
    const log = lines.join('');
    assert.ok(lines.length > 10);
    assert.doesNotMatch(log, /eyJ|@|web-secret|wrong-secret|[12]\.[\w-]{44}/);
  });

  it('goes back to the seed', async () => {
    await rig.admin('PATCH', '/apps/web', { redirectUris: ['https://app.example.com/cb'] });
    await rig.admin('POST', '/users/alice@contoso.test/disable');
    await rig.admin('PUT', '/clock', { offsetSeconds: 99 });
    const changed = await rig.admin('GET', '/state');
    await rig.admin('POST', '/reset');
    const state = await rig.admin('GET', '/state');
    assert.deepEqual(changed.apps[0].redirectUris, ['https://app.example.com/cb']);
    assert.equal(state.apps[0].redirectUris.length, 2);
    assert.equal(state.users[0].disabled, false);
    assert.equal(state.clock.offsetSeconds, 0);
    assert.deepEqual(state.keys, changed.keys);
  });

  it('refuses malformed admin requests', async () => {
    for (const [method, path, body, status] of [
      ['GET', '/nothing', undefined, 404],
      ['POST', '/users/nobody/revoke', undefined, 404],
      ['PATCH', '/apps/nothing', {}, 404],
      ['PATCH', '/apps/web', { policy: 'maybe' }, 400],
      ['PUT', '/clock', { offset: 1 }, 400],
      ['PUT', '/switches', { flat: true }, 400],
      ['PUT', '/interaction', { mode: 'auto' }, 400],
      ['POST', '/mint', { key: 'active' }, 400],
      ['POST', '/mint', { claims: {}, key: 'retired' }, 409],
    ] as const) {
      await assert.rejects(rig.admin(method, path, body), new RegExp(`: ${status} `), `${method} ${path}`);
    }
  });

  it('ends sessions on command', async () => {
    const person = rig.person();
    await person.signIn(rig.authorizeUrl(), 'alice@contoso.test');
    await rig.admin('DELETE', '/sessions?user=bob@contoso.test');
    assert.ok((await person.visit(rig.authorizeUrl({ prompt: 'none' })))?.parameters.get('code'));
    await rig.admin('DELETE', '/sessions');
    assert.ok((await person.visit(rig.authorizeUrl({ prompt: 'none' })))?.parameters.get('error'));
  });

  it('keeps its certificate in the state directory, for its owner only, and never the CA’s key', async () => {
    const stateDir = await mkdtemp(join(tmpdir(), 'emulator-'));
    const read = (name: string) => readFile(join(stateDir, name), 'utf8');
    await (await createEmulator({ stateDir })).close();
    const [ca, certificate] = [await read('ca.pem'), await read('tls.pem')];
    await (await createEmulator({ stateDir })).close();
    assert.deepEqual([await read('ca.pem'), await read('tls.pem')], [ca, certificate]);
    assert.deepEqual((await readdir(stateDir)).sort(), ['ca.pem', 'tls.key', 'tls.pem', 'web.key', 'web.pem']);
    assert.equal((await stat(join(stateDir, 'tls.key'))).mode & 0o777, 0o600);
    for (const name of await readdir(stateDir)) assert.match(await read(name), /-----END [A-Z ]+-----\n$/, name);
    await (await createEmulator({ stateDir, tlsNames: ['localhost', 'other.test'] })).close();
    assert.notEqual(await read('tls.pem'), certificate);
    await rm(stateDir, { recursive: true });
  });

  it('ends the last line of every PEM, and replaces a kept file without that end', async () => {
    const stateDir = await mkdtemp(join(tmpdir(), 'emulator-'));
    const file = join(stateDir, 'ca.pem');
    const first = await createEmulator({ stateDir });
    await first.close();
    await writeFile(file, first.caPem.trimEnd());
    await using second = await createEmulator({ stateDir });
    assert.notEqual(second.caPem, first.caPem);
    const { cert, key } = second.clientCertificates.web ?? {};
    for (const pem of [first.caPem, second.caPem, cert, key]) assert.match(String(pem), /-----END [A-Z ]+-----\n$/);
    await rm(stateDir, { recursive: true });
  });

  it('takes another seed, people for load, another frontend, and no admin', async () => {
    const seed = { ...(builtInSeed as object), generate: [{ prefix: 'load', n: 3, tid: 'contoso.test' }] };
    await using other = await openRig({ seed, frontendOrigin: 'http://localhost:4321' });
    const { apps, users } = await other.admin('GET', '/state');
    assert.deepEqual(apps[0].redirectUris, ['http://localhost:4321/auth/callback', 'http://localhost:4321/']);
    assert.ok(users.some(({ upn }: { upn: string }) => upn === 'load00003@contoso.test'));
    const { access_token } = await other.tokens('load00002@contoso.test');
    assert.equal((await other.onBehalf(access_token)).status, 200);
    await using closed = await createEmulator({ adminPort: 'off' });
    assert.equal(closed.admin, undefined);
    await assert.rejects(createEmulator({ seed: { tenants: [] } }));
  });

  it('trusts a broker of another namespace and name in place of the seed’s', async () => {
    const issuer = await fakeIssuer();
    const subject = 'system:serviceaccount:team-a:onbehalf-token-broker';
    await using other = await openRig({ federatedIssuers: [{ issuer: issuer.url }], federatedSubjects: [subject] });
    const askedAs = async (claims: Record<string, unknown>) => {
      const { status } = await other.post({
        ...{
          grant_type: 'client_credentials',
          client_id: other.ids.apps.api,
          scope: 'https://graph.microsoft.com/.default',
        },
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await issuer.token(claims),
      });
      return status;
    };
    assert.deepEqual([await askedAs({ sub: subject }), await askedAs({})], [200, 401]);
    await issuer.close();
  });

  it('signs generated people in without a page, if it is started so', async () => {
    await using other = await openRig({ people: 2, interaction: 'auto' });
    const { users } = await other.admin('GET', '/state');
    assert.ok(users.some(({ upn }: { upn: string }) => upn === 'load00002@contoso.test'));
    const landing = await other.person().visit(other.authorizeUrl({ login_hint: 'load00002@contoso.test' }));
    assert.ok(landing?.parameters.get('code'));
    for (const login_hint of [undefined, 'alice@contoso.test']) {
      assert.equal(await other.person().visit(other.authorizeUrl({ login_hint })), undefined, 'a page asks');
    }
  });

  it('does not share the bearer check of those it is there to test', async () => {
    const sources = (await readdir(import.meta.dirname, { recursive: true })).filter(
      (name) => name.endsWith('.ts') && !name.includes('.test.'),
    );
    for (const name of sources) {
      const source = await readFile(join(import.meta.dirname, name), 'utf8');
      assert.doesNotMatch(source, /chassis\/auth\/(bearer|challenge|signing-keys)/, name);
    }
  });
});
