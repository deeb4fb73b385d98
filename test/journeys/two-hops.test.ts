import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { entraAdmin } from '../kit/entra-admin.ts';
import { accept, answerOn, callApi, signIn } from '../kit/steps.ts';
import { createWorld, type World } from '../kit/world.ts';

const graph = '00000003-0000-0000-c000-000000000000';

describe('what Microsoft Graph needs of the person, two hops down', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ name: 'two-hops', brokers: 2 });
  });
  after(() => world?.[Symbol.asyncDispose]());

  it('is asked of them as consent for what the API needs, and the request goes on', async () => {
    const carol = world.visitor();
    await signIn(carol, world, 'carol');
    await carol.follow('Microsoft Graph');
    assert.match((await accept(carol, world)) ?? '', /Use Onbehalf's downstream API as you/);
    assert.match((await accept(carol, world)) ?? '', /read your profile \(Onbehalf downstream API\)/);
    assert.equal(carol.page.url.href, `${world.web}/graph/me`);
    assert.equal(answerOn(carol.page).userPrincipalName, 'carol@contoso.test');
  });

  it('is asked of them as a stronger sign-in, and the request goes on', async () => {
    const alice = world.visitor();
    await signIn(alice, world, 'alice');
    await callApi(alice, world);
    await entraAdmin(world, 'PATCH', `/apps/${graph}`, { policy: 'mfa' });
    await alice.open(world.web);
    await alice.follow('Microsoft Graph');
    assert.match((await accept(alice, world, 'Approve')) ?? '', /needs a stronger proof that this is you/);
    assert.equal(alice.page.url.href, `${world.web}/graph/me`);
    assert.equal(answerOn(alice.page).userPrincipalName, 'alice@contoso.test');
  });
});
