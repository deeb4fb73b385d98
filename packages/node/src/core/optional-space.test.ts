import assert from 'node:assert/strict';
import { it } from 'node:test';
import { withoutSpace } from './optional-space.ts';

it('takes spaces and tabs from both ends, and nothing else that looks empty', () => {
  assert.equal(withoutSpace(' \t a b\t '), 'a b');
  for (const one of ['\u00a0', '\u000b', '\u000c', '\u0085', '\u2000', '\u2028', '\u3000', '\ufeff', '\r', '\n', '\0'])
    assert.equal(withoutSpace(` ${one}a${one} `), `${one}a${one}`, JSON.stringify(one));
});

it('does not search a long gap again for each of its characters', () => {
  const gap = ' '.repeat(200_000);
  const startedAtMs = performance.now();
  assert.equal(withoutSpace(`a${gap}b`).length, gap.length + 2);
  // A search that began anew at each of them would take minutes.
  assert.ok(performance.now() - startedAtMs < 5_000);
});
