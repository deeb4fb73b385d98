import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { Fault } from '@onbehalf/node/core/fault';
import { api, openPods, openSignedIn, settled, tenantId, web } from '../tokens/pods.fake.ts';
import { createAssertionIndex } from './assertion-index.ts';

const toHomeAccount = (person: string) => `${person}.${tenantId}`;

describe('the index of what is held on behalf of a person', () => {
  it('stays small though they come back for weeks', async () => {
    const pods = openPods();
    const person = randomUUID();
    for (let halfHour = 0; halfHour < 500; halfHour += 1) {
      await pods.first.onBehalfOf(pods.makeAssertion(person));
      await settled();
      pods.advance(1_800);
    }
    const members = await pods.store.members(pods.redisKeys.user(toHomeAccount(person)));
    assert.ok(members.length <= 40, `${members.length}`);
  });

  it('keeps everything that lives, so that it goes with the last session', async () => {
    const { pods, person, token: session } = await openSignedIn();
    for (let i = 0; i < 100; i += 1) await pods.first.onBehalfOf(pods.makeAssertion(person));
    await settled();
    assert.equal(pods.keys('obo').length, 100);
    await pods.first.broker.revoke(web, session);
    assert.deepEqual(pods.keys('obo'), []);
  });

  it('names again what was taken for dead before it was written', async () => {
    const pods = openPods({ pods: 2 });
    const person = randomUUID();
    const index = pods.redisKeys.user(toHomeAccount(person));
    for (let i = 0; i < 40; i += 1) await pods.store.addMember(index, pods.redisKeys.account(`${i}`, person), 60_000);
    const assertion = pods.makeAssertion(person);
    pods.watch.step = async (when, operation) => {
      if (when !== 'before' || operation !== 'writeToken') return;
      pods.watch.step = undefined;
      await pods.second.onBehalfOf(pods.makeAssertion(person));
      await settled();
      assert.ok(
        !(await pods.store.members(index)).includes(pods.redisKeys.obo(api.name, assertion)),
        'it was taken out',
      );
    };
    await pods.first.onBehalfOf(assertion);
    assert.ok((await pods.store.members(index)).includes(pods.redisKeys.obo(api.name, assertion)));
  });

  it('leaves no partition outside of it that was written while it was tidied', async () => {
    const pods = openPods();
    const person = toHomeAccount(randomUUID());
    const key = pods.redisKeys.obo(api.name, 'assertion');
    const index = createAssertionIndex({ store: pods.store, redisKeys: pods.redisKeys });
    for (let i = 0; i < 40; i += 1)
      await pods.store.addMember(pods.redisKeys.user(person), pods.redisKeys.account(`${i}`, person), 60_000);
    const write = { version: undefined, fence: 1, field: 't:a', record: Buffer.from('x'), expiresWithTokens: true };
    pods.watch.step = async (when, operation) => {
      if (when !== 'before' || operation !== 'removeMember') return;
      pods.watch.step = undefined;
      // An acquisition of the same assertion goes all its way between the look and the removal.
      await pods.store.writeToken(key, { ...write, expiresAtSeconds: pods.clock.ms / 1_000 + 60 });
      await pods.store.addMember(pods.redisKeys.user(person), key, 60_000);
    };
    await pods.store.addMember(pods.redisKeys.user(person), key, 60_000);
    await index.add(person, pods.redisKeys.obo(api.name, 'another'), 60_000);
    await settled();
    assert.equal(pods.watch.step, undefined, 'the removal came');
    const named = (await pods.store.members(pods.redisKeys.user(person))).includes(key);
    assert.equal(pods.keys('obo').length === 0 || named, true);
    if (!named) assert.ok(pods.watch.writes.includes(`invalidate ${key}`), 'another pod may have read it');
  });

  for (const failing of ['delete', 'invalidate']) {
    it(`is tidied off everybody's path: the store fails it (${failing}), and nobody hears of it`, async () => {
      const { add, watch, write, dead } = await openIndex(0, 40, 0);
      watch.step = async (when, operation) => {
        if (when === 'before' && operation === 'removeMember') await write(dead);
        if (when === 'before' && operation === failing) throw new Fault('unavailable', 'away');
      };
      await add();
      watch.step = undefined;
      assert.ok((await add()).length < 43, 'the next one goes on');
    });
  }

  /** An index with dead assertions after so many that live, and accounts that are yet to be. */
  async function openIndex(alive: number, dead: number, random: number) {
    const { store, redisKeys, watch, clock } = openPods();
    const person = toHomeAccount(randomUUID());
    const index = createAssertionIndex({ store, redisKeys, random: () => random });
    const obos = Array.from({ length: alive + dead }, (_, i) => redisKeys.obo(api.name, `${i}`));
    const accounts = [redisKeys.account('a', person), redisKeys.account('b', person)];
    const token = { version: undefined, fence: 1, field: 't:a', record: Buffer.from('x'), expiresWithTokens: true };
    const write = (key: string) => store.writeToken(key, { ...token, expiresAtSeconds: clock.ms / 1_000 + 60 });
    for (const key of obos.slice(0, alive)) await write(key);
    for (const key of [...accounts, ...obos]) await store.addMember(redisKeys.user(person), key, 60_000);
    const add = async () => {
      await index.add(person, redisKeys.obo(api.name, 'another'), 60_000);
      await settled();
      return await store.members(redisKeys.user(person));
    };
    return { add, watch, accounts, write, dead: String(obos[alive]) };
  }

  it('loses eight dead ones at a time, wherever they stand, and no account', async () => {
    for (const [random, lost] of [
      [0, 0],
      [0.25, 2],
      [0.5, 8],
      [0.99, 1],
    ] as const) {
      const { add, accounts } = await openIndex(16, 24, random);
      const members = await add();
      assert.equal(members.length, 43 - lost, `${random}`);
      for (const account of accounts) assert.ok(members.includes(account));
    }
  });

  it('is left as it is where the store fails, until the next one comes', async () => {
    const { add, watch } = await openIndex(0, 40, 0);
    watch.step = async (when, operation) => {
      if (when === 'before' && operation === 'removeMember') throw new Fault('unavailable', 'away');
    };
    assert.equal((await add()).length, 43);
    watch.step = undefined;
    assert.equal((await add()).length, 35);
  });
});
