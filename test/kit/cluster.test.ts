import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { openCluster } from './cluster.ts';

const account = { namespace: 'onbehalf', name: 'web-frontend', audience: 'api://AzureADTokenExchange' };

describe('cluster', () => {
  it("mounts a ServiceAccount token that its own discovery verifies, and renews it before it's old", async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'onbehalf-cluster-'));
    t.after(() => rm(directory, { recursive: true }));
    t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: Date.now() });
    await using cluster = await openCluster(directory);
    const path = await cluster.mountToken(account);
    const first = await readFile(path, 'utf8');
    assert.equal((await stat(path)).mode & 0o777, 0o600);

    const discovery = (await (await fetch(`${cluster.issuer}/.well-known/openid-configuration`)).json()) as {
      issuer: string;
      jwks_uri: string;
    };
    assert.equal(discovery.issuer, cluster.issuer);
    const keys = createRemoteJWKSet(new URL(discovery.jwks_uri));
    const { payload } = await jwtVerify(first, keys, { issuer: cluster.issuer, audience: account.audience });
    assert.equal(payload.sub, 'system:serviceaccount:onbehalf:web-frontend');
    assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 600);

    t.mock.timers.tick(480_000);
    let second = first;
    while (second === first) second = await readFile(path, 'utf8');
    const renewed = await jwtVerify(second, keys, { currentDate: new Date() });
    assert.equal((renewed.payload.iat ?? 0) - (payload.iat ?? 0), 480);
  });
});
