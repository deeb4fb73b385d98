import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { MemoryStore } from '../store/memory-store.fake.ts';
import { createRedisKeys } from '../store/redis-keys.ts';
import { createAnnouncements } from './announcements.ts';
import type { End } from './record.ts';

function open() {
  const store = new MemoryStore();
  const redisKeys = createRedisKeys(createSecretKey(randomBytes(32)), 'ob:v1:');
  return { store, redisKeys, ...createAnnouncements({ store, redisKeys }) };
}
const end = (sinceSeconds: number, id = 'end'): End => ({
  ...{ id, sinceSeconds, client: 'web', alone: true, sessions: [], accounts: [] },
});

describe('the ends under way', () => {
  it('are those that began by then, until they are done', async () => {
    const { add, remove, since } = open();
    await add('one', 'alice', end(100));
    await add('two', 'bob', end(200));
    const keys = async (seconds: number) => (await since(seconds)).map(({ key }) => key).sort();
    assert.deepEqual([await keys(99), await keys(100), await keys(200)], [[], ['one'], ['one', 'two']]);
    assert.equal((await since(100))[0]?.sinceSeconds, 100);
    await remove('one', 'alice', end(100));
    assert.deepEqual(await keys(200), ['two']);
    await remove('two', 'bob', end(200, 'another end'));
    assert.deepEqual(await keys(200), ['two']);
  });

  it('are found by their person, whom their names do not tell', async () => {
    const { store, redisKeys, add, ofPerson } = open();
    await add('one', 'alice', end(100));
    await add('two', 'bob', end(100));
    assert.deepEqual(
      (await ofPerson('alice')).map(({ key }) => key),
      ['one'],
    );
    assert.doesNotMatch((await store.members(redisKeys.endings)).join(), /alice|bob/);
  });

  it('are forgotten one by one, also what is none', async () => {
    const { store, redisKeys, add, since, forget } = open();
    for (const member of ['', '[]', '["a","b","c","d"]', '["a","b",1,2]']) {
      await store.addMember(redisKeys.endings, member, 60_000);
      const [announced] = await since(0);
      assert.deepEqual(announced, { member, key: '', sinceSeconds: 0 });
      await forget(announced);
    }
    await add('one', 'alice', end(100));
    assert.equal((await since(100)).length, 1);
  });

  it('stay for as long as an assertion may live', async () => {
    const { store, redisKeys, add } = open();
    await add('one', 'alice', end(100));
    const ttlMs = store.ttls().get(redisKeys.endings) ?? 0;
    assert.ok(ttlMs > 28 * 3_600_000 - 60_000 && ttlMs <= 28 * 3_600_000, `${ttlMs}`);
  });
});
