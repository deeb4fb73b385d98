import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, afterEach, before, describe, it } from 'node:test';
import { sampleFlow } from '@onbehalf/trace-viewer/sample-flow';
import { createViewer, type Viewer } from '@onbehalf/trace-viewer/viewer';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../kit/browser/chromium.ts';

const evening = Date.UTC(2026, 5, 1, 18);
const screenshots = 'out/viewer';

let viewer: Viewer;
let browser: Browser;
const ids: Record<string, string> = {};
/** Errors of the pages, and their requests to anybody else. */
const complaints: string[] = [];

before(async () => {
  mkdirSync(screenshots, { recursive: true });
  viewer = await createViewer();
  ids.signIn = await send('signIn', 'first', evening);
  ids.throttled = await send('throttled', 'second', evening + 60_000, 'first');
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await viewer?.[Symbol.asyncDispose]();
});

afterEach(() => assert.deepEqual(complaints.splice(0), []));

async function send(...sample: Parameters<typeof sampleFlow>): Promise<string> {
  const { traceId, body } = sampleFlow(...sample);
  const headers = { 'Content-Type': 'application/json' };
  await fetch(`${viewer.url}/v1/traces`, { method: 'POST', headers, body: JSON.stringify(body) });
  return traceId;
}

type Sheet = { colorScheme?: 'light' | 'dark'; width?: number };

async function openPage(path: string, { colorScheme = 'light', width = 1440 }: Sheet = {}): Promise<Page> {
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 1_000 } });
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (line) => line.type() === 'error' && complaints.push(line.text()));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(viewer.url) && !url.startsWith('data:')) complaints.push(`left the viewer: ${url}`);
  });
  await page.goto(viewer.url + path);
  return page;
}

const chosen = (page: Page) => page.locator('#details h3').textContent();

