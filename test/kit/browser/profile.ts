import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import type { Browser, BrowserContext, Page, Request } from 'playwright-core';

export const screenshots = 'out/screenshots';

/** What begins as a JSON object in base64url and has three parts. */
export const jwt = /eyJ[\w-]+\.[\w-]+\.[\w-]+/;
/** Generous: the machine may be busy with everything else. */
const patienceMs = 15_000;
/** Chromium reports an answer that says no as an error of the console; those are what such journeys are about. */
const refusal = /status of 4\d\d|status of 503/;

/** A browser profile of one person, and all that goes by in it. */
export type BrowserProfile = AsyncDisposable & {
  context: BrowserContext;
  page: Page;
  /** Whatever a script could read in the pages now open holds no token. */
  look(): Promise<void>;
  /** @throws AssertionError if a token was in any answer so far, or a page complained. */
  assertClean(): Promise<void>;
};

/** Chromium keeps no body of a page that left for another at once: visitors without a browser read those. */
type Answer = { url: string; body: string | undefined };

type Options = { colorScheme?: 'light' | 'dark'; javaScriptEnabled?: boolean };

/** Opens a fresh profile with one empty tab. */
export async function openBrowserProfile(browser: Browser, options: Options = {}): Promise<BrowserProfile> {
  const context = await browser.newContext({ viewport: { width: 900, height: 700 }, ...options });
  context.setDefaultTimeout(patienceMs);
  const answers: Promise<Answer | undefined>[] = [];
  const problems: string[] = [];
  context.on('requestfinished', (request) => answers.push(answerTo(request)));
  context.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  context.on('weberror', ({ error }) => void problems.push(error().message));
  const look = async () => {
    for (const page of context.pages()) {
      const where = new URL(page.url()).pathname;
      const readable = await readableBy(page);
      assert.doesNotMatch(readable.all, jwt, `a token can be read on ${where}`);
      assert.equal(readable.cookie, '', `a script can read a cookie on ${where}`);
    }
  };
  return {
    context,
    page: await context.newPage(),
    look,
    async assertClean() {
      await look();
      const seen = (await Promise.all(answers)).filter((answer) => answer !== undefined);
      const read = seen.filter(({ body }) => body !== undefined);
      assert.ok(read.length > 0 && read.length * 2 >= seen.length, 'too few answers could be read to prove anything');
      for (const { url, body } of read) assert.doesNotMatch(String(body), jwt, `a token in the answer of ${url}`);
      const unexpected = problems.filter((text) => !refusal.test(text));
      assert.deepEqual(unexpected, [], 'the console complains');
    },
    [Symbol.asyncDispose]: () => context.close(),
  };
}

/** What came back, unless it was a redirect, which has nothing to read in a browser. */
async function answerTo(request: Request): Promise<Answer | undefined> {
  const [url = ''] = request.url().split('?');
  // Rejected where the profile is closed meanwhile.
  const response = await request.response().catch(() => null);
  if (!response || (response.status() >= 300 && response.status() < 400)) return undefined;
  return { url, body: await response.text().catch(() => undefined) };
}

/** Whatever a script in the page could read. */
async function readableBy(page: Page): Promise<{ all: string; cookie: string }> {
  const everything = `[document.documentElement.outerHTML, document.cookie, { ...localStorage }, { ...sessionStorage },
    location.href, history.state]`;
  const all = await page.evaluate<unknown[]>(everything);
  return { all: JSON.stringify(all), cookie: String(all[1]) };
}

/** Keeps a picture of the whole page among the test's output. */
export async function shoot(page: Page, name: string): Promise<void> {
  mkdirSync(screenshots, { recursive: true });
  await page.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true });
}
