import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { makeAccount } from '../entra/entra.fake.ts';
import { createRedisKeys } from '../store/redis-keys.ts';
import { createSealing } from '../store/sealing.ts';
import { createSessionRecords } from './record.ts';

const key = () => createSecretKey(randomBytes(32));
const ring = { current: 'k1', keys: new Map([['k1', key()]]) };

/** Session records under an index key of their own, and the same sealing key. */
function open(redisKeys = createRedisKeys(key(), 'ob:v1:')) {
  const limits = { idleSeconds: 60, absoluteSeconds: 100 };
  return { redisKeys, ...createSessionRecords({ ...limits, redisKeys, sealing: createSealing(() => ring) }) };
}

const record = (lastSeenSeconds = 1_000) => ({
  ...{ client: 'web', account: makeAccount('oid', 'tid'), sub: 'sub', createdAtSeconds: 1_000, lastSeenSeconds },
});

describe('a session record', () => {
  it('is read as it was written, and in its own place alone', () => {
    const { redisKeys, complete, seal, unseal } = open();
    const session = complete('hash', record());
    const sealed = seal(session, redisKeys.session('hash'));
    assert.deepEqual(unseal('hash', sealed)?.session, session);
    assert.equal(unseal('other', sealed), undefined);
    assert.equal(unseal('hash', undefined), undefined);
  });

  it('may be the mark of an end, with its reason', () => {
    const { redisKeys, complete, seal, unseal } = open();
    const common = { id: 'e', sinceSeconds: 1, client: 'web', alone: true, sessions: ['hash'], accounts: ['a'] };
    for (const reason of ['sign_out', 'front_channel', 'operator', 'revoked', undefined] as const) {
      const ending = { ...common, ...(reason && { reason }) };
      const sealed = seal({ ...complete('hash', record()), ending }, redisKeys.session('hash'));
      assert.deepEqual(unseal('hash', sealed)?.ending, ending);
    }
  });

  it('of the first version has no fingerprint, and is read as what it was', () => {
    const { redisKeys, complete, unseal } = open();
    const sealed = createSealing(() => ring).seal(JSON.stringify(record()), redisKeys.session('hash'));
    assert.deepEqual(unseal('hash', sealed)?.session, complete('hash', record()));
  });

  it('of a shape that no version wrote is none', () => {
    const { redisKeys, unseal } = open();
    const sealed = createSealing(() => ring).seal('{"client":1}', redisKeys.session('hash'));
    assert.equal(unseal('hash', sealed), undefined);
  });

  it('ends with the index key that named its account', () => {
    const [before, after] = [open(), open()];
    const sealed = before.seal(before.complete('hash', record()), before.redisKeys.session('hash'));
    assert.equal(after.unseal('hash', sealed), undefined);
    assert.ok(open(before.redisKeys).unseal('hash', sealed));
  });

  it('says when its session ends: when it idles, and at last', () => {
    const { complete, toOpenSession } = open();
    assert.equal(complete('hash', record()).expiresAtSeconds, 1_060);
    assert.equal(complete('hash', record(1_050)).expiresAtSeconds, 1_100);
    const expected = { sessionHash: 'hash', expiresAtSeconds: 1_100, createdAtSeconds: 1_000 };
    assert.deepEqual(toOpenSession(complete('hash', record(1_090))), expected);
  });
});
