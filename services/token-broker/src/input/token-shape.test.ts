import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isJwt } from './token-shape.ts';

describe('a JWT', () => {
  it('has three parts in base64url, of which the signature may be empty', () => {
    for (const one of ['a.b.c', 'a-_1.b.', `${'a'.repeat(43)}.b.c`]) assert.ok(isJwt(one), one);
    for (const one of ['', 'a', 'a'.repeat(43), 'a.b', '.b.c', 'a..c', 'a.b.c.d', ' a.b.c', 'a.b.c ', 'a+.b.c'])
      assert.ok(!isJwt(one), one);
  });
});
