import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from './chromium.ts';
import { createWorld, type World } from './world.ts';

const screenshots = 'out/screenshots';
const jwt = /eyJ[\w-]+\.[\w-]+\.[\w-]+/;

let world: World;
let browser: Browser & AsyncDisposable;
before(async () => {
  mkdirSync(screenshots, { recursive: true });
  [world, browser] = await Promise.all([createWorld({ name: 'browser' }), launchChromium()]);
});
after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});

/** A fresh profile, and all that went wrong or by in it. */
async function openContext(colorScheme: 'light' | 'dark') {
  const context = await browser.newContext({ colorScheme, viewport: { width: 900, height: 700 } });
  context.setDefaultTimeout(10_000);
  const bodies: Promise<{ url: string; body: string }>[] = [];
  const problems: string[] = [];
  context.on('requestfinished', (request) => {
    // A redirect has no body.
    const body = request.response().then(async (response) => String((await response?.body()) ?? ''));
    bodies.push(body.catch(() => '').then((text) => ({ url: request.url(), body: text })));
  });
  context.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  context.on('weberror', ({ error }) => void problems.push(error().message));
  return { context, bodies, problems };
}

/** Whatever a script in the page could read. */
function readableBy(page: Page): Promise<string> {
  const everything = `[document.documentElement.outerHTML, document.cookie, { ...localStorage }, { ...sessionStorage },
    location.href, history.state]`;
  return page.evaluate<string>(`JSON.stringify(${everything})`);
}

async function shoot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true });
}

/** Signs in, consents, calls the API and signs out as a person with a mouse does. */
async function walk(page: Page, scheme: string, look: () => Promise<void>): Promise<void> {
  const see = async (name: string) => {
    await look();
    await shoot(page, `${name}-${scheme}`);
  };
  await page.goto(world.web);
  await see('1-welcome');
  await page.getByRole('link', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Pick an account' }).waitFor();
  await see('2-pick-an-account');
  await page.getByRole('button', { name: /alice@/ }).click();
  // Only the first browser is asked: consent is remembered.
  const home = page.getByRole('heading', { name: 'Hello, Alice Ahrens' });
  const consent = page.getByRole('button', { name: 'Accept' });
  await home.or(consent).waitFor();
  if (await consent.isVisible()) {
    await see('3-consent');
    await consent.click();
  }
  await home.waitFor();
  await see('4-home');
  await page.getByRole('link', { name: 'Who am I?' }).click();
  const answer = page.getByLabel('The answer');
  await answer.or(consent).waitFor();
  if (await consent.isVisible()) {
    await see('5-incremental-consent');
    await consent.click();
  }
  await answer.waitFor();
  assert.equal(JSON.parse((await answer.textContent()) ?? '').name, 'Alice Ahrens');
  await see('6-answer');
  await page.goto(world.web);
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await page.getByText('You are signed out.').waitFor();
  await see('7-signed-out');
  const status = await page.evaluate<number>(`fetch('/session', { headers: { 'X-CSRF': '1' } }).then((r) => r.status)`);
  assert.equal(status, 401);
  assert.equal(await page.evaluate<string>('document.cookie'), '', 'a script can read a cookie');
}

describe('in a real browser', () => {
  for (const scheme of ['light', 'dark'] as const) {
    it(`Alice signs in, consents, sees her name and the API's answer, and signs out, in ${scheme}`, async () => {
      const { context, bodies, problems } = await openContext(scheme);
      const page = await context.newPage();
      try {
        await walk(page, scheme, async () => {
          assert.doesNotMatch(await readableBy(page), jwt, `a token can be read on ${new URL(page.url()).pathname}`);
        });
        const seen = await Promise.all(bodies);
        assert.ok(seen.filter(({ body }) => body !== '').length > 6, 'too few answers were seen to prove anything');
        for (const { url, body } of seen)
          assert.doesNotMatch(body, jwt, `a token in the answer of ${url.split('?')[0]}`);
        const unexpected = problems.filter((text) => !/status of 401/.test(text));
        assert.deepEqual(unexpected, [], 'the console complains');
      } catch (error) {
        await shoot(page, `failed-${scheme}`);
        throw error;
      } finally {
        await context.close();
      }
    });
  }

  it('keeps the session cookie as it must be kept', async () => {
    const { context } = await openContext('light');
    try {
      const page = await context.newPage();
      await page.goto(`${world.web}/sign-in`);
      await page.getByRole('button', { name: /alice@/ }).click();
      await page.getByRole('heading', { name: 'Hello, Alice Ahrens' }).waitFor();
      const session = (await context.cookies(world.web)).find(({ name }) => name === '__Host-Http-session');
      assert.ok(session, 'there is no session cookie');
      const { secure, httpOnly, path, sameSite, domain } = session;
      assert.deepEqual(
        { secure, httpOnly, path, sameSite, domain },
        { secure: true, httpOnly: true, path: '/', sameSite: 'Lax', domain: 'localhost' },
      );
      assert.doesNotMatch(session.value, /^eyJ[\w-]+\.eyJ/, 'the cookie holds a readable token');
    } finally {
      await context.close();
    }
  });
});
