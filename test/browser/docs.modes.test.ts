import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { index, outputOf, pages } from '../../docs/site/pages.js';
import { launchChromium } from '../kit/browser/chromium.ts';
import { unreadableTexts } from '../kit/browser/in-page.js';
import { objections } from '../kit/browser/inspect.ts';

let browser: Browser & AsyncDisposable;
let page: Page;
before(async () => {
  const [opened] = await Promise.all([
    launchChromium(),
    promisify(execFile)(process.execPath, ['tools/docs/site.ts'], { timeout: 120_000 }),
  ]);
  browser = opened;
  page = await browser.newPage();
});
after(() => browser?.[Symbol.asyncDispose]());

/** Opens a page of the repository as the site has it, with axe in it. */
async function open(source: string, width = 1280): Promise<void> {
  await page.setViewportSize({ width, height: 800 });
  await page.emulateMedia({ colorScheme: 'light' });
  await page.goto(pathToFileURL(resolve('out/site', outputOf(source))).href);
  await page.locator('#search input').waitFor();
  await page.evaluate(`${axe.source}; undefined`);
}

describe('a page of the documentation as a site is good for every reader', () => {
  for (const source of pages) {
    // All have one style sheet: the colours of a few speak for all.
    it(`${source}, wide and at 320 pixels`, async () => {
      await open(source);
      assert.deepEqual(await objections(page, { rules: { 'color-contrast': { enabled: false } } }), []);
      await page.setViewportSize({ width: 320, height: 640 });
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320);
    });
  }

  for (const source of [index, 'README.md', 'docs/bff.md']) {
    it(`${source}, in its colours, light and dark, and every text of it`, async () => {
      await open(source, 320);
      assert.deepEqual(await page.evaluate(unreadableTexts), []);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(
          await objections(page, { runOnly: ['color-contrast', 'link-in-text-block'] }),
          [],
          colorScheme,
        );
      }
    });
  }

  it('and has the drawing of a sign-in as a list', async () => {
    await open('README.md');
    const steps = await page.locator('main ol').first().locator('li').allTextContents();
    assert.equal(steps.length, 11, steps.join('\n'));
    assert.equal(steps[0], 'Browser to web-frontend: sign in');
    assert.doesNotMatch((await page.locator('main').textContent()) ?? '', /sequenceDiagram|->>/);
  });
});
