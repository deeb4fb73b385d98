import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { html } from './html.ts';

describe('html', () => {
  it('escapes every value in text and attributes', () => {
    assert.equal(
      String(html`<a b="${'"\'<>&'}">${'<script>'}</a>`),
      '<a b="&quot;&#39;&lt;&gt;&amp;">&lt;script&gt;</a>',
    );
  });

  it('keeps markup of its own, joins lists, and shows nothing for false and undefined', () => {
    const items = ['<', html`<b>x</b>`, [1, undefined]].map((value) => html`<li>${value}</li>`);
    assert.equal(String(html`${items}${false}${undefined}${0}`), '<li>&lt;</li><li><b>x</b></li><li>1</li>0');
  });

  it('does not unescape: a backslash in a template stays what it says', () => {
    assert.equal(String(html`${'\\n'}`), '\\n');
  });
});
