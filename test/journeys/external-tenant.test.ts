import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { callApi, session, signIn, signOut } from '../kit/steps.ts';
import { createWorld } from '../kit/world.ts';

describe('an external tenant, which issues as another than it is reached', () => {
  it('signs people in, gives tokens that the API takes, and calls on behalf of them', async () => {
    await using world = await createWorld({ name: 'external-tenant', env: { entra: { TENANTS: 'external' } } });
    const alice = world.visitor();
    await signIn(alice, world, 'alice');
    assert.equal((await callApi(alice, world)).name, 'Alice Ahrens');
    assert.equal((await callApi(alice, world, 'Microsoft Graph')).displayName, 'Alice Ahrens');
    await signOut(alice, world);
    assert.equal((await session(alice)).status, 401);
  });
});
