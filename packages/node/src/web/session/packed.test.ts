import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pack, unpack } from './packed.ts';

const guids = Array.from({ length: 18 }, (_, i) => `${String(i).padStart(8, '0')}-aaaa-4bbb-8ccc-0123456789ab`);
const polids = JSON.stringify({ access_token: { polids: { essential: true, values: guids } } });

describe('a packed text', () => {
  it('comes back as it was', () => {
    for (const text of ['', '/', 'z', '=', '/profile?a=b', 'ü"\\', polids, 'x'.repeat(1_024)])
      assert.equal(unpack(pack(text)), text);
  });

  it('is never longer than the text and a mark, and that of many policies half as long', () => {
    assert.equal(pack('/profile'), '/profile');
    assert.ok(pack(polids).length < polids.length / 2, `${pack(polids).length} of ${polids.length}`);
  });
});
