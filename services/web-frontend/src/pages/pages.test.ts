import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { Request } from 'express';
import { type Browser, openTestbed, signIn, type Testbed } from '../testbed.fake.ts';
import { textsFor } from './languages.ts';
import { home } from './pages.ts';
import { english } from './texts.ts';

const words = (body: string) =>
  body
    .replace(/<style[\s\S]*?<\/style>/, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');
const heading = (body: string) => /<h1>(.*?)<\/h1>/.exec(body)?.[1];

/** Goes to Entra from here, where the person says no. */
async function decline(testbed: Testbed, browser: Browser, location: string) {
  const parameters = testbed.visit(location);
  parameters.delete('code');
  parameters.set('error', 'access_denied');
  return browser.send(`/auth/callback?${parameters}`);
}

/** Has the API ask for more, as `WWW-Authenticate` says it; gives where the person is sent. */
async function asksFor(testbed: Testbed, browser: Browser, challenge: string) {
  testbed.setApiResponse(() => ({ status: 401, headers: { 'www-authenticate': challenge } }));
  const { location } = await browser.send('/payroll');
  return (await browser.send(location)).location;
}

describe('the words of a page', () => {
  it('call a cancelled sign-in what it is: nothing is forbidden', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    const { status, body } = await decline(testbed, browser, (await browser.send('/sign-in')).location);
    assert.deepEqual([status, heading(body)], [403, 'You cancelled the sign-in']);
    assert.doesNotMatch(words(body), /not allowed|report the reference/);
    assert.match(body, /<a class="button" href="\/sign-in\?return_to=%2F">Try again<\/a>/);
  });

  const claims = Buffer.from('{"access_token":{"acrs":{"essential":true,"value":"c1"}}}').toString('base64');
  const asked: [what: string, challenge: string, title: string][] = [
    ['extra check', `Bearer error="insufficient_claims", claims="${claims}"`, 'You declined the extra check'],
    ['permission', 'Bearer error="insufficient_scope", scope="access_as_user"', 'You did not give the permission'],
  ];
  for (const [what, challenge, title] of asked) {
    it(`say that the ${what} was declined, and lead back to what needs it`, async () => {
      await using testbed = await openTestbed();
      const browser = testbed.browser();
      await signIn(testbed, browser);
      const { status, body } = await decline(testbed, browser, await asksFor(testbed, browser, challenge));
      assert.deepEqual([status, heading(body)], [403, title]);
      assert.match(body, /<a class="button" href="\/payroll">Try again<\/a>/);
      assert.match(body, /<a href="\/profile">Profile<\/a>/, 'they are still signed in');
    });
  }

  it('say once that the session has ended', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    testbed.broker.sessions.clear();
    assert.match((await browser.send('/')).body, /role="status">Your session has ended\. Sign in to go on\./);
    assert.doesNotMatch((await browser.send('/')).body, /Your session has ended/);
  });

  it('say once when to try again, and keep the profile in the navigation of whoever is signed in', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    testbed.broker.down = true;
    const { body } = await browser.send('/');
    assert.equal(words(body).match(/Try again in 2 seconds\./g)?.length, 1);
    assert.doesNotMatch(words(body), /, try again/);
    assert.match(body, /<a href="\/profile">Profile<\/a>/);
    assert.doesNotMatch((await testbed.browser().send('/nothing')).body, /Profile/);
  });

  it('tell until when a person who does nothing stays signed in', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    for (const path of ['/', '/profile']) {
      assert.match(words((await browser.send(path)).body), /Signed out if idle until \d{4}-\d\d-\d\d \d\d:\d\d UTC/);
    }
  });

  it('do not shout that one may sign out', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    for (const path of ['/', '/profile']) {
      const buttons = (await browser.send(path)).body.match(/<button[^>]*>/g) ?? [];
      assert.equal(buttons.length, 2);
      for (const button of buttons) assert.match(button, /class="button quiet"/);
    }
  });

  it('are there for every Fault that a person may see', () => {
    const thrown = globSync([
      '{packages/node/src/{broker,web},services/web-frontend/src}/**/*.ts',
      'services/chassis/src/http/*.ts',
    ])
      .filter((path) => !/\.(test|fake)\.ts$/.test(path))
      .flatMap((path) => [...readFileSync(path, 'utf8').matchAll(/new Fault\(\s*'\w+',\s*'([^']+)'/g)])
      .map(([, description = '']) => description);
    assert.ok(thrown.length > 15);
    // A script's and a frame's: no page shows them.
    const forScripts = [
      'What an API sends is data: no page may run it.',
      'The issuer is not the one this app signs in with.',
    ];
    const missing = thrown.filter((each) => !Object.hasOwn(english.troubles, each) && !forScripts.includes(each));
    assert.deepEqual(missing, []);
  });

  it('are in the language that the browser likes best, each a file of texts', () => {
    const german = { ...english, language: 'de' };
    const asks = (tags: string) => ({
      acceptsLanguages: (known: string[]) => known.find((tag) => tag === tags) ?? false,
    });
    const languageFor = (tags: string) =>
      textsFor(asks(tags) as unknown as Request, { en: english, de: german }).language;
    assert.deepEqual(['de', 'en', 'fr'].map(languageFor), ['de', 'en', 'en']);
  });

  it('count seconds and minutes in their number', () => {
    assert.deepEqual([1, 2, 89, 90, 3_600].map(english.tryAgainIn), [
      'Try again in 1 second.',
      'Try again in 2 seconds.',
      'Try again in 89 seconds.',
      'Try again in 2 minutes.',
      'Try again in 60 minutes.',
    ]);
  });
});

describe('the start page after a sign-in', () => {
  const session = { token: 't', oid: 'o', tid: 't', resumed: [] };
  const lifetime = { createdAt: 0, idleEndsAt: 0, endsAt: 0 };
  const traceId = 'a'.repeat(32);
  const flow = `00-${traceId}-${'b'.repeat(16)}-01`;
  const firstCard = (own: object, viewer?: string) =>
    /<a href="([^"]*)">([^<]*)/
      .exec(
        String(home({ ...session, ...own }, lifetime)(english, { to: (path) => path, outside: false, viewer }).main),
      )
      ?.slice(1);

  it('offers to see that sign-in first, where there is a trace viewer', () => {
    assert.deepEqual(firstCard({ flow }, 'http://localhost:4318'), [
      `http://localhost:4318/traces/${traceId}`,
      'See the sign-in you just did',
    ]);
  });

  it('offers the calls alone without a viewer, and without a trace', () => {
    for (const card of [
      firstCard({ flow }),
      firstCard({}, 'http://localhost:4318'),
      firstCard({ flow: 'x' }, 'http://v'),
    ]) {
      assert.deepEqual(card, ['/whoami', 'Who am I?']);
    }
  });
});
