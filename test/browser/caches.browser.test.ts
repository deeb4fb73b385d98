import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../kit/browser/chromium.ts';
import { type BrowserProfile, openBrowserProfile } from '../kit/browser/profile.ts';
import { consent, heading, hello, pick } from '../kit/browser/steps.ts';
import { openCachingNginx } from '../kit/nginx.ts';
import { accept, signIn } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';

const past = 'Mon, 01 Jan 2024 00:00:00 GMT';
const future = 'Wed, 01 Jan 2125 00:00:00 GMT';

/** How APIs tell caches what to keep, for an API's own hop. Versions are alike for everybody, as row versions are. */
const combinations: Record<string, string>[] = [
  { 'Cache-Control': 'public, max-age=600' },
  { 'Cache-Control': 'max-age=600', ETag: '"v1"' },
  { 'Cache-Control': 'private, max-age=300', Vary: 'Authorization' },
  { 'Cache-Control': 'public, s-maxage=600, max-age=0', Vary: 'Authorization', 'Last-Modified': past },
  { 'Cache-Control': 'public, max-age=31536000, immutable', ETag: 'W/"v1"' },
  { 'Cache-Control': 'max-age=0, stale-while-revalidate=600, stale-if-error=600', ETag: '"v1"' },
  { 'Cache-Control': 'no-cache', ETag: '"v1"', 'Last-Modified': past, Vary: 'Accept-Encoding' },
  { Expires: future, 'Last-Modified': past },
  { ETag: '"v1"', 'Last-Modified': past },
  { 'X-Accel-Expires': '600', Pragma: 'cache', Vary: 'Origin, Authorization' },
  { 'CDN-Cache-Control': 'max-age=600', 'Surrogate-Control': 'max-age=600', 'Cache-Control': 'public, max-age=600' },
  { 'Cache-Control': 'no-store', Expires: future, ETag: '"v1"' },
];
const all = [...combinations.keys()];
const pathOf = (combination: number) => `/api/downstream-api/orders?combination=${combination}`;

/** An API whose every answer names its person; it gives 304 to whoever has the version it has. */
function openApi(): Server {
  const respond = (req: IncomingMessage) => {
    const url = new URL(req.url ?? '/', 'http://api.test');
    const headers = combinations[Number(url.searchParams.get('combination'))] ?? {};
    const { 'if-none-match': tags, 'if-modified-since': since } = req.headers;
    const known = headers.ETag === undefined ? since !== undefined && since === headers['Last-Modified'] : undefined;
    const same = known ?? (headers.ETag !== undefined && tags?.includes(headers.ETag.replace('W/', '')));
    const { name } = req.headers.authorization ? decodeJwt(req.headers.authorization.slice(7)) : { name: 'nobody' };
    return {
      status: same ? 304 : 200,
      headers,
      body: same ? undefined : JSON.stringify({ name, secret: `data of ${name}` }),
    };
  };
  return createServer((req, res) => {
    const { status, headers, body } = respond(req);
    statuses.push(status);
    res.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(body);
  }).listen(0, '127.0.0.1');
}

const statuses: number[] = [];
let api: Server;
let apiOrigin = '';
let dir = '';
let system: System;
let browser: Browser & AsyncDisposable;
before(async () => {
  browser = await launchChromium();
  api = openApi();
  await once(api, 'listening');
  apiOrigin = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  dir = await mkdtemp(join(tmpdir(), 'onbehalf-apis-'));
  const apis = { 'downstream-api': { url: apiOrigin, scopes: ['api://onbehalf-api/access_as_user'] } };
  await writeFile(join(dir, 'apis.json'), JSON.stringify(apis));
  system = await openSystem({ frontend: true, name: 'caches', env: { web: { APIS_FILE: join(dir, 'apis.json') } } });
});
after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await system?.close();
  api?.closeAllConnections();
  api?.close();
  if (dir) await rm(dir, { recursive: true });
});

type Kept = { status: number; body: string };
/** What a script of our page is given; `force-cache` takes whatever is kept, stale or not. */
function ask(page: Page, combination: number, cache: 'default' | 'force-cache' | 'only-if-cached'): Promise<Kept> {
  return page.evaluate(
    async ([url, mode]) => {
      const init = { cache: mode, mode: 'same-origin', headers: { 'X-CSRF': '1' } } as const;
      const answer = await fetch(String(url), init as RequestInit).catch(() => new Response('', { status: 504 }));
      return { status: answer.status, body: await answer.text() };
    },
    [pathOf(combination), cache] as const,
  );
}

/** Signs in from the start page, and consents to the API once. */
async function enter(page: Page, person: string, name: string): Promise<void> {
  await page.goto(`${system.web}/sign-in?prompt=select_account&return_to=/whoami`);
  await pick(page, person);
  const answer = page.getByLabel('The response');
  for (let asked = 0; asked < 2; asked += 1) {
    await answer.or(consent(page)).first().waitFor();
    if (await consent(page).isVisible()) await consent(page).click();
  }
  await answer.waitFor();
  assert.match((await answer.textContent()) ?? '', new RegExp(`data of ${name}`));
  await page.goto(system.web);
  await hello(page);
}

