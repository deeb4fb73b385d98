import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseBasic } from './basic.ts';

const basic = (text: string, scheme = 'Basic ') => `${scheme}${Buffer.from(text).toString('base64')}`;

describe('Authorization: Basic', () => {
  const good: [header: string, id: string, ...secrets: string[]][] = [
    [basic('id:secret'), 'id', 'secret'],
    [basic('id:secret', 'bAsIc   '), 'id', 'secret'],
    [basic('id:se:cret'), 'id', 'se:cret'],
    [basic('id:a\nb'), 'id', 'a\nb'],
    [basic('a%3Ab:c%2Bd+e'), 'a:b', 'c%2Bd+e', 'c+d e'],
    [basic('a+b+c:s'), 'a b c', 's'],
    [basic('a%:b%'), 'a%', 'b%'],
  ];
  for (const [header, id, ...secrets] of good) {
    it(`gives id and secret, as they came and decoded: ${header}`, () =>
      assert.deepEqual(parseBasic(header), { id, secrets }));
  }

  const [word] = [basic('id:secret')];
  const bad = [
    ...['', 'Basic', 'Basic ', 'Basic =', 'Basic !', word.replace(' ', ''), `x${word}`, `${word} x`, `${word}!`],
    ...[basic('id:secret', 'Bearer '), basic('id'), basic('id:'), basic(':secret'), basic(':')],
  ];
  for (const header of bad) it(`is none: ${header}`, () => assert.equal(parseBasic(header), undefined));
});
