import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRefusedProofs } from './cooldown.ts';
import type { CredentialSource } from './credentials.ts';

const source = (): CredentialSource => ({
  type: 'secret',
  proof: async () => ({ clientSecret: 'read' }),
  renew() {},
});
const [old, anew] = [{ clientSecret: 'old' }, { clientSecret: 'anew' }];
const tenant = 'tenant';

describe('a refused credential', () => {
  it('rests for 30 s, then one caller asks about it for all', () => {
    let nowMs = 0;
    const [proofs, mine, other] = [createRefusedProofs(() => nowMs), source(), source()];
    assert.equal(proofs.rests(mine, tenant, old), false);
    proofs.refuse(mine, tenant, old, undefined);
    assert.equal(proofs.rests(mine, tenant, old), true);
    assert.equal(proofs.rests(other, tenant, old), false, 'the next of the list is not held up');
    nowMs = 29_999;
    assert.equal(proofs.rests(mine, tenant, old), true);
    nowMs = 30_000;
    assert.deepEqual([proofs.rests(mine, tenant, old), proofs.rests(mine, tenant, old)], [false, true]);
  });

  it('rests in the tenant that refused it', () => {
    const [proofs, mine] = [createRefusedProofs(() => 0), source()];
    proofs.refuse(mine, tenant, old, undefined);
    assert.deepEqual([proofs.rests(mine, tenant, old), proofs.rests(mine, 'other', old)], [true, false]);
  });

  it('is asked about at once when its file holds another', () => {
    const [proofs, mine] = [createRefusedProofs(() => 0), source()];
    proofs.refuse(mine, tenant, old, undefined);
    assert.equal(proofs.rests(mine, tenant, anew), false);
  });

  it('is like any other once Entra has taken it', () => {
    const [proofs, mine] = [createRefusedProofs(() => 0), source()];
    proofs.refuse(mine, tenant, old, undefined);
    proofs.accept(mine, tenant);
    assert.equal(proofs.rests(mine, tenant, old), false);
  });

  it('that Entra took lately does not rest for one person, however often, but for the third in a row', () => {
    const [proofs, mine] = [createRefusedProofs(() => 0), source()];
    proofs.accept(mine, tenant);
    for (let i = 0; i < 10; i += 1) proofs.refuse(mine, tenant, old, i % 2 ? 'mallory' : undefined);
    proofs.refuse(mine, tenant, old, 'bob');
    assert.equal(proofs.rests(mine, tenant, old), false);
    proofs.accept(mine, tenant);
    for (const party of ['bob', 'carol']) proofs.refuse(mine, tenant, old, party);
    assert.equal(proofs.rests(mine, tenant, old), false, 'in a row: it was taken in between');
    proofs.refuse(mine, tenant, old, 'dan');
    assert.equal(proofs.rests(mine, tenant, old), true);
    proofs.refuse(mine, tenant, anew, 'eve');
    assert.equal(proofs.rests(mine, tenant, anew), true, 'nor does the next one of its file for the fourth');
  });

  it('is trusted for five minutes after Entra took it, of federation in every tenant', () => {
    let nowMs = 0;
    const [proofs, mine] = [createRefusedProofs(() => nowMs), source()];
    assert.equal(proofs.isTrusted(mine), false);
    proofs.accept(mine, tenant);
    assert.deepEqual([proofs.isTrusted(mine), proofs.isTrusted(mine, tenant)], [true, true]);
    assert.equal(proofs.isTrusted(mine, 'other'), false);
    nowMs = 300_000;
    assert.deepEqual([proofs.isTrusted(mine), proofs.isTrusted(mine, tenant)], [false, false]);
  });
});