describe('the trace viewer in Chromium', () => {
  for (const colorScheme of ['light', 'dark'] as const) {
    it(`draws a sign-in and a failure, ${colorScheme}`, async () => {
      const page = await openPage(`/traces/${ids.signIn}`, { colorScheme });
      await page.locator('.sequence').waitFor();
      assert.match((await page.locator('#name').textContent()) ?? '', /^sign in success$/);
      await page.screenshot({ path: `${screenshots}/sequence-${colorScheme}.png`, fullPage: true });
      await page.getByRole('tab', { name: 'Waterfall' }).click();
      await page.screenshot({ path: `${screenshots}/waterfall-${colorScheme}.png`, fullPage: true });
      await page.goto(`${viewer.url}/traces/${ids.throttled}`);
      await page.locator('.cross').first().waitFor();
      await page.screenshot({ path: `${screenshots}/failure-${colorScheme}.png`, fullPage: true });
      await page.goto(`${viewer.url}/api/traces/${ids.signIn}.html`);
      await page.screenshot({ path: `${screenshots}/export-${colorScheme}.png`, fullPage: true });
      await page.context().close();
    });
  }

  it('leaves axe nothing to say, in light and dark', async () => {
    // In the dark nothing but the colours is different.
    const rules = { light: {}, dark: { runOnly: ['color-contrast', 'link-in-text-block'] } };
    for (const view of ['sequence', 'waterfall']) {
      for (const traceId of [ids.signIn, ids.throttled]) {
        const page = await openPage(`/traces/${traceId}?view=${view}`);
        await page.locator(`.${view} .row`).nth(2).click();
        await page.evaluate(axe.source);
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          const found = (await page.evaluate(`axe.run(document, ${JSON.stringify(rules[colorScheme])})`)) as {
            violations: { id: string; nodes: { html: string }[] }[];
          };
          assert.deepEqual(
            found.violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`),
            [],
            `${view} in ${colorScheme}`,
          );
        }
        await page.context().close();
      }
    }
  });

  it('is all there on 320 pixels', async () => {
    const page = await openPage(`/traces/${ids.signIn}?view=waterfall`, { width: 320 });
    await page.locator('.waterfall').waitFor();
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320);
    await page.screenshot({ path: `${screenshots}/narrow-light.png`, fullPage: true });
    await page.context().close();
  });

  it('is driven by keyboard alone', async () => {
    const page = await openPage(`/traces/${ids.signIn}`);
    await page.locator('#rows').focus();
    await page.keyboard.press('ArrowDown');
    assert.match((await chosen(page)) ?? '', /^GET \/sign-in/);
    await page.keyboard.press('ArrowDown');
    assert.match((await chosen(page)) ?? '', /^auth\.user_at_idp/);
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate('document.activeElement.id'), 'details');
    await page.keyboard.press('Escape');
    await page.keyboard.press('v');
    await page.locator('.waterfall').waitFor();
    assert.match(page.url(), /view=waterfall&span=[0-9a-f]{16}$/);
    await page.keyboard.press('Escape');
    await page.locator('#details').waitFor({ state: 'hidden' });
    await page.keyboard.press('Escape');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await page.locator('.failed').first().waitFor();
    assert.match(page.url(), new RegExp(`/traces/${ids.throttled}`));
    await page.context().close();
  });

  it('finds by action, error and duration, and keeps that in the address', async () => {
    const page = await openPage('/');
    const items = page.locator('#flows a');
    await items.nth(1).waitFor();
    await page.getByLabel('Only errors').check();
    assert.deepEqual(await items.locator('b').allTextContents(), ['GET /api/{name}/*']);
    await page.getByLabel('Only errors').uncheck();
    await page.getByLabel('Longer than').selectOption('50');
    assert.deepEqual(await items.locator('b').allTextContents(), ['sign in']);
    await page.getByLabel('Longer than').selectOption('');
    await page.getByLabel('Action').selectOption('GET /api/{name}/*');
    assert.equal(await items.count(), 1);
    await page.reload();
    await items.first().waitFor();
    assert.deepEqual(await items.locator('b').allTextContents(), ['GET /api/{name}/*']);
    await page.context().close();
  });

  it('finds a sign-in by the correlation id that Entra ID shows', async () => {
    const page = await openPage(`/traces/${ids.throttled}`);
    const guid = (ids.signIn ?? '').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    await page.keyboard.press('/');
    await page.keyboard.type(guid.toUpperCase());
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/traces/${ids.signIn}*`);
    await page.context().close();
  });

  it('follows a link to the trace it came after', async () => {
    const page = await openPage(`/traces/${ids.throttled}`);
    await page.getByRole('link', { name: 'sign in', exact: true }).click();
    await page.waitForURL(`**/traces/${ids.signIn}*`);
    await page.goBack();
    await page.waitForURL(`**/traces/${ids.throttled}*`);
    await page.context().close();
  });

  it('draws a new flow within two seconds', async () => {
    const page = await openPage('/');
    await page.locator('#live.on').waitFor();
    const traceId = await send('signIn', 'live', evening + 120_000);
    await page.locator(`#f-${traceId}`).waitFor({ timeout: 2_000 });
    await page.context().close();
  });

  it('points at a value that should not be there', async () => {
    const { traceId, body } = sampleFlow('throttled', 'leaky', evening);
    for (const span of body.resourceSpans[0]?.scopeSpans[0]?.spans ?? []) {
      span.attributes.push({ key: 'who', value: { stringValue: 'alice@example.com' } });
    }
    const headers = { 'Content-Type': 'application/json' };
    await fetch(`${viewer.url}/v1/traces`, { method: 'POST', headers, body: JSON.stringify(body) });
    const page = await openPage(`/traces/${traceId}`);
    await page.locator('.row').first().click();
    await page.getByText('looks like an e-mail address').waitFor();
    await page.context().close();
  });

  it('redraws with a full ring in less than 200 ms', async () => {
    for (let place = 0; place < 770; place++) ids.newest = await send('signIn', `full-${place}`, evening + place);
    const page = await openPage(`/traces/${ids.newest}`);
    await page.locator('#flows a').nth(299).waitFor();
    // The best of several: what else the machine does is not ours.
    const redrawMs = await page.evaluate(`(async () => {
      let best = Infinity;
      for (const view of ['waterfall', 'sequence', 'waterfall', 'sequence', 'waterfall']) {
        const from = performance.now();
        document.getElementById('filters').dispatchEvent(new Event('input', { bubbles: true }));
        document.getElementById('tab-' + view).click();
        document.body.getBoundingClientRect();
        best = Math.min(best, performance.now() - from);
      }
      return best;
    })()`);
    assert.ok(Number(redrawMs) < 200, `${redrawMs} ms`);
    await page.context().close();
  });
});
