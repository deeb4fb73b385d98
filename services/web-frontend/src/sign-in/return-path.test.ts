import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { returnPath } from '@onbehalf/node/web/sign-in/return-path';
import { location, openTestbed, publicBaseUrl, signIn } from '../testbed.fake.ts';

const evil = 'evil.example';

/** Ways out of an origin, from public collections of open-redirect payloads. */
const payloads = [
  ...[`https://${evil}`, `http://${evil}`, `HTTPS://${evil}`, `https:${evil}`, `https:/${evil}`, `https:///${evil}`],
  ...[
    `//${evil}`,
    `///${evil}`,
    `////${evil}`,
    `/\\${evil}`,
    `\\/${evil}`,
    `\\\\${evil}`,
    `/\\/${evil}`,
    `//\\${evil}`,
  ],
  ...[`/\t/${evil}`, `/\n/${evil}`, `/\r/${evil}`, `\t//${evil}`, ` //${evil}`, `\u0000//${evil}`, `/\u0009//${evil}`],
  ...[
    `/\u00a0//${evil}`,
    `/\u2028/${evil}`,
    `/\u2029/${evil}`,
    `\u3000//${evil}`,
    `\ufeff//${evil}`,
    `/\u0085/${evil}`,
  ],
  ...[
    `/.//${evil}`,
    `/..//${evil}`,
    `/a/..//${evil}`,
    `/./..//${evil}`,
    `/%2e//${evil}`,
    `/%2e%2e//${evil}`,
    `/a/%2e%2e//${evil}`,
  ],
  ...[
    `/.\\${evil}`,
    `/a\\..\\${evil}`,
    `/..\\/${evil}`,
    `/%5c${evil}`,
    `/%2f%2f${evil}`,
    `/%2f${evil}`,
    `%2f%2f${evil}`,
  ],
  ...[
    `javascript:alert(1)`,
    `JaVaScRiPt:alert(1)`,
    `java\nscript:alert(1)`,
    `data:text/html,x`,
    `vbscript:x`,
    `file:///etc/passwd`,
  ],
  ...[
    `//user@${evil}`,
    `https://localhost:3000@${evil}`,
    `//localhost:3000@${evil}`,
    `/@${evil}`,
    `@${evil}`,
    `.${evil}`,
    evil,
  ],
  ...[
    `https://localhost:3000.${evil}`,
    `//localhost:3000.${evil}`,
    `//localhost:3000\\@${evil}`,
    `//${evil}#@localhost:3000`,
  ],
  ...[
    `//${evil}?localhost:3000`,
    `//[::1]`,
    `//0x7f000001`,
    `//2130706433`,
    `//${evil}:80`,
    `//\u24d4vil.example`,
    `//evil\u3002example`,
  ],
  ...[
    `http:localhost:3000//${evil}`,
    `/\\\\${evil}`,
    `/;//${evil}`,
    `?//${evil}`,
    `#//${evil}`,
    '',
    ' ',
    '/\\',
    '//',
    '///',
    'a',
    '.',
    '..',
  ],
  ...[
    `/${'a'.repeat(3_000)}`,
    `ftp://${evil}`,
    `blob:https://${evil}/x`,
    `wss://${evil}`,
    `mailto:a@${evil}`,
    `tel:1`,
    `//%65vil.example`,
  ],
  ...[
    `/sign-in?return_to=//${evil}`,
    '/auth/callback?code=x',
    '/api/orders/x',
    '/sign-out',
    '/session',
    '/SIGN-IN',
    '/auth',
  ],
];

describe('return path', () => {
  it('keeps a path of ours with its query and fragment', () => {
    for (const path of [
      '/',
      '/profile',
      '/profile?a=b&c=%2F',
      '/whoami#top',
      '/a/b?u=https://x.example',
      '/sessions',
      '/%C3%BC',
    ]) {
      assert.equal(returnPath(path, location), path);
    }
  });

  it('leads to the start where it is no plain path', () => {
    const none = [undefined, 'profile', 'a/profile', '?a', '#a', ' /profile', `${publicBaseUrl}/profile`];
    const spoilt = ['/a\nb', '/a\tb', '/a\0', '/a\\b', '/a\u2028b', '/a\u0085', '/profile\n'];
    for (const path of [...none, ...spoilt]) assert.equal(returnPath(path, location), '/', JSON.stringify(path));
  });

  it('may have 1,024 characters, which fit into a cookie, and no more', () => {
    const path = (length: number) => `/${'a'.repeat(length - 1)}`;
    assert.equal(returnPath(path(1_024), location), path(1_024));
    assert.equal(returnPath(path(1_025), location), '/');
    // Also where parsing would make it short.
    assert.equal(returnPath(`${'/a/..'.repeat(205)}/x`, location), '/');
  });

  it('may have as many as an address, which has nine for one of some scripts', () => {
    assert.equal(returnPath(`/${'名'.repeat(113)}`, location).length, 1_018);
    assert.equal(returnPath(`/${'名'.repeat(114)}`, location), '/');
  });

  it('leads to no route that is not a page: it would start over, sign out, or show data', () => {
    for (const name of ['sign-in', 'sign-out', 'auth', 'api', 'session']) {
      for (const end of ['', '/', '/x', '?a=b', '#a', '/callback?code=x', '/../session', '/orders/x']) {
        for (const path of [
          `/${name}${end}`,
          `/${name.toUpperCase()}${end}`,
          `/./${name}${end}`,
          `/x/../${name}${end}`,
        ]) {
          assert.equal(returnPath(path, location), '/', path);
        }
      }
      for (const path of [`/${name}s`, `/x/${name}`, `/profile?to=/${name}`, `/profile#/${name}`])
        assert.equal(returnPath(path, location), path);
    }
  });

  it(`never leaves the origin: ${payloads.length} payloads`, () => {
    assert.ok(payloads.length >= 60);
    for (const payload of payloads) {
      const path = returnPath(payload, location);
      assert.match(path, /^\/(?!\/)/, JSON.stringify(payload));
      assert.equal(new URL(path, publicBaseUrl).origin, publicBaseUrl, JSON.stringify(payload));
      // What a browser makes of it when it is resolved against a page of ours.
      assert.equal(new URL(path, `${publicBaseUrl}/auth/callback`).origin, publicBaseUrl, JSON.stringify(payload));
    }
  });

  it('never leaves the origin through the front door', async () => {
    await using testbed = await openTestbed();
    for (const payload of payloads) {
      const browser = testbed.browser();
      const landed = await signIn(testbed, browser, `/sign-in?return_to=${encodeURIComponent(payload)}`);
      assert.equal(new URL(landed.location, publicBaseUrl).origin, publicBaseUrl, JSON.stringify(payload));
    }
  });

  it('is not taken anywhere else: sign-out leads to Entra and back to the start only', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    for (const name of ['return_to', 'post_logout_redirect_uri', 'redirect_uri']) {
      for (const payload of payloads.slice(0, 20)) {
        await signIn(testbed, browser);
        const { location } = await browser.submit(`/sign-out?${new URLSearchParams({ [name]: payload })}`, {
          [name]: payload,
        });
        const url = new URL(location);
        assert.equal(url.origin, testbed.entra.origin);
        assert.deepEqual(url.searchParams.getAll('post_logout_redirect_uri'), [`${publicBaseUrl}/`]);
      }
    }
  });
});
