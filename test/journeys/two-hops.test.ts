import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { accept, answerOn, callApi, signIn } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';

const graph = '00000003-0000-0000-c000-000000000000';

describe('what Microsoft Graph needs of the person, two hops down', () => {
  let system: System;
  before(async () => {
    system = await openSystem({ frontend: true, name: 'two-hops', brokers: 2 });
  });
  after(() => system?.close());

  it('is asked of them as consent for what the API needs, and the request goes on', async () => {
    const carol = system.visitor();
    await signIn(carol, system, 'carol');
    await carol.follow('Microsoft Graph');
    assert.match((await accept(carol, system)) ?? '', /Use Onbehalf's downstream API as you/);
    assert.match((await accept(carol, system)) ?? '', /read your profile \(Onbehalf downstream API\)/);
    assert.equal(carol.page.url.href, `${system.web}/graph/me`);
    assert.equal(answerOn(carol.page).userPrincipalName, 'carol@contoso.test');
  });

  it('is asked of them as a stronger sign-in, and the request goes on', async () => {
    const alice = system.visitor();
    await signIn(alice, system, 'alice');
    await callApi(alice, system);
    await system.admin('PATCH', `/apps/${graph}`, { policy: 'mfa' });
    await alice.open(system.web);
    await alice.follow('Microsoft Graph');
    assert.match((await accept(alice, system, 'Approve')) ?? '', /needs a stronger proof that this is you/);
    assert.equal(alice.page.url.href, `${system.web}/graph/me`);
    assert.equal(answerOn(alice.page).userPrincipalName, 'alice@contoso.test');
  });
});
