import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { environment, readConfig } from './config.ts';

const env = {
  BROKER_URL: 'https://broker.test/',
  CLIENTS_FILE: '/etc/clients.json',
  CALLERS_ISSUER: 'https://kubernetes.default.svc',
  SEALING_KEYS_DIR: '/etc/keys',
  REDIS_URL: 'rediss://redis.test:6380',
};
const password = { REDIS_AUTH: 'password', REDIS_PASSWORD_FILE: '/etc/redis/password' };
const entra = {
  ...{ REDIS_AUTH: 'entra', AZURE_FEDERATED_TOKEN_FILE: '/etc/token' },
  ...{ REDIS_ENTRA_CLIENT_ID: randomUUID(), REDIS_ENTRA_TENANT_ID: randomUUID() },
};
const sentinel = {
  REDIS_MODE: 'sentinel',
  REDIS_SENTINEL_URLS: 'rediss://a.test:26379, rediss://b.test:26379',
  REDIS_SENTINEL_MASTER: 'the-master',
};
const fault = (more: Record<string, string | undefined>) => {
  try {
    readConfig({ ...env, ...more });
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  return undefined;
};

describe('the configuration', () => {
  it('needs five keys; the rest has defaults', () => {
    const config = readConfig(env);
    assert.equal(config.brokerUrl, 'https://broker.test');
    assert.equal(config.entra.authorityHost, 'https://login.microsoftonline.com');
    assert.deepEqual(
      [config.callers.audience, config.redis.server.mode, config.redis.auth],
      ['token-broker', 'standalone', { type: 'none' }],
    );
    assert.deepEqual(config.session, { idleSeconds: 3_600, absoluteSeconds: 43_200, perAccount: 20, rate: 50 });
    assert.deepEqual(config.l1, { maxBytes: 67_108_864, maxUnverifiedSeconds: 60 });
  });

  it('counts an empty value as absent', () => {
    assert.equal(readConfig({ ...env, REDIS_USERNAME: '', SESSION_RATE: ' ' }).session.rate, 50);
    assert.match(String(fault({ CLIENTS_FILE: '' })), /CLIENTS_FILE: is required/);
  });

  it('names everything that is wrong at once, and quotes nothing', () => {
    const canary = 'canary-7f3a';
    const wrong = Object.fromEntries(Object.keys(environment.shape).map((key) => [key, canary]));
    const { CLIENTS_FILE, CALLERS_AUDIENCE, SEALING_KEYS_DIR, BIND_ADDRESS, ...strict } = wrong;
    const free = [
      'CALLERS_CA_FILE',
      'CALLERS_TOKEN_FILE',
      'REDIS_USERNAME',
      'REDIS_PASSWORD_FILE',
      'REDIS_CA_FILE',
      'REDIS_CERT_FILE',
      'REDIS_KEY_FILE',
      'REDIS_KEY_PASSWORD_FILE',
      'REDIS_SENTINEL_MASTER',
      'REDIS_SENTINEL_USERNAME',
      'REDIS_SENTINEL_PASSWORD_FILE',
      'AZURE_FEDERATED_TOKEN_FILE',
    ];
    const named = Object.keys(strict).filter(
      (key) => ![...free, 'TLS_CERT_FILE', 'TLS_KEY_FILE', 'REDIS_KEY_PREFIX'].includes(key),
    );
    const message = String(fault(wrong));
    for (const key of named) assert.match(message, new RegExp(`^  ${key}: `, 'm'), key);
    assert.doesNotMatch(message, new RegExp(canary));
    const absent = String(fault(Object.fromEntries(Object.keys(env).map((key) => [key, undefined]))));
    for (const key of Object.keys(env)) assert.match(absent, new RegExp(`${key}: is required`));
  });

  it('says what Redis is by its mode and its way to sign in', () => {
    const { redis } = readConfig({ ...env, ...password, REDIS_USERNAME: 'broker' });
    assert.deepEqual(redis.server, { mode: 'standalone', url: 'rediss://redis.test:6380' });
    assert.deepEqual(redis.auth, { type: 'password', username: 'broker', passwordFile: '/etc/redis/password' });
    assert.deepEqual(readConfig({ ...env, ...entra }).redis.auth, {
      ...{ type: 'entra', clientId: entra.REDIS_ENTRA_CLIENT_ID, tenantId: entra.REDIS_ENTRA_TENANT_ID },
    });
    const cluster = { mode: 'cluster', url: 'rediss://redis.test:6380' };
    const inCluster = (more: object) => readConfig({ ...env, REDIS_MODE: 'cluster', ...more }).redis.server;
    assert.deepEqual(inCluster({}), { ...cluster, nodes: 'announced' });
    assert.deepEqual(inCluster({ REDIS_CLUSTER_NODES: 'same-host' }), { ...cluster, nodes: 'same-host' });
    const secret = { REDIS_SENTINEL_USERNAME: 'watcher', REDIS_SENTINEL_PASSWORD_FILE: '/etc/sentinel/password' };
    const watched = readConfig({ ...env, ...sentinel, ...secret }).redis;
    const sentinels = ['rediss://a.test:26379', 'rediss://b.test:26379'];
    assert.deepEqual(watched.server, {
      ...{ mode: 'sentinel', url: 'rediss://redis.test:6380', sentinels, master: 'the-master' },
    });
    assert.deepEqual(watched.sentinelAuth, {
      ...{ type: 'password', username: 'watcher', passwordFile: '/etc/sentinel/password' },
    });
  });

  it('sends a credential to Redis in the clear on this host only, unless it is told that it may', () => {
    for (const host of ['127.0.0.1', '127.8.8.8', 'localhost', 'LOCALHOST', '[::1]']) {
      assert.equal(fault({ ...password, REDIS_URL: `redis://${host}:6379` }), undefined, host);
    }
    const inNetwork = { REDIS_URL: 'redis://redis:6379' };
    assert.equal(fault({ ...password, ...inNetwork, REDIS_ALLOW_PLAINTEXT: 'true' }), undefined);
    assert.equal(fault({ ...entra, ...inNetwork, REDIS_ALLOW_PLAINTEXT: 'true' }), undefined);
    assert.equal(fault(inNetwork), undefined);
  });

  it('takes keys of callers over plain http from this host only, unless it is told that it may', () => {
    assert.equal(fault({ CALLERS_ISSUER: 'http://127.0.0.1:8000' }), undefined);
    assert.equal(fault({ CALLERS_ISSUER: 'http://cluster:8000', CALLERS_ALLOW_PLAINTEXT: 'true' }), undefined);
    // An issuer is a name; where its keys come from is what counts.
    const jwks = { CALLERS_JWKS_URI: 'https://cluster:8000/openid/v1/jwks' };
    assert.equal(fault({ CALLERS_ISSUER: 'http://cluster:8000', ...jwks }), undefined);
  });

  const rows: [Record<string, string>, string][] = [
    [{ BROKER_URL: 'https://user:secret@broker.test' }, 'BROKER_URL'],
    [{ BROKER_URL: 'https://broker.test/?x=1' }, 'BROKER_URL'],
    [{ BROKER_URL: 'ftp://broker.test' }, 'BROKER_URL'],
    [{ ENTRA_AUTHORITY_HOST: 'https://login.test/tenant' }, 'ENTRA_AUTHORITY_HOST'],
    [{ ENTRA_AUTHORITY_HOST: 'http://login.test' }, 'ENTRA_AUTHORITY_HOST'],
    [{ REDIS_URL: 'rediss://:secret@redis.test' }, 'REDIS_URL'],
    [{ REDIS_URL: 'redis://user@redis.test' }, 'REDIS_URL'],
    [{ REDIS_URL: 'https://redis.test' }, 'REDIS_URL'],
    [{ REDIS_KEY_PREFIX: 'a{b}' }, 'REDIS_KEY_PREFIX'],
    [{ ...password, REDIS_URL: 'redis://redis:6379' }, 'REDIS_URL'],
    [{ ...password, REDIS_URL: 'redis://127.0.0.1.redis.test:6379' }, 'REDIS_URL'],
    [{ ...password, REDIS_URL: 'redis://localhost.redis.test:6379' }, 'REDIS_URL'],
    [{ ...password, REDIS_URL: 'redis://[::2]:6379' }, 'REDIS_URL'],
    [{ ...password, REDIS_URL: 'redis://redis:6379', REDIS_ALLOW_PLAINTEXT: 'false' }, 'REDIS_URL'],
    [{ ...entra, REDIS_URL: 'redis://redis:6379' }, 'REDIS_URL'],
    [{ REDIS_ALLOW_PLAINTEXT: 'yes' }, 'REDIS_ALLOW_PLAINTEXT'],
    [{ REDIS_MODE: 'sentinels' }, 'REDIS_MODE'],
    [{ REDIS_CLUSTER_NODES: 'same-host' }, 'REDIS_CLUSTER_NODES'],
    [{ REDIS_MODE: 'cluster', REDIS_CLUSTER_NODES: 'elsewhere' }, 'REDIS_CLUSTER_NODES'],
    [{ ...sentinel, REDIS_SENTINEL_URLS: '' }, 'REDIS_SENTINEL_URLS'],
    [{ ...sentinel, REDIS_SENTINEL_URLS: 'a.test:26379' }, 'REDIS_SENTINEL_URLS'],
    [{ ...sentinel, REDIS_SENTINEL_URLS: 'https://a.test:26379' }, 'REDIS_SENTINEL_URLS'],
    [{ ...sentinel, REDIS_SENTINEL_URLS: 'rediss://a.test,rediss://:secret@b.test' }, 'REDIS_SENTINEL_URLS'],
    [{ ...sentinel, REDIS_SENTINEL_URLS: 'rediss://a.test/the-master' }, 'REDIS_SENTINEL_URLS'],
    [{ ...sentinel, REDIS_SENTINEL_MASTER: '' }, 'REDIS_SENTINEL_MASTER'],
    [{ ...sentinel, REDIS_SENTINEL_MASTER: 'a master' }, 'REDIS_SENTINEL_MASTER'],
    [{ ...sentinel, REDIS_SENTINEL_USERNAME: 'watcher' }, 'REDIS_SENTINEL_PASSWORD_FILE'],
    [
      { ...sentinel, REDIS_SENTINEL_URLS: 'redis://a.test:26379', REDIS_SENTINEL_PASSWORD_FILE: '/p' },
      'REDIS_SENTINEL_URLS',
    ],
    [{ REDIS_SENTINEL_URLS: 'rediss://a.test' }, 'REDIS_SENTINEL_URLS'],
    [{ REDIS_SENTINEL_MASTER: 'the-master' }, 'REDIS_SENTINEL_MASTER'],
    [{ REDIS_SENTINEL_USERNAME: 'watcher' }, 'REDIS_SENTINEL_USERNAME'],
    [{ REDIS_SENTINEL_PASSWORD_FILE: '/p' }, 'REDIS_SENTINEL_PASSWORD_FILE'],
    [{ REDIS_URL: 'redis://localhost', REDIS_CERT_FILE: '/tls/crt' }, 'REDIS_CERT_FILE'],
    [{ REDIS_KEY_FILE: '/tls/key' }, 'REDIS_KEY_FILE'],
    [{ REDIS_KEY_PASSWORD_FILE: '/tls/password' }, 'REDIS_KEY_PASSWORD_FILE'],
    [{ CALLERS_ISSUER: 'http://cluster:8000' }, 'CALLERS_ISSUER'],
    [{ CALLERS_JWKS_URI: 'http://cluster:8000/openid/v1/jwks' }, 'CALLERS_JWKS_URI'],
    [{ REDIS_AUTH: 'password' }, 'REDIS_PASSWORD_FILE'],
    [{ REDIS_AUTH: 'entra' }, 'REDIS_ENTRA_CLIENT_ID'],
    [{ REDIS_AUTH: 'entra' }, 'REDIS_ENTRA_TENANT_ID'],
    [{ REDIS_AUTH: 'entra' }, 'AZURE_FEDERATED_TOKEN_FILE'],
    [{ REDIS_ENTRA_CLIENT_ID: 'x' }, 'REDIS_ENTRA_CLIENT_ID'],
    [{ TLS_CERT_FILE: '/tls/crt' }, 'TLS_KEY_FILE'],
    [{ TLS_KEY_FILE: '/tls/key' }, 'TLS_KEY_FILE'],
    [{ SESSION_IDLE_SECONDS: '59' }, 'SESSION_IDLE_SECONDS'],
    [{ SESSION_IDLE_SECONDS: '7200', SESSION_ABSOLUTE_SECONDS: '3600' }, 'SESSION_IDLE_SECONDS'],
    [{ SESSION_IDLE_SECONDS: '1e99' }, 'SESSION_IDLE_SECONDS'],
    [{ SESSIONS_PER_ACCOUNT: '0' }, 'SESSIONS_PER_ACCOUNT'],
    [{ SESSION_RATE: '0' }, 'SESSION_RATE'],
    [{ CALLERS_RATE: '-1' }, 'CALLERS_RATE'],
    [{ L1_MAX_BYTES: '1000' }, 'L1_MAX_BYTES'],
    [{ L1_MAX_UNVERIFIED_SECONDS: '-1' }, 'L1_MAX_UNVERIFIED_SECONDS'],
    [{ HTTP_PORT: '99999' }, 'HTTP_PORT'],
  ];
  for (const [more, key] of rows) {
    it(`refuses ${JSON.stringify(more)} and names ${key}`, () => {
      const message = String(fault(more));
      assert.match(message, new RegExp(`^  ${key}: `, 'm'));
      assert.doesNotMatch(message, /secret/);
    });
  }
});
