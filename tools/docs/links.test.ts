import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { deadLinks } from './links.ts';

describe('the links of the documentation as a site', () => {
  it('are found where their page or anchor is not there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'onbehalf-'));
    const links = ['b.html#here', '#top', 'https://elsewhere.example/', 'c.html', 'b.html#gone', '#nowhere'];
    try {
      await writeFile(join(folder, 'a.html'), `<h1 id="top">${links.map((link) => `<a href="${link}">`).join('')}`);
      await writeFile(join(folder, 'b.html'), '<h2 id="here">');
      assert.deepEqual(deadLinks(folder), ['a.html: c.html', 'a.html: b.html#gone', 'a.html: #nowhere']);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
