import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Fault } from '@onbehalf/node/core/fault';
import fc from 'fast-check';
import { z } from 'zod';
import { parameters, parseForm, readForm } from './form.ts';

const parsed = (body: string | Buffer) => ({ ...parseForm(Buffer.from(body)) });
const refuses = (work: () => unknown, words?: RegExp) =>
  assert.throws(work, (error) => {
    assert.ok(error instanceof Fault, `${error}`);
    assert.equal(error.code, 'invalid_request');
    if (words) assert.match(error.message, words);
    return true;
  });

describe('a form body', () => {
  const good: [string | Buffer, Record<string, string>][] = [
    ['', {}],
    ['a=1&b=2', { a: '1', b: '2' }],
    ['&&a=1&', { a: '1' }],
    ['a=b+c%20d%2B', { a: 'b c d+' }],
    ['a+b=c+d', { 'a b': 'c d' }],
    ['a=x=y=', { a: 'x=y=' }],
    ['a=&a=1', { a: '1' }],
    ['a', {}],
    ['=1', { '': '1' }],
    ['a=%C3%A9%F0%9F%94%91', { a: 'é🔑' }],
    ['a=é', { a: 'é' }],
    ['a=\u{feff}x', { a: '\u{feff}x' }],
    ['a=%EF%BB%BFx', { a: '\u{feff}x' }],
    ['\u{feff}a=1', { '\u{feff}a': '1' }],
    [Array.from({ length: 64 }, (_, n) => `p${n}=`).join('&'), {}],
    ['__proto__=1&constructor=2', { ['__proto__']: '1', constructor: '2' }],
  ];
  for (const [body, fields] of good) {
    it(`is read: ${JSON.stringify(body)}`, () => assert.deepEqual(parsed(body), fields));
  }

  const bad: [string, string | Buffer][] = [
    ['a name twice', 'a=1&a=1'],
    ['a name twice, once encoded', 'a=1&%61=2'],
    ['half an escape', 'a=%4'],
    ['an escape of no hex digits', 'a=%zz'],
    ['overlong UTF-8', 'a=%C0%AF'],
    ['a lone surrogate', 'a=%ED%A0%80'],
    ['a cut sequence', 'a=%E2%82'],
    ['broken raw bytes', Buffer.from([0x61, 0x3d, 0xff, 0xfe])],
    ['NUL, encoded', 'a=x%00y'],
    ['NUL, raw', 'a=x\0y'],
    ['NUL in a name', 'a%00=1'],
    ['more parameters than any request has', Array.from({ length: 65 }, (_, n) => `p${n}=1`).join('&')],
  ];
  for (const [what, body] of bad) it(`is refused for ${what}`, () => refuses(() => parsed(body)));

  it('throws nothing but invalid_request, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parseForm(Buffer.from(bytes));
        } catch (error) {
          assert.ok(error instanceof Fault && error.code === 'invalid_request');
        }
      }),
      { numRuns: 500 },
    );
    const pieces = fc.constantFrom('a', '=', '&', '%', '%2', '%41', '%C3', '%A9', '+', 'é', '\0', '%00', ';');
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        try {
          parseForm(Buffer.from(parts.join('')));
        } catch (error) {
          assert.ok(error instanceof Fault && error.code === 'invalid_request');
        }
      }),
      { numRuns: 500 },
    );
  });

  it('leaves nothing of its body behind, however often a new name comes', () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    collect();
    const before = process.memoryUsage().heapUsed;
    const filler = 'x'.repeat(60_000);
    for (let n = 0; n < 900; n += 1)
      parseForm(Buffer.from(`filler=${filler}&scope=api%3A%2F%2Fa-long-enough-name-${n}`));
    collect();
    assert.ok(process.memoryUsage().heapUsed - before < 20_000_000);
  });

  it('keeps no more decoded values than it asked for, however many come', () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const before = process.memoryUsage().heapUsed;
    for (let n = 0; n < 100_000; n += 1) parseForm(Buffer.from(`a=${'%20'.repeat(60)}${n}`));
    collect();
    assert.ok(process.memoryUsage().heapUsed - before < 20_000_000);
  });

  it('is read as URLSearchParams writes and reads it', () => {
    const text = fc.string({ unit: 'binary', minLength: 1 }).filter((value) => !value.includes('\0'));
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(text, text), { selector: ([name]) => name }), (pairs) => {
        const written = new URLSearchParams(pairs).toString();
        assert.deepEqual(parsed(written), Object.fromEntries(new URLSearchParams(written)));
      }),
      { numRuns: 300 },
    );
  });
});

