import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { productionPermit, readConfig } from './config.ts';

describe('the configuration', () => {
  it('has the usual ports and stays on this machine', () => {
    const { emulator } = readConfig({});
    const { httpsPort, httpPort, adminPort, host, profile, signing } = emulator;
    assert.deepEqual([httpsPort, httpPort, adminPort, host], [9443, 9440, 9444, '127.0.0.1']);
    assert.deepEqual([profile, signing], ['split', 'each']);
    assert.equal(readConfig({ ADMIN_PORT: 'off' }).emulator.adminPort, 'off');
  });

  it('refuses production unless told in so many words', () => {
    assert.throws(() => readConfig({ NODE_ENV: 'production' }), /without a password/);
    assert.throws(() => readConfig({ NODE_ENV: 'production', EMULATOR_IN_PRODUCTION: 'true' }), ConfigError);
    assert.ok(readConfig({ NODE_ENV: 'production', EMULATOR_IN_PRODUCTION: productionPermit }));
    assert.ok(readConfig({ NODE_ENV: 'development' }));
  });

  it('reads the federated issuers, and has none by default', () => {
    assert.deepEqual(readConfig({ FEDERATED_SUBJECTS: 'a, b' }).emulator.federatedSubjects, ['a', 'b']);
    assert.equal(readConfig({}).emulator.federatedSubjects, undefined);
  });

  it('reads outside issuers from JSON', () => {
    const issuers = [{ issuer: 'https://kubernetes.default.svc', caFile: '/ca.crt', bearerTokenFile: '/token' }];
    const { emulator } = readConfig({ FEDERATED_ISSUERS: JSON.stringify(issuers) });
    assert.deepEqual(emulator.federatedIssuers, issuers);
  });

  it('names every fault at once', () => {
    const wrong = { HTTPS_PORT: 'x', PROFILE: 'both', TLS_KEY_FILE: 'key.pem', FEDERATED_ISSUERS: '{' };
    assert.throws(
      () => readConfig(wrong),
      (error: Error) => ['HTTPS_PORT', 'PROFILE', 'FEDERATED_ISSUERS'].every((key) => error.message.includes(key)),
    );
    assert.throws(() => readConfig({ TLS_KEY_FILE: 'key.pem' }), /TLS_CERT_FILE/);
  });
});
