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

/** Texts that leave their drawing, or an element that cuts them. Run in the page. */
const cutTexts = `(() => {
  const cut = [];
  for (const text of document.querySelectorAll('svg.drawing text')) {
    const { x, width } = text.getBBox();
    if (x < -0.5 || x + width > Number(text.ownerSVGElement.getAttribute('width')) + 0.5) cut.push(text.textContent);
  }
  for (const element of document.querySelectorAll('body *:not(svg *)')) {
    const hides = getComputedStyle(element).overflowX !== 'visible';
    if (hides && element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1) cut.push(element.id || element.tagName);
  }
  return cut;
})()`;

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

  for (const view of ['sequence', 'waterfall']) {
    it(`is all there on 320 pixels, without a cut word: ${view}`, async () => {
      for (const traceId of [ids.signIn, ids.throttled]) {
        const page = await openPage(`/traces/${traceId}?view=${view}&redis=1`, { width: 320 });
        await page.locator(`.${view}`).waitFor();
        await page.locator('.row').nth(2).click();
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320);
        assert.deepEqual(await page.evaluate(cutTexts), []);
        await page.screenshot({ path: `${screenshots}/narrow-${view}-light.png`, fullPage: true });
        await page.context().close();
      }
    });
  }

  it('draws all lanes of a sign-in on 1280 pixels', async () => {
    const page = await openPage(`/traces/${ids.signIn}`, { width: 1280 });
    await page.locator('.sequence').waitFor();
    assert.deepEqual(await page.evaluate(cutTexts), []);
    assert.equal(
      await page.evaluate(
        "document.getElementById('drawing').scrollWidth <= document.getElementById('drawing').clientWidth",
      ),
      true,
    );
    await page.context().close();
  });

  it('is driven by keyboard alone', async () => {
    const page = await openPage(`/traces/${ids.signIn}`);
    await page.locator('#rows').focus();
    await page.keyboard.press('ArrowDown');
    assert.match((await chosen(page)) ?? '', /^sign in/);
    await page.keyboard.press('ArrowDown');
    assert.match((await chosen(page)) ?? '', /^the person is at Entra ID/);
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

  it('takes arrows at once, and keeps the chosen step in sight above the drawer', async () => {
    const page = await openPage(`/traces/${ids.signIn}`, { width: 1280 });
    await page.locator('.sequence').waitFor();
    const rows = Number(await page.locator('.row').count());
    for (let place = 0; place < rows; place++) {
      await page.keyboard.press('ArrowDown');
      const [row, drawer] = (await page.evaluate(
        `['.row[aria-selected="true"] .hit', '#details'].map((part) => document.querySelector(part).getBoundingClientRect().toJSON())`,
      )) as { top: number; bottom: number }[];
      assert.ok(
        row && drawer && row.top >= 0 && row.bottom <= drawer.top + 1,
        `step ${place} at ${row?.bottom}, drawer at ${drawer?.top}`,
      );
    }
    assert.match((await chosen(page)) ?? '', /^check token/, 'the last step');
    await page.context().close();
  });

  it('shows every command to Redis on demand, and keeps that in the address', async () => {
    const page = await openPage(`/traces/${ids.signIn}`);
    const label = (text: string) => page.locator('.label', { hasText: text }).first();
    await label('write session').waitFor();
    assert.equal(await label('add-member user').count(), 0);
    await page.getByLabel('Redis detail').check();
    await label('add-member user').waitFor();
    assert.match(page.url(), /redis=1/);
    await page.reload();
    await label('add-member user').waitFor();
    await page.context().close();
  });

  it('finds by route, error and AADSTS code, and by service', async () => {
    const page = await openPage('/');
    const items = page.locator('#flows a');
    await items.nth(1).waitFor();
    const found: [string, string[]][] = [
      ['/profile', ['sign in']],
      ['throttled', ['GET /api/{name}/*']],
      ['AADSTS90055', ['GET /api/{name}/*']],
      ['90055', ['GET /api/{name}/*']],
      ['nowhere', []],
    ];
    for (const [words, actions] of found) {
      await page.getByLabel('Find').fill(words);
      assert.deepEqual(await items.locator('b').allTextContents(), actions, words);
    }
    await page.getByLabel('Find').fill('');
    await page.getByLabel('Service').selectOption('downstream-api');
    assert.deepEqual(await items.locator('b').allTextContents(), ['sign in']);
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

  it('says of a trace that is not here that it is not, and draws it once it arrives', async () => {
    const { traceId } = sampleFlow('signIn', 'late', 0);
    const page = await openPage(`/traces/${traceId}`);
    await page.getByRole('heading', { name: 'This trace is not here' }).waitFor();
    assert.match(complaints.splice(0).join(), /404/, 'the only complaint');
    await send('signIn', 'late', evening - 60_000);
    await page.locator('.sequence').waitFor();
    assert.equal(await page.getByRole('heading', { name: 'This trace is not here' }).isVisible(), false);
    await page.context().close();
  });

  it('starts again after Clear: the next trace opens by itself', async () => {
    const page = await openPage(`/traces/${ids.signIn}`);
    await page.locator('.sequence').waitFor();
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByText('Nothing yet').waitFor();
    await page.locator('.sequence').waitFor({ state: 'hidden' });
    assert.equal(new URL(page.url()).pathname, '/');
    ids.throttled = await send('throttled', 'second', evening + 60_000, 'first');
    await page.waitForURL(`**/traces/${ids.throttled}*`);
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