describe('a request with a form', () => {
  const type = 'application/x-www-form-urlencoded';
  const largest = 65_536;

  /** What comes of a request with these headers and chunks; with `undefined` among them it does not end. */
  async function read(headers: Record<string, string>, ...chunks: (string | Error | undefined)[]) {
    const body = new Readable({
      read() {
        const next = chunks.shift();
        if (next instanceof Error) this.destroy(next);
        else if (typeof next === 'string') this.push(Buffer.from(next));
        else if (chunks.length === 0 && next === undefined && !endless) this.push(null);
      },
    });
    const endless = chunks.includes(undefined);
    try {
      return await readForm(Object.assign(body, { headers }) as unknown as IncomingMessage);
    } catch (error) {
      assert.ok(error instanceof Fault, `${error}`);
      return error.code;
    }
  }

  for (const taken of ['', '; charset=utf-8', ';charset="UTF-8"', ' ; a=b; CHARSET=utf-8', '; xcharset=latin1'])
    it(`is read as ${type}${taken}`, async () => {
      for (const one of [type, 'Application/X-WWW-Form-Urlencoded'])
        assert.deepEqual({ ...((await read({ 'content-type': one + taken }, 'a=', '1')) as object) }, { a: '1' });
    });

  const refused = [
    ...['', 'text/plain', 'application/json', `x${type}`, `${type}x`, `text/plain; ${type}`],
    ...['latin1', 'utf-80', 'xutf-8', '"utf-16"'].map((charset) => `${type}; charset=${charset}`),
    ...[`${type}; charset=utf-8x`, `${type}; charset=x; charset=utf-8`, `${type}; charset=charset=utf-8`],
  ];
  for (const one of refused)
    it(`is refused as ${one}`, async () =>
      assert.equal(await read({ 'content-type': one }, 'a=1'), 'unsupported_media_type'));

  it('is refused without a type, and when it is encoded', async () => {
    assert.equal(await read({}, 'a=1'), 'unsupported_media_type');
    assert.equal(await read({ 'content-type': type, 'content-encoding': 'gzip' }, 'a=1'), 'unsupported_media_type');
  });

  it('may hold 64 KiB and not a byte more, whether it says so or not', async () => {
    const half = 'a'.repeat(largest / 2);
    for (const said of [{}, { 'content-length': `${largest}` }])
      assert.deepEqual(Object.keys(await read({ 'content-type': type, ...said }, half, half)), []);
    assert.equal(await read({ 'content-type': type }, half, half, 'a', undefined), 'content_too_large');
    const said = { 'content-type': type, 'content-length': `${largest + 1}` };
    assert.equal(await read(said, undefined), 'content_too_large');
  });

  it('is refused when it breaks off', async () => {
    assert.equal(await read({ 'content-type': type }, 'a=1', new Error('gone')), 'invalid_request');
  });
});

describe('parameters', () => {
  const schema = z.object({
    scope: z.string(),
    actor: z.never('is not supported').optional(),
    n: z.literal('1').optional(),
  });
  const form = (fields: Record<string, string>) => fields;

  it('are given by the schema; unknown ones are ignored', () => {
    const asked = parameters(schema, form({ scope: 'a', more: 'b', ['__proto__']: 'c' }));
    assert.deepEqual(JSON.parse(JSON.stringify(asked)), { scope: 'a' });
  });
  it('are called missing when they are', () => refuses(() => parameters(schema, form({})), /scope is missing/));
  it('are called unsupported when they are sent', () =>
    refuses(() => parameters(schema, form({ scope: 'a', actor: 'b' })), /^actor: is not supported\.$/));
  it('are never quoted', () =>
    assert.throws(
      () => parameters(schema, form({ scope: 'a', n: 'canary' })),
      (error) => error instanceof Fault && !error.message.includes('canary'),
    ));
});
