import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { accept, answerOn, callApi, pick, session, signIn, signOut, tokenCalls } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import type { Visitor } from '../kit/visitor.ts';

let system: System;
before(async () => {
  // Of one session a broker takes 80 exchanges at once.
  system = await openSystem({ frontend: true, name: 'journey', brokers: 2, env: { broker: { SESSION_RATE: '20' } } });
});
after(() => system?.close());

async function signedIn(person: string): Promise<Visitor> {
  const visitor = system.visitor();
  await signIn(visitor, system, person);
  return visitor;
}

describe('the log of a service', () => {
  it('says at the start how it was configured, in a form that programs read', () => {
    for (const { name, logFile } of system.programs) {
      const lines = readFileSync(logFile, 'utf8').split('\n').filter(Boolean);
      const started = lines.map((line) => JSON.parse(line)).find(({ event }) => event === 'started');
      if (name === 'entra-emulator') continue;
      assert.equal(typeof started?.config, 'object', `${name}: ${started?.config}`);
    }
  });
});

describe('signing in', () => {
  it('asks for consent bit by bit, then calls the API on behalf of the person and shows its answer', async () => {
    const alice = system.visitor();
    await alice.open(system.web);
    await alice.follow('Sign in');
    await pick(alice, system, 'alice');
    await accept(alice, system);
    assert.match(alice.words, /Hello, Alice Ahrens/);
    await alice.follow('Who am I?');
    assert.match((await accept(alice, system)) ?? '', /Use Onbehalf's downstream API as you/);
    assert.equal(alice.page.url.href, `${system.web}/whoami`);
    const answer = answerOn(alice.page);
    assert.equal(answer.username, 'alice@contoso.test');
    assert.deepEqual(answer.scopes, ['access_as_user']);
  });

  it('asks nothing twice: consent is remembered, and who is signed in at Entra need not choose', async () => {
    const alice = await signedIn('alice');
    await alice.open(`${system.web}/sign-in`);
    assert.match(alice.words, /You are signed in as/);
    const pages = alice.answers.filter(({ url, status }) => url.origin !== system.web && status === 200);
    assert.equal(pages.length, 1, 'only the first choice of an account was a page');
  });

  it('returns to the page that was wanted, on this site only', async () => {
    const bob = system.visitor();
    await bob.open(`${system.web}/profile`);
    await pick(bob, system, 'bob');
    await accept(bob, system);
    assert.equal(bob.page.url.href, `${system.web}/profile`);
    for (const elsewhere of ['//elsewhere.test/', 'https://elsewhere.test/', '/\\elsewhere.test', '/%0d%0a//x.test']) {
      await bob.open(`${system.web}/sign-in?return_to=${encodeURIComponent(elsewhere)}`);
      assert.equal(bob.page.url.origin, system.web, elsewhere);
    }
  });

  it('changes nothing when the person declines', async () => {
    await system.admin('DELETE', '/consents?user=bob@contoso.test&client=web');
    const bob = system.visitor();
    await bob.open(`${system.web}/sign-in`);
    await pick(bob, system, 'bob');
    await bob.press('Cancel');
    assert.equal(bob.page.url.origin, system.web);
    assert.equal(bob.page.status, 403);
    assert.match(bob.words, /You cancelled the sign-in/);
    assert.equal((await session(bob)).status, 401);
  });

  it('is refused at Entra to a person who is disabled', async () => {
    const dan = system.visitor();
    await dan.open(`${system.web}/sign-in`);
    await pick(dan, system, 'dan');
    assert.notEqual(dan.page.url.origin, system.web);
    assert.match(dan.words, /disabled/i);
  });
});

describe('on behalf of the person', () => {
  it('keeps people apart who call at once, whichever broker answers', async () => {
    const [alice, bob] = await Promise.all([signedIn('alice'), signedIn('bob')]);
    await Promise.all([callApi(alice, system), callApi(bob, system)]);
    for (let round = 0; round < 5; round += 1) {
      const [a, b] = await Promise.all([callApi(alice, system), callApi(bob, system)]);
      assert.deepEqual([a.username, b.username], ['alice@contoso.test', 'bob@contoso.test']);
    }
  });

  it('lets the API call Microsoft Graph for the person', async () => {
    const alice = await signedIn('alice');
    const profile = await callApi(alice, system, 'Microsoft Graph');
    assert.equal(profile.userPrincipalName ?? profile.username, 'alice@contoso.test');
  });

  it('goes on for a guest as soon as they have consented, though at home they have another account', async () => {
    for (const guest of ['gina_fabrikam.test#EXT#', 'fay_fabrikam.test#EXT#']) {
      const visitor = await signedIn(guest);
      await callApi(visitor, system);
      const profile = await callApi(visitor, system, 'Microsoft Graph');
      assert.equal(profile.userPrincipalName ?? profile.username, `${guest}@contoso.test`);
    }
  });

  it('sends the person through a stronger sign-in where the API asks for it, and back', async () => {
    const alice = await signedIn('alice');
    await alice.follow('Payroll');
    await accept(alice, system, 'Approve');
    await accept(alice, system);
    assert.equal(alice.page.url.href, `${system.web}/payroll`);
    assert.equal(answerOn(alice.page).name, 'Alice Ahrens');
  });

  it('refreshes silently when the token is no longer good', async () => {
    // Carol alone: sessions of one person share her tokens.
    const carol = await signedIn('carol');
    await system.admin('PUT', '/lifetimes', { access: 299 });
    try {
      await callApi(carol, system);
      const refreshes = await tokenCalls(system, 'refresh_token');
      const seen = carol.answers.length;
      await callApi(carol, system);
      assert.equal(await tokenCalls(system, 'refresh_token'), refreshes + 1);
      const since = carol.answers.slice(seen);
      assert.ok(
        since.every(({ url, status }) => url.origin === system.web && status === 200),
        'she had to do something',
      );
    } finally {
      await system.admin('PUT', '/lifetimes', { access: 3_600 });
    }
  });

  it('asks Entra once and then answers from what it has', async () => {
    const alice = await signedIn('alice');
    await callApi(alice, system);
    const before = await tokenCalls(system, 'refresh_token');
    for (let call = 0; call < 5; call += 1) await callApi(alice, system);
    assert.equal(await tokenCalls(system, 'refresh_token'), before);
  });
});

describe('signing out', () => {
  it('ends the session for this browser and for whoever kept its cookie, and at Entra', async () => {
    const alice = await signedIn('alice');
    const cookie = await alice.jar.getCookieString(system.web);
    await signOut(alice, system);
    assert.match(alice.words, /You are signed out/);
    assert.equal((await session(alice)).status, 401);
    const headers = { cookie, 'x-csrf': '1', 'sec-fetch-site': 'same-origin' };
    assert.equal((await alice.send(`${system.web}/session`, { headers })).status, 401);
    assert.equal((await alice.send(`${system.web}/api/downstream-api/whoami`, { headers })).status, 401);
    await alice.follow('Sign in');
    assert.match(alice.words, /Pick an account/);
  });

  it('everywhere ends the other browsers too', async () => {
    const [here, there, bob] = [await signedIn('alice'), await signedIn('alice'), await signedIn('bob')];
    await here.open(system.web);
    await here.press('Sign out everywhere');
    assert.match(here.words, /on all your devices/);
    assert.equal((await session(there)).status, 401);
    assert.equal((await session(bob)).status, 200);
  });

  it('at Entra ends the session here', async () => {
    const alice = await signedIn('alice');
    const [tenant] = ((await system.admin('GET', '/state')) as { tenants: { tid: string }[] }).tenants;
    await alice.open(`${system.emulator.browserOrigin}/${tenant?.tid}/oauth2/v2.0/logout`);
    await alice.open(system.web);
    assert.match(alice.words, /Sign in with Microsoft Entra ID/);
  });
});

describe('a page', () => {
  it('calls an API as often at once as it likes', async () => {
    const bob = await signedIn('bob');
    await callApi(bob, system);
    const calls = Array.from({ length: 300 }, (_, tile) =>
      bob.fetch(`/api/downstream-api/whoami?tile=${tile}`, { headers: { 'x-csrf': '1' } }),
    );
    const refused = (await Promise.all(calls)).filter(({ status }) => status !== 200);
    assert.deepEqual(
      refused.map(({ status, body }) => `${status} ${body}`),
      [],
    );
  });
});

describe('an outage', () => {
  it('of Redis signs nobody out, and what needs it is refused until it is back', async () => {
    const alice = await signedIn('alice');
    await callApi(alice, system);
    const cookies = await alice.cookieNames(system.web);
    system.relays.redis.cut();
    try {
      const bob = system.visitor();
      await bob.open(`${system.web}/sign-in`);
      await pick(bob, system, 'bob');
      await accept(bob, system);
      assert.equal(bob.page.status, 503);
      assert.match(String(bob.page.headers['retry-after']), /^\d+$/);
      await alice.open(system.web);
      assert.ok([200, 503].includes(alice.page.status));
      assert.deepEqual(await alice.cookieNames(system.web), cookies);
    } finally {
      system.relays.redis.restore();
    }
    let back = await session(alice);
    while (back.status === 503) back = await session(alice);
    assert.equal(back.status, 200);
    assert.equal((await callApi(alice, system)).username, 'alice@contoso.test');
  });
});
