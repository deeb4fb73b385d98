import { after, before, describe, it } from 'node:test';
import { sampleFlow } from '@onbehalf/trace-viewer/sample-flow';
import { createViewer, type Viewer } from '@onbehalf/trace-viewer/viewer';
import type { Browser, Page } from 'playwright-core';
import { renderReport } from '../../services/load-generator/src/report/report.ts';
import { sampleResult } from '../../services/load-generator/src/results/result.fake.ts';
import type { Outage } from '../../tools/demo/outages.ts';
import { Panel } from '../../tools/demo/panel.ts';
import { launchChromium } from '../kit/browser/chromium.ts';
import { inspect } from '../kit/browser/inspect.ts';
import { Gallery } from '../kit/browser/pictures.ts';
import type { System } from '../kit/system/system.ts';

const evening = Date.UTC(2026, 5, 1, 18);
const gallery = new Gallery('drawings');

let browser: Browser & AsyncDisposable;
let viewer: Viewer;
let ids: { signIn: string; throttled: string };
before(async () => {
  browser = await launchChromium();
  viewer = await createViewer();
  ids = {
    signIn: await send('signIn', 'first', evening),
    throttled: await send('throttled', 'second', evening + 60_000, 'first'),
  };
});
after(async () => {
  await viewer?.[Symbol.asyncDispose]();
  await browser?.[Symbol.asyncDispose]();
});

async function send(...sample: Parameters<typeof sampleFlow>): Promise<string> {
  const { traceId, body } = sampleFlow(...sample);
  const headers = { 'Content-Type': 'application/json' };
  await fetch(`${viewer.url}/v1/traces`, { method: 'POST', headers, body: JSON.stringify(body) });
  return traceId;
}

async function open(url?: string): Promise<Page & AsyncDisposable> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, timezoneId: 'UTC', locale: 'en-GB' });
  if (url) await page.goto(url);
  return Object.assign(page, { [Symbol.asyncDispose]: () => page.close() });
}

describe('the trace viewer is readable, in light and dark, wide and narrow, by eye and by screen reader', () => {
  it('with its list of flows', async () => {
    await using page = await open(viewer.url);
    await page.locator('#flows a').nth(1).waitFor();
    await inspect(page, gallery, 'viewer-list');
  });

  it('with a sign-in, as a sequence and as a waterfall', async () => {
    await using page = await open(`${viewer.url}/traces/${ids.signIn}`);
    await page.locator('.sequence').waitFor();
    await inspect(page, gallery, 'viewer-sequence');
    await page.getByRole('tab', { name: 'Waterfall' }).click();
    await page.locator('.waterfall').waitFor();
    await inspect(page, gallery, 'viewer-waterfall');
  });

  it('with a failure and its details', async () => {
    await using page = await open(`${viewer.url}/traces/${ids.throttled}`);
    await page.locator('.cross').first().waitFor();
    await page.keyboard.press('ArrowDown');
    await page.locator('#details').waitFor();
    await inspect(page, gallery, 'viewer-failure');
  });

  it('with a trace that is gone, and with one that was exported', async () => {
    await using page = await open(`${viewer.url}/traces/${'0'.repeat(31)}1`);
    await page.getByText('is not here').first().waitFor();
    await inspect(page, gallery, 'viewer-gone');
    await page.goto(`${viewer.url}/api/traces/${ids.signIn}.html`);
    await inspect(page, gallery, 'viewer-export');
  });
});

describe('the panel "Break it" is readable, in light and dark, wide and narrow, by eye and by screen reader', () => {
  const texts = {
    watch: 'a page of somebody who is signed in',
    must: 'Nobody is signed out: tokens are served from memory.',
  };
  const outages: Outage[] = [
    { ...texts, id: 'held', title: 'Stop Entra ID', run: async () => 'the API responded after 5 ms' },
    {
      ...texts,
      ...{ id: 'broken', title: 'Slow Entra ID', number: { label: 'Milliseconds', usual: 2_000 } },
      run: () => Promise.reject(new Error('after 10 ms /whoami says: Sign-in service is unavailable')),
    },
    { ...texts, id: 'idle', title: 'Freeze Redis', run: async () => '' },
  ];
  const system = {
    calls: async () => 1,
    brokers: [{ admin: 'http://127.0.0.1:1' }],
    web: 'http://localhost:3000',
    viewerUrl: 'http://localhost:4318',
  };

  it('with what happened, what did not, and what was not tried', async () => {
    await using panel = new Panel(system as unknown as System, outages);
    await using page = await open(await panel.listen(0));
    for (const [place, says] of ['Did: ', 'Did not: '].entries()) {
      await page.getByRole('button', { name: 'Break it' }).nth(place).click();
      await page.getByText(says).waitFor();
    }
    await inspect(page, gallery, 'panel');
  });
});

describe('the report of a load is readable, in light and dark, wide and narrow, by eye and by screen reader', () => {
  it('with its drawings and tables', async () => {
    await using page = await open();
    await page.setContent(renderReport(sampleResult));
    await inspect(page, gallery, 'report');
  });

  it('and no picture is kept of a page that is not shown', () => gallery.assertAllSeen());
});
