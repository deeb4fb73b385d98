import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../../../../test/kit/browser/chromium.ts';
import { renderReport } from './report.ts';
import { troubledResult } from './runs.fake.ts';

const directory = resolve('out/screenshots');
const file = resolve('out/load-report.html');
/** The one run that has everything in it: axe looks at each element, and would take a minute for all. */
const excerpt = resolve('out/load-report-excerpt.html');

let browser: Browser & AsyncDisposable;
/** What the page complained of, and what it asked of anybody else. */
const complaints: string[] = [];

before(async () => {
  mkdirSync(directory, { recursive: true });
  const result = troubledResult();
  writeFileSync(file, renderReport(result, troubledResult(2)));
  writeFileSync(excerpt, renderReport({ ...result, runs: result.runs.slice(-1) }));
  browser = await launchChromium();
});
after(async () => {
  await browser?.[Symbol.asyncDispose]();
  for (const path of [file, excerpt]) rmSync(path, { force: true });
});

type Sheet = { path?: string; colorScheme?: 'light' | 'dark'; width?: number };

async function open({ path = file, colorScheme = 'light', width = 1_200 }: Sheet = {}): Promise<Page> {
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (line) => line.type() === 'error' && complaints.push(line.text()));
  const own = [file, excerpt].map((one) => pathToFileURL(one).href);
  page.on('request', (request) => !own.includes(request.url().replace(/#.*/, '')) && complaints.push(request.url()));
  await page.goto(pathToFileURL(path).href);
  return page;
}

/** What axe objects to, in a line each. */
async function objections(page: Page): Promise<string[]> {
  // The page's own policy lets no script in; the protocol's evaluation is not the page's.
  await page.evaluate(`${axe.source}; undefined`);
  const { violations } = await page.evaluate<{ violations: { id: string; nodes: { html: string }[] }[] }>('axe.run()');
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}

describe('the load report in Chromium', () => {
  for (const colorScheme of ['light', 'dark'] as const) {
    it(`leaves axe nothing to say, ${colorScheme}`, async () => {
      const page = await open({ path: excerpt, colorScheme });
      await page.evaluate('for (const one of document.querySelectorAll("details")) one.open = true');
      assert.deepEqual(await objections(page), []);
      await page.goto(pathToFileURL(file).href);
      await page.screenshot({ path: `${directory}/load-report-${colorScheme}.png`, fullPage: true });
      await page.context().close();
    });
  }

  it('is at most six screens while its runs are folded', async () => {
    const page = await open({ width: 1_280 });
    const screens = (await page.evaluate('document.documentElement.scrollHeight / innerHeight')) as number;
    assert.ok(screens <= 6, `${screens}`);
    await page.context().close();
  });

  it('fits on 320 and 390 pixels; what is wider scrolls by itself', async () => {
    const wider = await open({ width: 390 });
    assert.equal(await wider.evaluate('document.documentElement.scrollWidth'), 390);
    await wider.context().close();
    const page = await open({ width: 320 });
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320);
    await page.screenshot({
      path: `${directory}/load-report-narrow.png`,
      clip: { x: 0, y: 0, width: 320, height: 4_000 },
      fullPage: true,
    });
    await page.context().close();
  });

  it('is reached by keyboard: links to runs, what scrolls, what opens', async () => {
    const page = await open();
    const link = page.getByRole('link', { name: 'redis-down' }).first();
    await link.focus();
    await page.keyboard.press('Enter');
    await page.waitForURL('**#run-2');
    const summary = page.locator('#run-2 summary').first();
    await summary.focus();
    await page.keyboard.press('Enter');
    await page.locator('#run-2').getByRole('group', { name: 'Over time' }).nth(1).waitFor();
    await page.context().close();
  });

  it('tells by pointing what a column stands for', async () => {
    const page = await open();
    const column = page.locator('#run-2 .hovers rect').nth(40);
    assert.match(
      (await column.locator('title').textContent()) ?? '',
      /^40 s: 200 requests, 20 errors\np50 .* ms, p99 .*\nL1 180, L2 0, Entra 0\n/,
    );
    await page.context().close();
  });

  it('prints on paper without cutting a drawing off', async () => {
    const page = await open({ width: 760 });
    await page.emulateMedia({ media: 'print' });
    const widths = (await page.evaluate(
      '[...document.querySelectorAll("svg")].map((svg) => svg.getBoundingClientRect().right)',
    )) as number[];
    assert.ok(widths.length > 10 && Math.max(...widths) <= 760, `${Math.max(...widths)}`);
    writeFileSync(`${directory}/load-report.pdf`, await page.pdf({ format: 'A4' }));
    await page.context().close();
  });

  it('says nothing to the console and asks nobody for anything', () => assert.deepEqual(complaints, []));
});
