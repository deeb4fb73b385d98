import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { readConfig } from './config.ts';

const good = {
  PUBLIC_BASE_URL: 'https://app.example.com',
  ENTRA_TENANT_ID: '11111111-1111-4111-8111-111111111111',
  ENTRA_CLIENT_ID: '22222222-2222-4222-8222-222222222222',
  BROKER_URL: 'http://token-broker:8080',
  BROKER_ASSERTION_FILE: '/var/run/token',
  SESSION_KEYS_DIR: '/keys',
  APIS_FILE: '/apis.json',
};

describe('config', () => {
  it('reads a good environment, with Lax cookies and no trusted proxy unless said', () => {
    const config = readConfig({ ...good, TRUSTED_PROXIES: '10.0.0.0/8, ::1 loopback' });
    assert.deepEqual(config.trustedProxies, ['10.0.0.0/8', '::1', 'loopback']);
    assert.deepEqual(readConfig(good).trustedProxies, []);
    assert.equal(config.session.sameSite, 'lax');
    assert.equal(config.entra.authorityHost, 'https://login.microsoftonline.com');
  });

  it('asks for OpenID scopes at sign-in unless said, and then for those of one API besides', () => {
    const scopesOf = (value?: string) => readConfig({ ...good, SIGN_IN_SCOPES: value }).signInScopes;
    for (const none of [undefined, '']) assert.deepEqual(scopesOf(none), ['openid', 'profile', 'offline_access']);
    for (const said of [
      'openid offline_access',
      'openid email offline_access api://orders/Read api://orders/Write',
      'openid profile offline_access User.Read https://graph.microsoft.com/Mail.Read',
      'offline_access openid api://orders/.default',
    ]) {
      assert.deepEqual(scopesOf(`  ${said.replaceAll(' ', '  ')} openid `), said.split(' '));
    }
  });

  it('calls the product Onbehalf unless said, without a logo', () => {
    assert.deepEqual(readConfig(good).product, { name: 'Onbehalf', logoFile: undefined });
    const said = { ...good, PRODUCT_NAME: '  Löhne & Co ', LOGO_FILE: '/logo.svg' };
    assert.deepEqual(readConfig(said).product, { name: 'Löhne & Co', logoFile: '/logo.svg' });
  });

  it('takes http on loopback only: a browser keeps no __Host- cookie elsewhere', () => {
    for (const url of ['http://localhost:3000', 'http://127.0.0.1:1', 'http://a.localhost', 'http://[::1]:3000']) {
      assert.equal(JSON.stringify(readConfig({ ...good, PUBLIC_BASE_URL: url }).locations), JSON.stringify([url]));
    }
  });

  it('takes several locations in place of one, as a list', () => {
    const several = (value: string) =>
      JSON.stringify(readConfig({ ...good, PUBLIC_BASE_URL: '', PUBLIC_BASE_URLS: value }).locations);
    const [a, b] = ['https://a.example.com', 'https://b.example.com/shop'];
    for (const value of [`${a},${b}`, `${a}/ ${b}/`, ` ${a},\n ${b},`])
      assert.equal(several(value), JSON.stringify([a, b]));
    assert.throws(
      () => readConfig({ ...good, PUBLIC_BASE_URL: undefined }),
      /PUBLIC_BASE_URL: is required, or PUBLIC_BASE_URLS/,
    );
  });

  const bad: [keyof typeof good | string, string][] = [
    ['PUBLIC_BASE_URL', 'http://app.example.com'],
    ['PUBLIC_BASE_URL', 'http://localhost.example.com'],
    ['PUBLIC_BASE_URL', 'https://app.example.com/app'],
    ['PUBLIC_BASE_URL', ''],
    ['PUBLIC_BASE_URLS', 'https://b.example.com'],
    ['PUBLIC_BASE_URLS', 'http://b.example.com'],
    ['ENTRA_TENANT_ID', 'consumers'],
    ['ENTRA_AUTHORITY_HOST', 'http://login.example.com'],
    ['COOKIE_SAME_SITE', 'none'],
    ['RESPONSE_MODE', 'fragment'],
    ['SIGN_IN_SCOPES', 'openid profile'],
    ['SIGN_IN_SCOPES', 'profile offline_access'],
    ['SIGN_IN_SCOPES', 'openid offline_access orders'],
    ['SIGN_IN_SCOPES', 'openid offline_access api://orders/Read api://other/Read'],
    ['SIGN_IN_SCOPES', 'openid offline_access api://orders/Read User.Read'],
    ['SIGN_IN_SCOPES', 'openid offline_access api://orders/.default api://orders/Read'],
    ['SIGN_IN_SCOPES', 'openid offline_access "api://orders/Read"'],
    ['SIGN_IN_SCOPES', `openid offline_access api://orders/${'a'.repeat(1_000)}`],
    ['TRUSTED_PROXIES', 'everyone'],
    ['TRUSTED_PROXIES', '10.0.0.0/8,0.0.0.0/0'],
    ['TRUSTED_PROXIES', '::/0'],
    ['PUBLIC_RATE_PER_SECOND', '-7'],
    ['PRODUCT_NAME', 'x'.repeat(61)],
    ['PRODUCT_NAME', 'two\nlines'],
  ];
  for (const [key, value] of bad) {
    it(`refuses ${key}=${value} by name, without the value`, () => {
      assert.throws(
        () => readConfig({ ...good, [key]: value }),
        (error) =>
          error instanceof ConfigError && error.message.includes(key) && !(value && error.message.includes(value)),
      );
    });
  }
});
