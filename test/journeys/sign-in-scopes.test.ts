import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accept, answerOn, pick } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';

const scopes = 'openid profile offline_access api://onbehalf-api/access_as_user';

describe('SIGN_IN_SCOPES', () => {
  it('has a person asked once, at sign-in, for an API that is then called without another visit', async () => {
    await using system = await openSystem({
      frontend: true,
      name: 'sign-in-scopes',
      env: { web: { SIGN_IN_SCOPES: scopes } },
    });
    const visitor = system.visitor();
    await visitor.open(system.web);
    await visitor.follow('Sign in');
    await pick(visitor, system, 'bob');
    assert.match((await accept(visitor, system)) ?? '', /Use Onbehalf's downstream API as you/);
    assert.match(visitor.words, /You are signed in as/);
    const asked = visitor.answers.find(({ url }) => url.searchParams.has('code_challenge'));
    assert.equal(asked?.url.searchParams.get('scope'), scopes);

    const before = visitor.answers.length;
    await visitor.open(`${system.web}/whoami`);
    assert.equal(answerOn(visitor.page).name, 'Bob Berger');
    assert.equal(visitor.answers.length, before + 1, 'the person was sent somewhere again');
  });
});
