import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

/** Of the blocks of JavaScript in packages/node/README.md the one that has these words. */
export async function blockOf(words: RegExp): Promise<string> {
  const page = await readFile('packages/node/README.md', 'utf8');
  const blocks = [...page.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);
  return blocks.find((text) => words.test(text)) ?? assert.fail(`no block with ${words}`);
}
