import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { launchChromium } from '../kit/browser/chromium.ts';
import { jwt } from '../kit/browser/profile.ts';
import { consent, pick } from '../kit/browser/steps.ts';
import { startChild } from '../kit/child.ts';
import { mountJson } from '../kit/mounts.ts';
import { freePort } from '../kit/ports.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { openLanguage } from './languages.ts';

const opened = new AsyncDisposableStack();
let system: System;

before(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'upstreams-'));
  opened.defer(() => rm(folder, { recursive: true }));
  const ports = { python: await freePort(), go: await freePort() };
  const personal = { require: 'session', pass: 'identity' };
  const upstreams = await mountJson(folder, 'upstreams.json', {
    spa: { folder: resolve('examples/spa'), require: 'none' },
    python: { path: '/python', url: `http://127.0.0.1:${ports.python}`, ...personal },
    go: { path: '/go', url: `http://127.0.0.1:${ports.go}`, ...personal },
  });
  system = opened.use(
    await openSystem({ name: 'clients-example-pages', frontend: true, env: { web: { UPSTREAMS_FILE: upstreams } } }),
  );
  for (const [name, language] of [
    ['python', 'fastapi'],
    ['go', 'go-api'],
  ] as const) {
    const { command, args, env } = openLanguage(language)('page');
    const port = ports[name];
    opened.use(
      await startChild({
        ...{ name, command, args, withinMs: 30_000, logFile: join(system.logDir, `${name}.log`) },
        env: {
          ...env,
          PATH: process.env.PATH ?? '',
          PORT: `${port}`,
          PUBLIC_BASE_URL: system.web,
          UPSTREAM_NAME: name,
        },
        ready: async () => (await fetch(`http://127.0.0.1:${port}/`)).status === 401,
      }),
    );
  }
});
after(() => opened.disposeAsync());

describe('an example behind the frontend', () => {
  for (const [name, title] of Object.entries({ python: 'Python', go: 'Go' })) {
    it(`is a page in ${title} that knows its person, whom the frontend has signed in`, async () => {
      const visitor = system.visitor();
      await visitor.open(`${system.web}/${name}/orders`);
      await visitor.press('alice@');
      if (/Permissions requested/.test(visitor.words)) await visitor.press('Accept');
      assert.equal(visitor.page.url.href, `${system.web}/${name}/orders`);
      assert.match(visitor.words, new RegExp(`Hello Alice Ahrens, this is /${name}/orders`));
    });
  }

  it('is a single-page app that signs in, calls the API and steps up, without a token in the browser', async () => {
    await using browser = await launchChromium();
    const page = await browser.newPage();
    const seen: string[] = [];
    page.on('response', async (response) => seen.push(await response.text().catch(() => '')));
    await page.goto(`${system.web}/`);
    await page.getByText('Nobody is signed in.').waitFor();
    await page.getByRole('button', { name: 'Call the API' }).click();
    await pick(page, 'alice');
    await consent(page).click();
    await page.getByText('You are Alice Ahrens.').waitFor();
    await page.getByText('"username": "alice@contoso.test"').waitFor();
    await page.getByRole('button', { name: 'Pay slips' }).click();
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByText('"currency": "EUR"').waitFor();
    const { cookies, origins } = await page.context().storageState();
    const ours = seen.filter((text) => !text.includes('entra')).join('\n');
    assert.doesNotMatch(`${JSON.stringify([cookies, origins])}\n${ours}`, jwt);
    // Entra ID leads back to the app.
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('Nobody is signed in.').waitFor();
  });

  it('signs out by a plain form of its page, through Entra ID, which its policy lets the form lead to', async () => {
    await using browser = await launchChromium();
    const page = await browser.newPage();
    await page.goto(`${system.web}/sign-in?return_to=/`);
    await pick(page, 'alice');
    await page.getByText('You are Alice Ahrens.').waitFor();
    const form = '<form method="post" action="/sign-out"><button>Leave</button></form>';
    await page.evaluate(`document.body.innerHTML = ${JSON.stringify(form)}`);
    await page.getByRole('button', { name: 'Leave' }).click();
    await page.getByText('Nobody is signed in.').waitFor();
    assert.equal(new URL(page.url()).origin, system.web);
  });
});
