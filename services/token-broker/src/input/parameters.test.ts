import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { absent, claims, optionalText, text } from './parameters.ts';

describe('a parameter', () => {
  it('has as many characters as JSON Schema counts: one of two code units is one', () => {
    const four = text(4);
    for (const value of ['a', 'abcd', '😀😀😀😀', 'é'.repeat(4)]) assert.ok(four.safeParse(value).success, value);
    for (const value of ['', 'abcde', '😀'.repeat(5)]) assert.equal(four.safeParse(value).success, false, value);
  });

  it('that may be left out may be empty, which is the same', () => {
    for (const one of [optionalText(4), absent])
      for (const value of ['', undefined]) assert.ok(one.safeParse(value).success);
    assert.equal(optionalText(4).safeParse('abcde').success, false);
    assert.equal(absent.safeParse('a').success, false);
  });

  it('of claims is a JSON object', () => {
    for (const value of ['{}', ' {"a":{"b":null}}\n']) assert.ok(claims.safeParse(value).success, value);
    for (const value of ['[]', 'null', '1', '"x"', '{', `{"a":"${'x'.repeat(8_192)}"}`]) {
      assert.equal(claims.safeParse(value).success, false, value.slice(0, 20));
    }
  });
});
