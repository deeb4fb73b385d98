import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { describe, it } from 'node:test';
import { ConfigError } from '@onbehalf/node/core/config-error';
import fc from 'fast-check';
import { createRedisKeys, findKind, readIndexKey, shortName } from './redis-keys.ts';

const key = (fill: number) => createSecretKey(Buffer.alloc(32, fill));
const redisKeys = createRedisKeys(key(1), 'ob:v1:');
const readHashTag = (name: string) => /\{([^}]+)\}/.exec(name)?.[1];

describe('names', () => {
  it('hold nothing of what they name', () => {
    const all = [
      redisKeys.account('web', 'canary.tenant'),
      redisKeys.obo('web', 'canary'),
      redisKeys.app('web', 'canary'),
      redisKeys.agent('web', 'canary'),
      redisKeys.agent('web', 'agent', 'canary'),
      redisKeys.obo('web', 'canary', 'agent'),
      redisKeys.sid('web', 'canary'),
      redisKeys.user('canary.tenant'),
      redisKeys.ended('canary.tenant'),
      redisKeys.ending('canary.tenant'),
      redisKeys.issued('canary'),
      redisKeys.signedIn('canary.tenant'),
      redisKeys.code('web', 'canary'),
      redisKeys.oboThrottleKey('web', 'canary', 'canary'),
    ];
    for (const name of all) assert.doesNotMatch(name, /canary|web|tenant/);
    assert.equal(
      new Set(all.map(readHashTag)).size,
      all.length - 3,
      'only user, ended, ending and signin share their tag',
    );
  });

  it('are the same for the same, and only for the same', () => {
    const part = fc.string({ maxLength: 6 });
    fc.assert(
      fc.property(part, part, part, part, (a, b, c, d) => {
        assert.equal(redisKeys.account(a, b) === redisKeys.account(c, d), a === c && b === d);
        assert.notEqual(readHashTag(redisKeys.account(a, b)), readHashTag(redisKeys.sid(a, b)));
        assert.notEqual(readHashTag(redisKeys.account(a, b)), readHashTag(redisKeys.obo(a, b)));
        assert.equal(redisKeys.obo('x', a, b) === redisKeys.obo('x', c, d), a === c && b === d);
        assert.equal(redisKeys.agent('x', a, b) === redisKeys.agent('x', c, d), a === c && b === d);
        assert.equal(
          redisKeys.oboThrottleKey('x', 'y', a, b) === redisKeys.oboThrottleKey('x', 'y', c, d),
          a === c && b === d,
        );
        assert.notEqual(redisKeys.obo(a, b), redisKeys.obo(a, b, c), 'a client, and an agent of it');
      }),
    );
    assert.notEqual(redisKeys.account('ab', 'c'), redisKeys.account('a', 'bc'));
    assert.notEqual(redisKeys.account('a","b', 'c'), redisKeys.account('a', 'b","c'));
  });

  it('are the same in every release: pods of two run side by side', () => {
    const partition = redisKeys.account('a', 'b');
    const all = {
      account: partition,
      obo: redisKeys.obo('a', 'b'),
      app: redisKeys.app('a', 'b'),
      agent: redisKeys.agent('a', 'b'),
      session: redisKeys.session('a'),
      sid: redisKeys.sid('a', 'b'),
      user: redisKeys.user('a'),
      ended: redisKeys.ended('a'),
      issued: redisKeys.issued('a'),
      ending: redisKeys.ending('a'),
      fingerprint: redisKeys.fingerprint,
      index: redisKeys.index,
      endings: redisKeys.endings,
      signedIn: redisKeys.signedIn('a'),
      code: redisKeys.code('a', 'b'),
      released: redisKeys.released('ob:v1:code:{x}'),
      lease: redisKeys.lease(partition, 't:1'),
      throttle: redisKeys.throttle(partition, 't:1'),
      oboThrottleKey: redisKeys.oboThrottleKey('a', 'b', 'c'),
      channel: redisKeys.channel,
    };
    assert.deepEqual(Object.keys(all).sort(), Object.keys(redisKeys).sort());
    assert.deepEqual(all, {
      account: 'ob:v1:account:{F5WELCUHy1BHiXmHW3zWaW}',
      obo: 'ob:v1:obo:{TEiuUWTPsVSDwtx4bSJvSR}',
      app: 'ob:v1:app:{I-RqEP2tjCSwYwLALDVSAx}',
      agent: 'ob:v1:agent:{Jh4SD0QdtLoN-vm-4772Lz}',
      session: 'ob:v1:session:{a}',
      sid: 'ob:v1:sid:{eMjlvZQQjowaqkDXrDRH4_}',
      user: 'ob:v1:user:{C4ZUZ35GCJD0lKrZwrPLGL}',
      ended: 'ob:v1:ended:{C4ZUZ35GCJD0lKrZwrPLGL}',
      issued: 'ob:v1:issued:{GNWMmqDdX54ZXQ_-1GN3kF}',
      ending: 'ob:v1:ending:{C4ZUZ35GCJD0lKrZwrPLGL}',
      fingerprint: 'nQWivjZYoOn8kPmyBB_OKO',
      index: 'ob:v1:index',
      endings: 'ob:v1:endings',
      signedIn: 'ob:v1:signin:{C4ZUZ35GCJD0lKrZwrPLGL}',
      code: 'ob:v1:code:{ksAeDy7MTmL0Tg8HzBujvg}',
      released: 'ob:v1:code:{x}:again',
      lease: 'ob:v1:lease:{F5WELCUHy1BHiXmHW3zWaW}:t:1',
      throttle: 'ob:v1:throttle:{F5WELCUHy1BHiXmHW3zWaW}:t:1',
      oboThrottleKey: '{zUTxIcr-RuKZ2FtdrjQzqw}',
      channel: 'ob:v1:events',
    });
    assert.equal(shortName(partition), shortName(all.lease), 'one partition, one name');
  });

  it('change with the index key', () => {
    assert.notEqual(redisKeys.account('a', 'b'), createRedisKeys(key(2), 'ob:v1:').account('a', 'b'));
  });

  it("put a partition's lease and refusals on the partition's node of a cluster", () => {
    const account = redisKeys.account('web', 'a.b');
    for (const other of [redisKeys.lease(account, 't:1'), redisKeys.throttle(account, 't:1')]) {
      assert.equal(readHashTag(other), readHashTag(account));
    }
  });

  it('have a short form for audit lines that tells them apart', () => {
    assert.match(shortName(redisKeys.account('web', 'a.b')), /^[0-9a-f]{12}$/);
    assert.notEqual(shortName(redisKeys.account('web', 'a.b')), shortName(redisKeys.account('web', 'a.c')));
  });

  it('tell their kind, and no other text does', () => {
    const partition = redisKeys.account('a', 'b');
    const kinds = [
      partition,
      redisKeys.session('a'),
      redisKeys.index,
      redisKeys.lease(partition, 't:1'),
      'code:{x}:again',
    ];
    assert.deepEqual(kinds.map(findKind), ['account', 'session', 'index', 'lease', 'code']);
    for (const other of ['', 'canary', 'ob:v1:canary:{session}', redisKeys.channel])
      assert.equal(findKind(other), undefined);
  });

  it('need an index key', () => {
    assert.throws(() => readIndexKey({ current: 'k', keys: new Map() }), ConfigError);
  });
});
