import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { openTestbed } from '../testbed.fake.ts';
import { toLogo } from './logo.ts';

const svg = (inside = '<circle r="3"/>', head = '') =>
  Buffer.from(`${head}<svg viewBox="0 0 9 9" xmlns="http://www.w3.org/2000/svg">${inside}</svg>`);
const png = (bytes = 64) => Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(bytes)]);

describe('a logo', () => {
  const good: [what: string, file: Buffer, type: string][] = [
    ['an SVG', svg(), 'image/svg+xml'],
    [
      'an SVG as editors write it',
      svg('<use href="#a"/>', '\uFEFF<?xml version="1.0"?>\n<!-- drawn --> '),
      'image/svg+xml',
    ],
    ['a PNG', png(), 'image/png'],
    ['a PNG of 16 KB', png(16_384 - 8), 'image/png'],
  ];
  for (const [what, file, type] of good) {
    it(`is a picture within the page: ${what}`, () => {
      assert.equal(toLogo(file), `data:${type};base64,${file.toString('base64')}`);
    });
  }

  const bad: [what: string, file: Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['a page', Buffer.from('<!doctype html><svg xmlns="http://www.w3.org/2000/svg">')],
    ['an SVG without its namespace', Buffer.from('<svg viewBox="0 0 9 9"></svg>')],
    ['a JPEG', Buffer.from('ffd8ffe000104a464946', 'hex')],
    ['a PNG over 16 KB', png(16_384)],
    ['entities', svg('&x;', '<!DOCTYPE svg [<!ENTITY x "y">]>')],
    ['a script', svg('<script>alert(1)</script>')],
    ['a handler', svg('<circle r="3" onload="alert(1)"/>')],
    ['a page within', svg('<foreignObject><p>x</p></foreignObject>')],
    ['a script as an address', svg('<a href="javascript:alert(1)">x</a>')],
    ['a picture from elsewhere', svg('<image href="https://elsewhere.example/x.png"/>')],
    ['a picture from elsewhere, in the old way', svg("<image xlink:href='//elsewhere.example/x.png'/>")],
  ];
  for (const [what, file] of bad) {
    it(`is refused at the start, by its key: ${what}`, () => {
      assert.throws(
        () => toLogo(file),
        (error) =>
          error instanceof ConfigError && /LOGO_FILE: /.test(error.message) && !/alert|elsewhere/.test(error.message),
      );
    });
  }
});

describe('the product', () => {
  it('names every page, with its logo, which the policy allows as a picture only', async () => {
    const logo = toLogo(svg());
    await using testbed = await openTestbed({ product: { name: 'Payroll <b>', logo } });
    for (const path of ['/', '/nothing']) {
      const { body, headers } = await testbed.browser().send(path);
      assert.match(body, /<title>[^<]+ &middot; Payroll &lt;b&gt;<\/title>/);
      assert.match(body, /<strong>Payroll &lt;b&gt;<\/strong>/);
      assert.ok(body.includes(`<img class="logo" src="${logo}" alt="">`));
      assert.ok(body.includes(`<link rel="icon" href="${logo}">`));
      assert.doesNotMatch(body, /Onbehalf/);
      assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'; img-src data:;/);
    }
  });
});
