import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { callApi, session, signIn, signOut } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';

describe('an external tenant, which issues as another than it is reached', () => {
  it('signs people in, gives tokens that the API takes, and calls on behalf of them', async () => {
    await using system = await openSystem({
      frontend: true,
      name: 'external-tenant',
      env: { emulator: { TENANTS: 'external' } },
    });
    const alice = system.visitor();
    await signIn(alice, system, 'alice');
    assert.equal((await callApi(alice, system)).name, 'Alice Ahrens');
    assert.equal((await callApi(alice, system, 'Microsoft Graph')).displayName, 'Alice Ahrens');
    await signOut(alice, system);
    assert.equal((await session(alice)).status, 401);
  });
});
