import { strict as assert } from 'node:assert';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { introduce } from './command-line/introduce.ts';
import { readConfig } from './config.ts';
import { openConfigured } from './configured.ts';
import { type EntraEmulator, openEmulator } from './open-emulator.ts';
import { apiScope, readClaims, trust } from './rig.fake.ts';

const redirectUri = 'http://localhost:4000/auth/callback';

describe('openEmulator', () => {
  let emulator: EntraEmulator;
  before(async () => {
    emulator = await openEmulator({
      people: [{ upn: 'erin@contoso.test', name: 'Erin Eder', roles: ['Admin'] }, { upn: 'finn@contoso.test' }],
      clients: [
        { name: 'my-web', redirectUris: [redirectUri], secrets: [{ value: 'mine' }], adminConsent: [apiScope] },
      ],
    });
    trust(emulator.caPem);
  });
  after(() => emulator.close());
  beforeEach(() => emulator.reset());
  afterEach(() => emulator.faults.clear());

  /** An app's token of `job`, by its secret. */
  async function appToken() {
    const { clientId, secret = '' } = emulator.client('job');
    const form = { client_id: clientId, client_secret: secret, scope: 'api://onbehalf-api/.default' };
    const response = await fetch(`${emulator.authority}/oauth2/v2.0/token`, {
      method: 'POST',
      body: new URLSearchParams({ ...form, grant_type: 'client_credentials' }),
    });
    const text = await response.text();
    return { response, text, body: text.startsWith('{') ? JSON.parse(text) : {} };
  }

  async function codeOf(upn: string): Promise<string | null> {
    emulator.signInAs(upn);
    const query = new URLSearchParams({
      ...{ client_id: emulator.client('my-web').clientId, response_type: 'code', redirect_uri: redirectUri },
      ...{ scope: `openid ${apiScope}`, state: 'a' },
    });
    const url = `${emulator.browserOrigin}/${emulator.tenantId}/oauth2/v2.0/authorize?${query}`;
    const { headers } = await fetch(url, { redirect: 'manual' });
    return new URL(headers.get('location') ?? 'x:').searchParams.get('code');
  }

  it('has the people and clients that it was given, and keeps the APIs of the seed', async () => {
    assert.ok(await codeOf('finn@contoso.test'));
    const token = emulator.accessToken({ user: 'erin@contoso.test', client: 'my-web', scope: apiScope });
    const { name, roles, azp, oid, iss } = readClaims(token);
    assert.deepEqual([name, roles, iss], ['Erin Eder', ['Admin'], `${emulator.authority}/v2.0`]);
    assert.deepEqual([azp, oid], [emulator.client('my-web').clientId, emulator.oid('erin@contoso.test')]);
    assert.throws(() => emulator.signInAs('alice@contoso.test'), /no such user/);
    const unasked = emulator.accessToken({ user: 'finn@contoso.test', client: 'web', scope: apiScope });
    assert.deepEqual([readClaims(unasked).scp, readClaims(unasked).name], ['access_as_user', 'finn']);
  });

  it('gives the same ids to the same names each time', async () => {
    await using again = await openEmulator({ people: [{ upn: 'erin@contoso.test' }], clients: [{ name: 'my-web' }] });
    assert.equal(again.oid('erin@contoso.test'), emulator.oid('erin@contoso.test'));
    assert.equal(again.client('my-web').clientId, emulator.client('my-web').clientId);
  });

  it('throttles, refuses, is slow and is down, each until it is taken away', async () => {
    {
      using throttled = emulator.faults.throttle({ client: 'job', retryAfter: 7, count: 1 });
      const { response, text } = await appToken();
      assert.deepEqual([response.status, response.headers.get('retry-after'), text], [429, '7', 'Too Many Requests']);
      assert.equal((await appToken()).response.status, 200);
      assert.equal(throttled.hits, 1);
    }
    {
      using _ = emulator.faults.refuse(50196, { grant: 'client_credentials' });
      assert.deepEqual((await appToken()).body.error_codes, [50196]);
    }
    {
      using _ = emulator.faults.slow(60);
      const startedAtMs = performance.now();
      assert.equal((await appToken()).response.status, 200);
      assert.ok(performance.now() - startedAtMs >= 55);
    }
    {
      using _ = emulator.faults.respond(503, { body: { error: 'temporarily_unavailable' } });
      assert.equal((await appToken()).body.error, 'temporarily_unavailable');
    }
    {
      using _ = emulator.faults.down();
      await assert.rejects(appToken());
    }
    assert.equal((await appToken()).response.status, 200);
    const faults = emulator.requests().filter(({ outcome }) => outcome === 'fault');
    assert.equal(
      faults.reduce((sum, { count }) => sum + count, 0),
      4,
    );
  });

  it('lets the fault that was scripted last go first', async () => {
    using _ = emulator.faults.refuse(90033);
    using last = emulator.faults.refuse(50196, { count: 1 });
    assert.deepEqual((await appToken()).body.error_codes, [50196]);
    assert.deepEqual((await appToken()).body.error_codes, [90033]);
    assert.equal(last.hits, 1);
  });

  it('refuses a fault that says two things at once', () => {
    assert.throws(() => emulator.faults.throttle({ rate: 2 }), /rate/);
  });

  it('moves its clock, and reset sets it right', async () => {
    const issuedAt = async () => Number(readClaims((await appToken()).body.access_token).iat);
    const before = await issuedAt();
    emulator.advance(3_600);
    emulator.advance(600);
    assert.ok((await issuedAt()) - before >= 4_200);
    emulator.reset();
    assert.ok((await issuedAt()) - before < 60);
  });

  it('revokes what a person has, and disables them', async () => {
    const redeem = async (code: string) => {
      const { clientId: client_id, secret: client_secret = '' } = emulator.client('my-web');
      const form = { client_id, client_secret, redirect_uri: redirectUri, code, grant_type: 'authorization_code' };
      const body = new URLSearchParams(form);
      return (await fetch(`${emulator.authority}/oauth2/v2.0/token`, { method: 'POST', body })).status;
    };
    assert.equal(await redeem((await codeOf('erin@contoso.test')) ?? ''), 200);
    const revoked = (await codeOf('erin@contoso.test')) ?? '';
    emulator.revoke('erin@contoso.test');
    assert.equal(await redeem(revoked), 400);
    emulator.disable('erin@contoso.test');
    assert.equal(await codeOf('erin@contoso.test'), null);
    emulator.disable('erin@contoso.test', false);
    assert.ok(await codeOf('erin@contoso.test'));
  });

  it('mints any token, and rotates its keys', async () => {
    const kidOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid;
    const keys = async () => {
      const { keys } = (await (await fetch(`${emulator.authority}/discovery/v2.0/keys`)).json()) as {
        keys: { kid: string }[];
      };
      return keys.map(({ kid }) => kid);
    };
    const first = kidOf(await emulator.mint({ aud: 'mine' }));
    assert.ok(!(await keys()).includes(kidOf(await emulator.mint({ aud: 'mine' }, 'foreign'))));
    await emulator.rotateKeys();
    const second = kidOf(await emulator.mint({ aud: 'mine' }));
    assert.notEqual(first, second);
    assert.deepEqual((await keys()).filter((kid) => [first, second].includes(kid)).length, 2);
  });

  it('closes what it opened when a port is taken', async () => {
    const taken = Number(new URL(emulator.browserOrigin).port);
    const logger = createLogger({ level: 'silent', service: 'test' });
    const config = readConfig({ HTTPS_PORT: '0', HTTP_PORT: String(taken), ADMIN_PORT: '0' });
    await assert.rejects(
      openConfigured(config, logger),
      (error) => error instanceof ConfigError && error.message === `Port ${taken} is taken.`,
    );
  });

  it('says which file it cannot use, and why', async () => {
    const logger = createLogger({ level: 'silent', service: 'test' });
    const open = (SEED_FILE: string) => openConfigured(readConfig({ SEED_FILE }), logger);
    await assert.rejects(open('/nowhere.json'), { message: '/nowhere.json cannot be read: ENOENT.' });
    await assert.rejects(open('LICENSE'), /LICENSE: is not JSON/);
    await assert.rejects(open('package.json'), /seed file package\.json is not usable:\n {2}tenants: is required/);
  });

  it('introduces itself without a browser: authority, people, apps and their secrets', async () => {
    const logger = createLogger({ level: 'silent', service: 'test' });
    const config = readConfig({ HTTPS_PORT: '0', HTTP_PORT: '0', ADMIN_PORT: 'off', STATE_DIR: 'out/introduced' });
    await using opened = await openConfigured(config, logger);
    const text = introduce(opened, 'out/introduced');
    assert.match(text, new RegExp(`Authority +${opened.origin}/${opened.ids.tenants.contoso}`));
    assert.match(text, /NODE_EXTRA_CA_CERTS=out\/introduced\/ca\.pem/);
    assert.match(text, /People {5}alice@contoso\.test, .*dan@contoso\.test, without a password/);
    assert.match(text, /alice@contoso\.test, bob@contoso\.test/);
    assert.match(text, new RegExp(`web +${opened.ids.apps.web} {2}web-secret`));
    assert.match(text, /Admin +off/);
  });
});
