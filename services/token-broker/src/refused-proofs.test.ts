import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CredentialSource } from './credentials.ts';
import { createRefusedProofs } from './refused-proofs.ts';

const source = (): CredentialSource => ({
  type: 'secret',
  proof: async () => ({ clientSecret: 'read' }),
  renew() {},
});
const [old, anew] = [{ clientSecret: 'old' }, { clientSecret: 'anew' }];

describe('a refused credential', () => {
  it('rests for 30 s, then one caller asks about it for all', () => {
    let nowMs = 0;
    const [proofs, mine, other] = [createRefusedProofs(() => nowMs), source(), source()];
    assert.equal(proofs.rests(mine, old), false);
    proofs.remember(mine, old);
    assert.equal(proofs.rests(mine, old), true);
    assert.equal(proofs.rests(other, old), false, 'the next of the list is not held up');
    nowMs = 29_999;
    assert.equal(proofs.rests(mine, old), true);
    nowMs = 30_000;
    assert.deepEqual([proofs.rests(mine, old), proofs.rests(mine, old)], [false, true]);
  });

  it('is asked about at once when its file holds another', () => {
    const [proofs, mine] = [createRefusedProofs(() => 0), source()];
    proofs.remember(mine, old);
    assert.equal(proofs.rests(mine, anew), false);
  });

  it('is like any other once Entra has taken it', () => {
    const [proofs, mine] = [createRefusedProofs(() => 0), source()];
    proofs.remember(mine, old);
    proofs.forget(mine);
    assert.equal(proofs.rests(mine, old), false);
  });
});
