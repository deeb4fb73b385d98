import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';

/** The packages that a production installation of one service holds, as `npm ls` tells. */
async function productionPackages(service: string): Promise<string[]> {
  const args = ['ls', '--all', '--omit=dev', '--parseable', '--workspace', `services/${service}`];
  const { stdout } = await promisify(execFile)('npm', args, { timeout: 60_000 });
  const folders = stdout.split('\n').filter((line) => line.includes('/node_modules/'));
  return [...new Set(folders.map((folder) => folder.slice(folder.lastIndexOf('/node_modules/') + 14)))];
}

const holdsSecrets = /^(@azure\/|@redis\/|redis$)/;

describe('walls between the services', { concurrency: true }, () => {
  it('web-frontend is installed without MSAL and without redis', async () => {
    const packages = await productionPackages('web-frontend');
    assert.ok(packages.includes('openid-client'), 'npm ls tells nothing');
    assert.deepEqual(
      packages.filter((name) => holdsSecrets.test(name)),
      [],
    );
  });

  it('downstream-api is installed without MSAL, redis and openid-client', async () => {
    const packages = await productionPackages('downstream-api');
    assert.ok(packages.includes('jose'), 'npm ls tells nothing');
    assert.deepEqual(
      packages.filter((name) => holdsSecrets.test(name) || name === 'openid-client'),
      [],
    );
  });

  it('only token-broker is installed with both', async () => {
    const packages = await productionPackages('token-broker');
    assert.ok(packages.includes('@azure/msal-node') && packages.includes('@redis/client'));
    assert.ok(!packages.includes('openid-client'));
  });
});
