import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfig } from './config.ts';

const env = {
  ENTRA_AUDIENCE: 'A9100000-7e57-4000-8000-000000000021',
  ENTRA_TENANTS: 'c0de0000-7e57-4000-8000-000000000001,c0de0000-7e57-4000-8000-000000000002',
  BROKER_URL: 'http://token-broker:8080/',
  BROKER_ASSERTION_FILE: '/var/run/secrets/token-broker/token',
};

describe('the configuration', () => {
  it('has defaults for what is Microsoft’s, and none for what is yours', () => {
    const { entra, broker, graph } = readConfig(env);
    assert.deepEqual(entra, {
      authorityHost: 'https://login.microsoftonline.com',
      audience: 'a9100000-7e57-4000-8000-000000000021',
      tenants: ['c0de0000-7e57-4000-8000-000000000001', 'c0de0000-7e57-4000-8000-000000000002'],
      allowedClients: [],
    });
    assert.deepEqual(broker, { url: 'http://token-broker:8080', assertionFile: env.BROKER_ASSERTION_FILE });
    assert.deepEqual(graph, {
      baseUrl: 'https://graph.microsoft.com',
      scope: 'https://graph.microsoft.com/User.Read',
    });
    for (const name of Object.keys(env))
      assert.throws(() => readConfig({ ...env, [name]: '' }), new RegExp(`${name}: is required`));
  });

  it('takes an authority and a Graph on this host over plain http', () => {
    const { entra, graph } = readConfig({
      ...env,
      ENTRA_AUTHORITY_HOST: 'http://127.0.0.1:9440',
      GRAPH_BASE_URL: 'http://localhost:9440',
    });
    assert.deepEqual([entra.authorityHost, graph.baseUrl], ['http://127.0.0.1:9440', 'http://localhost:9440']);
  });

  for (const [name, value] of [
    ['ENTRA_AUDIENCE', 'api://onbehalf-api'],
    ['ENTRA_TENANTS', 'common'],
    ['ENTRA_TENANTS', ' , '],
    ['ENTRA_ALLOWED_CLIENTS', 'web'],
    ['ENTRA_ALLOWED_CLIENTS', ''],
    ['ENTRA_ALLOWED_CLIENTS', ' '],
    ['ENTRA_ALLOWED_CLIENTS', ' , '],
    ['ENTRA_AUTHORITY_HOST', 'login.microsoftonline.com'],
    ['ENTRA_AUTHORITY_HOST', 'http://login.microsoftonline.com'],
    ['ENTRA_AUTHORITY_HOST', 'http://127.0.0.1.login.test'],
    ['GRAPH_BASE_URL', 'http://graph.microsoft.com'],
    ['BROKER_URL', 'http://token-broker:8080/?x'],
    ['GRAPH_BASE_URL', 'https://graph.microsoft.com/v1.0'],
  ] as const) {
    it(`refuses ${name}=${value} by name`, () => {
      assert.throws(() => readConfig({ ...env, [name]: value }), { name: 'ConfigError', message: new RegExp(name) });
    });
  }
});
