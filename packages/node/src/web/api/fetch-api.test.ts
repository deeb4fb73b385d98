import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { apisSchema } from '../apis/apis.ts';
import { addressBelow } from './fetch-api.ts';

const { orders } = apisSchema.parse({ orders: { url: 'https://api.test/v1', scopes: ['api://orders/read'] } });
const address = (path: string) => addressBelow(orders ?? assert.fail(), path).href;

describe('the address of a path', () => {
  it('is below its API, with its query', () => {
    assert.equal(address('/list?page=2'), 'https://api.test/v1/list?page=2');
    assert.equal(address('/a/../b'), 'https://api.test/v1/b');
  });

  for (const path of ['/../admin', '/..', '/%2e%2e/admin', '/a/../../v10', '/..\\admin', 'list', '', '@evil.test/']) {
    it(`is none for ${JSON.stringify(path)}`, () => assert.throws(() => address(path), TypeError));
  }
});
