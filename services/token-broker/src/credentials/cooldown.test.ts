import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CredentialCooldown } from './cooldown.ts';
import type { CredentialSource } from './credentials.ts';

const source = (): CredentialSource => ({
  type: 'secret',
  clientAuth: async () => ({ clientSecret: 'read' }),
  renew() {},
});
const [old, anew] = [{ clientSecret: 'old' }, { clientSecret: 'anew' }];
const tenant = 'tenant';

describe('a refused credential', () => {
  it('cools down for 30 s, then one caller tries it for all', () => {
    let nowMs = 0;
    const [cooldown, mine, other] = [new CredentialCooldown(() => nowMs), source(), source()];
    assert.equal(cooldown.isCoolingDown(mine, tenant, old), false);
    cooldown.refuse(mine, tenant, old, undefined);
    assert.equal(cooldown.isCoolingDown(mine, tenant, old), true);
    assert.equal(cooldown.isCoolingDown(other, tenant, old), false, 'the next of the list is not held up');
    nowMs = 29_999;
    assert.equal(cooldown.isCoolingDown(mine, tenant, old), true);
    nowMs = 30_000;
    assert.deepEqual(
      [cooldown.isCoolingDown(mine, tenant, old), cooldown.isCoolingDown(mine, tenant, old)],
      [false, true],
    );
  });

  it('cools down in the tenant that refused it', () => {
    const [cooldown, mine] = [new CredentialCooldown(() => 0), source()];
    cooldown.refuse(mine, tenant, old, undefined);
    assert.deepEqual(
      [cooldown.isCoolingDown(mine, tenant, old), cooldown.isCoolingDown(mine, 'other', old)],
      [true, false],
    );
  });

  it('is tried at once when its file holds another', () => {
    const [cooldown, mine] = [new CredentialCooldown(() => 0), source()];
    cooldown.refuse(mine, tenant, old, undefined);
    assert.equal(cooldown.isCoolingDown(mine, tenant, anew), false);
  });

  it('is like any other once Entra has accepted it', () => {
    const [cooldown, mine] = [new CredentialCooldown(() => 0), source()];
    cooldown.refuse(mine, tenant, old, undefined);
    cooldown.accept(mine, tenant);
    assert.equal(cooldown.isCoolingDown(mine, tenant, old), false);
  });

  it('that Entra accepted recently does not cool down for one person, however often, but for the third in a row', () => {
    const [cooldown, mine] = [new CredentialCooldown(() => 0), source()];
    cooldown.accept(mine, tenant);
    for (let i = 0; i < 10; i += 1) cooldown.refuse(mine, tenant, old, i % 2 ? 'mallory' : undefined);
    cooldown.refuse(mine, tenant, old, 'bob');
    assert.equal(cooldown.isCoolingDown(mine, tenant, old), false);
    cooldown.accept(mine, tenant);
    for (const subject of ['bob', 'carol']) cooldown.refuse(mine, tenant, old, subject);
    assert.equal(cooldown.isCoolingDown(mine, tenant, old), false, 'in a row: it was accepted in between');
    cooldown.refuse(mine, tenant, old, 'dan');
    assert.equal(cooldown.isCoolingDown(mine, tenant, old), true);
    cooldown.refuse(mine, tenant, anew, 'eve');
    assert.equal(cooldown.isCoolingDown(mine, tenant, anew), true, 'nor does the next one of its file for the fourth');
  });

  it('counts as accepted for five minutes, for a federated credential in every tenant', () => {
    let nowMs = 0;
    const [cooldown, mine] = [new CredentialCooldown(() => nowMs), source()];
    assert.equal(cooldown.wasAcceptedRecently(mine), false);
    cooldown.accept(mine, tenant);
    assert.deepEqual([cooldown.wasAcceptedRecently(mine), cooldown.wasAcceptedRecently(mine, tenant)], [true, true]);
    assert.equal(cooldown.wasAcceptedRecently(mine, 'other'), false);
    nowMs = 300_000;
    assert.deepEqual([cooldown.wasAcceptedRecently(mine), cooldown.wasAcceptedRecently(mine, tenant)], [false, false]);
  });
});
