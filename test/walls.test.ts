import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';

/** The packages that a production installation of one service holds, as `npm ls` tells. */
function productionPackages(service: string): string[] {
  const args = ['ls', '--all', '--omit=dev', '--parseable', '--workspace', `services/${service}`];
  const { stdout } = spawnSync('npm', args, { encoding: 'utf8' });
  const folders = stdout.split('\n').filter((line) => line.includes('/node_modules/'));
  return [...new Set(folders.map((folder) => folder.slice(folder.lastIndexOf('/node_modules/') + 14)))];
}

const holdsSecrets = /^(@azure\/|@redis\/|redis$)/;

describe('walls between the services', () => {
  it('web-frontend is installed without MSAL and without redis', () => {
    const packages = productionPackages('web-frontend');
    assert.ok(packages.includes('openid-client'), 'npm ls tells nothing');
    assert.deepEqual(
      packages.filter((name) => holdsSecrets.test(name)),
      [],
    );
  });

  it('downstream-api is installed without MSAL, redis and openid-client', () => {
    const packages = productionPackages('downstream-api');
    assert.ok(packages.includes('jose'), 'npm ls tells nothing');
    assert.deepEqual(
      packages.filter((name) => holdsSecrets.test(name) || name === 'openid-client'),
      [],
    );
  });

  it('only token-broker is installed with both', () => {
    const packages = productionPackages('token-broker');
    assert.ok(packages.includes('@azure/msal-node') && packages.includes('redis'));
    assert.ok(!packages.includes('openid-client'));
  });
});