/** Every answer that the page can be given, from wherever, for these combinations: it is this person's, or nobody's. */
async function onlyOf(page: Page, name: string | undefined): Promise<void> {
  for (const combination of all) {
    for (const cache of ['only-if-cached', 'force-cache', 'default'] as const) {
      const { status, body } = await ask(page, combination, cache);
      const where = `${JSON.stringify(combinations[combination])}, ${cache}: ${status}`;
      if (name === undefined) assert.ok(status === 401 || status === 504, where);
      else if (cache === 'default') assert.equal(status, 200, where);
      const of = /data of (\w+ \w+)/.exec(body)?.[1];
      assert.ok(of === undefined || of === name, `${where} shows ${of} to ${name}`);
      if (cache === 'default') assert.equal(of, name, where);
    }
  }
}

async function fill({ page }: BrowserProfile): Promise<void> {
  await onlyOf(page, 'Alice Ahrens');
  // A document of the API's, which Back would show.
  const [opened] = await Promise.all([
    page.waitForResponse(/combination=1$/),
    page.evaluate(`location = '${pathOf(1)}'`),
  ]);
  assert.equal(opened.status(), 200);
  assert.match((await page.textContent('body')) ?? '', /data of Alice/);
  await page.goto(system.web);
}

describe('the cache of a browser', () => {
  it(`keeps its person's answers to be asked for again, and shows none of ${combinations.length} kinds after sign-out`, async () => {
    await using kiosk = await openBrowserProfile(browser);
    const { page } = kiosk;
    await enter(page, 'alice', 'Alice Ahrens');
    await fill(kiosk);
    statuses.length = 0;
    const again = [];
    for (const combination of all) again.push((await ask(page, combination, 'default')).status);
    assert.deepEqual([...new Set(again)], [200]);
    const withValidators = combinations.filter((headers) => (headers.ETag ?? headers['Last-Modified']) !== undefined);
    const revalidated = statuses.filter((status) => status === 304).length;
    assert.equal(revalidated, withValidators.length - 1, 'each but the one that is stored nowhere');

    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await heading(page, 'Welcome');
    await onlyOf(page, undefined);
    let shown = '';
    for (let step = 0; step < 6 && !page.url().endsWith('combination=1'); step += 1) {
      await page.goBack();
      shown = (await page.textContent('body')) ?? '';
      assert.doesNotMatch(shown, /data of/, `Back to ${page.url()}`);
    }
    assert.match(shown, /login_required/, 'Back never came to the document');
    await enter(page, 'bob', 'Bob Berger');
    await onlyOf(page, 'Bob Berger');
  });

  it('is forgotten when somebody else signs in without a sign-out', async () => {
    await using kiosk = await openBrowserProfile(browser);
    await enter(kiosk.page, 'alice', 'Alice Ahrens');
    await fill(kiosk);
    await enter(kiosk.page, 'bob', 'Bob Berger');
    await onlyOf(kiosk.page, 'Bob Berger');
    await onlyOf(kiosk.page, 'Bob Berger');
  });
});

describe('a caching proxy', () => {
  it(`gives nobody the answer of another, of ${combinations.length} kinds, and could have`, async () => {
    await using nginx = await openCachingNginx(system.logDir, { '': system.web, bare: apiOrigin });
    const get = async (url: string, person?: ReturnType<System['visitor']>) => {
      const { status, headers, body } = await (person ?? system.visitor()).send(url, { headers: { 'x-csrf': '1' } });
      return { status, cache: headers['x-cache'], body };
    };
    const bare = `${nginx.origin}/bare/orders?combination=0`;
    assert.deepEqual([(await get(bare)).cache, (await get(bare)).cache], ['MISS', 'HIT'], 'this nginx caches nothing');

    // Cookies are of a host, not of a port.
    const front = new URL(nginx.origin);
    front.hostname = new URL(system.web).hostname;
    const people = { 'Alice Ahrens': system.visitor(), 'Bob Berger': system.visitor() };
    for (const [name, visitor] of Object.entries(people)) {
      await signIn(visitor, system, name.split(' ')[0]?.toLowerCase() ?? '');
      await visitor.open(`${system.web}/whoami`);
      await accept(visitor, system);
      assert.equal(visitor.page.url.origin, system.web);
    }
    for (const combination of all) {
      const url = new URL(pathOf(combination), front).href;
      const where = JSON.stringify(combinations[combination]);
      for (const round of [1, 2]) {
        for (const [name, visitor] of Object.entries(people)) {
          const { status, cache, body } = await get(url, visitor);
          assert.deepEqual([status, JSON.parse(body).name], [200, name], `${where}, round ${round}`);
          assert.notEqual(cache, 'HIT', where);
        }
        const stranger = await get(url);
        assert.equal(stranger.status, 401, where);
        assert.doesNotMatch(stranger.body, /data of/);
      }
    }
  });
});
