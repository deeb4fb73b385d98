import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { ConfigError } from '../core/config-error.ts';
import { readOptions, type WebOptions } from './options.ts';

const key = () => randomBytes(32).toString('base64');
const id = '11111111-1111-4111-8111-111111111111';
const options: WebOptions = {
  ...{ tenant: id, clientId: id, publicBaseUrl: 'https://app.test', keys: [key(), key()] },
  broker: { url: 'http://broker:8080', assertion: '/run/token' },
};
const environment = {
  ...{ ENTRA_TENANT_ID: id, ENTRA_CLIENT_ID: id, PUBLIC_BASE_URL: 'https://app.test', SESSION_KEYS_DIR: '/keys' },
  ...{ BROKER_URL: 'http://broker:8080', BROKER_ASSERTION_FILE: '/run/token' },
};

/** What a ConfigError says of these options. */
function refusal(more: object, env: NodeJS.ProcessEnv = {}): string {
  try {
    readOptions({ ...options, ...more }, env);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  return 'taken';
}

describe('the options of onbehalf', () => {
  it('are read from the environment where they are not given, and win where they are', () => {
    const { locations, broker, keys, session, trustedProxies, publicRate } = readOptions(
      { sameSite: 'strict' },
      { ...environment, COOKIE_SAME_SITE: 'lax', TRUSTED_PROXIES: 'loopback, 10.0.0.0/8', PUBLIC_RATE_BURST: '7' },
    );
    assert.deepEqual([locations.first.url, broker, keys], ['https://app.test', { url: 'http://broker:8080' }, '/keys']);
    assert.deepEqual([session.sameSite, trustedProxies], ['strict', ['loopback', '10.0.0.0/8']]);
    assert.deepEqual(publicRate, { perSecond: 10, burst: 7 });
    const several = readOptions(
      {},
      { ...environment, PUBLIC_BASE_URL: '', PUBLIC_BASE_URLS: 'https://a.test https://b.test/x' },
    );
    assert.deepEqual(several.locations.hosts, ['a.test', 'b.test']);
    assert.equal(readOptions(options, environment).locations.first.url, 'https://app.test');
  });

  it('seal with the first key and open with all, each by a name that every pod gives it', () => {
    const [one, two] = [readOptions(options, {}).keys, readOptions(options, {}).keys];
    assert.ok(typeof one === 'object' && typeof two === 'object');
    assert.deepEqual([one.current, [...one.keys.keys()]], [two.current, [...two.keys.keys()]]);
    assert.equal(one.keys.size, 2);
    assert.equal([...one.keys.keys()][0], one.current);
  });

  it('that are missing are named all at once, each with its word in the environment', () => {
    const [, ...lines] = refusal({
      tenant: undefined,
      clientId: undefined,
      publicBaseUrl: undefined,
      broker: {},
      keys: undefined,
    }).split('\n');
    const names = lines.map((line) => /^ {2}(\S+ \([A-Z_]+\)): /.exec(line)?.[1]);
    assert.deepEqual(names, [
      'tenant (ENTRA_TENANT_ID)',
      'clientId (ENTRA_CLIENT_ID)',
      'publicBaseUrl (PUBLIC_BASE_URL)',
      'broker.url (BROKER_URL)',
      'broker.assertion (BROKER_ASSERTION_FILE)',
      'keys (SESSION_KEYS_DIR)',
    ]);
  });

  const bad: [what: string, more: object, says: RegExp][] = [
    ['a name that is none', { tenants: 'canary' }, /does not know tenants/],
    ['a tenant by name', { tenant: 'canary.test' }, /tenant \(ENTRA_TENANT_ID\): must be a GUID/],
    [
      'a public URL over plain http',
      { publicBaseUrl: 'http://canary.test' },
      /publicBaseUrl \(PUBLIC_BASE_URL\): must be https/,
    ],
    [
      'a public URL twice',
      { publicBaseUrl: ['https://canary.test', 'https://canary.test'] },
      /must not have a URL twice/,
    ],
    ['no public URL in a list', { publicBaseUrl: [] }, /publicBaseUrl \(PUBLIC_BASE_URL\): must have a URL/],
    [
      'a key of 16 bytes',
      { keys: [randomBytes(16).toString('base64')] },
      /keys \(SESSION_KEYS_DIR\)\.0: must be 32 bytes/,
    ],
    ['no key', { keys: [] }, /keys \(SESSION_KEYS_DIR\): must have a key/],
    [
      'an assertion that is no file',
      { broker: { url: 'http://b', assertion: 1 } },
      /broker\.assertion \(BROKER_ASSERTION_FILE\): must be/,
    ],
    [
      'a part of broker that is none',
      { broker: { ...options.broker, secret: 'canary' } },
      /does not know broker\.secret/,
    ],
    ['a cookie that crosses sites', { sameSite: 'none' }, /sameSite \(COOKIE_SAME_SITE\): must be lax or strict/],
    [
      'everybody as a proxy',
      { trustedProxies: ['0.0.0.0/0'] },
      /trustedProxies \(TRUSTED_PROXIES\)[\s\S]*must not be everybody/,
    ],
    [
      'a scope of sign-in too few',
      { signInScopes: ['openid'] },
      /signInScopes \(SIGN_IN_SCOPES\): must hold openid and offline_access/,
    ],
    ['an API without scopes', { apis: { canary: { url: 'https://api.test' } } }, /scopes: is required/],
    [
      'an API of two resources',
      { apis: { a: { url: 'https://api.test', scopes: ['a/x', 'b/y'] } } },
      /must keep to one resource/,
    ],
    ['a rate of nothing', { publicRate: { perSecond: 0 } }, /publicRate\.perSecond \(PUBLIC_RATE_PER_SECOND\)/],
  ];
  for (const [what, more, says] of bad) {
    it(`refuse ${what}, by name and without the value`, () => {
      const message = refusal(more);
      assert.match(message, says);
      assert.doesNotMatch(message.replace('canary.scopes', ''), /canary/);
    });
  }
});
