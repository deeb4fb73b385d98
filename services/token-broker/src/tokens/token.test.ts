import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isHit, type TokenRequest, toField } from './token.ts';

describe('a token', () => {
  it('is a hit while it has more than 300 s left', () => {
    const record = { accessToken: 't', scope: 's', expiresAtSeconds: 1_000, refreshAtSeconds: 0 };
    assert.deepEqual([isHit(record, 699.9), isHit(record, 700), isHit(record, 2_000)], [true, false, false]);
  });

  it('has a field for each tenant, scope and claims, the same in every release', () => {
    const field = (tenantId: string, scope: string, claims?: string) =>
      toField({ tenantId, scope, claims } as TokenRequest);
    const fields = [field('a', 'b'), field('a', 'b', 'c'), field('a', 'b c'), field('b', 'b'), field('a b', '')];
    assert.equal(new Set(fields).size, fields.length);
    assert.equal(field('a', 'b'), 't:CQ4cy1sb1h2oFf9UOpCkwM');
    assert.equal(field('a', 'b', 'c'), 't:c:-hhEwpiK0Vq3tJ4OzgloRQ');
  });
});
