import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pumpsFor, regularExpressions } from './regular-expressions.ts';

/** As long as all headers of a request together may be. */
const length = 16_384;
/** What is linear takes 1 ms or so; what is quadratic takes half a second. */
const withinMs = 100;
const tries = 3;

function timeOf(regex: RegExp, input: string): number {
  const once = () => {
    regex.lastIndex = 0;
    const startedMs = performance.now();
    if (regex.global) input.replace(regex, '');
    else regex.exec(input);
    return performance.now() - startedMs;
  };
  let best = once();
  // A busy machine is slow now and then, a bad expression always.
  for (let tried = 1; tried < tries && best >= withinMs; tried += 1) best = Math.min(best, once());
  return best;
}

/** The slowest that an expression can be made by so many characters. */
function slowest(regex: RegExp, source: string): { ms: number; pump: string } {
  let worst = { ms: 0, pump: '' };
  for (const pump of pumpsFor(source)) {
    for (const [start, end] of [
      ['', '\0'],
      ['a', '!'],
      ['"', ''],
      ['/', '\n'],
      ['eyJ', '@'],
    ]) {
      const ms = timeOf(regex, `${start}${pump.repeat(length / pump.length)}${end}`);
      if (ms > worst.ms) worst = { ms, pump: `${start}(${pump})*${end}` };
      if (worst.ms >= withinMs) return worst;
    }
  }
  return worst;
}

describe('every regular expression of the services', () => {
  const all = regularExpressions();

  it(`takes less than ${withinMs} ms for ${length} characters, whatever they are`, (context) => {
    const unique = [...new Map(all.map((one) => [`${one.regex}`, one])).values()];
    const times = unique.map(({ file, source, regex }) => ({ file, source, ...slowest(regex, source) }));
    context.diagnostic(`${unique.length} expressions, slowest ${Math.max(...times.map(({ ms }) => ms)).toFixed(1)} ms`);
    assert.deepEqual(
      times.filter(({ ms }) => ms >= withinMs),
      [],
    );
  });

  it('is found: those of every room, and the ones that see most of the outside', () => {
    assert.ok(all.length >= 50, `${all.length}`);
    const found = all.map(({ source }) => source);
    const known = [
      'eyJ[',
      'Bearer +',
      '^([0-9a-f]{2})-(?!0',
      '"((?:',
      '^\\/api\\/',
      '^\\/(?!',
      '^system:serviceaccount:',
    ];
    assert.deepEqual(
      known.filter((part) => !found.some((source) => source.includes(part))),
      [],
    );
  });

  it('would be caught if it were bad', () => {
    assert.ok(slowest(/=+$/, '=').ms >= withinMs);
  });
});
