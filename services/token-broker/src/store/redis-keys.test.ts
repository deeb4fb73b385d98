import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { describe, it } from 'node:test';
import { ConfigError } from '@onbehalf/node/core/config-error';
import fc from 'fast-check';
import { createNames, indexKeyOf, shortName } from './redis-keys.ts';

const key = (fill: number) => createSecretKey(Buffer.alloc(32, fill));
const names = createNames(key(1), 'ob:v1:');
const tagOf = (name: string) => /\{([^}]+)\}/.exec(name)?.[1];

describe('names', () => {
  it('hold nothing of what they name', () => {
    const all = [
      names.account('web', 'canary.tenant'),
      names.obo('web', 'canary'),
      names.app('web', 'canary'),
      names.sid('web', 'canary'),
      names.user('canary.tenant'),
      names.ended('canary.tenant'),
      names.ending('canary.tenant'),
      names.issued('canary'),
      names.signedIn('canary.tenant'),
      names.code('web', 'canary'),
      names.oboThrottleKey('web', 'canary', 'canary'),
    ];
    for (const name of all) assert.doesNotMatch(name, /canary|web|tenant/);
    assert.equal(new Set(all.map(tagOf)).size, all.length - 3, 'only user, ended, ending and signin share their tag');
  });

  it('are the same for the same, and only for the same', () => {
    const part = fc.string({ maxLength: 6 });
    fc.assert(
      fc.property(part, part, part, part, (a, b, c, d) => {
        assert.equal(names.account(a, b) === names.account(c, d), a === c && b === d);
        assert.notEqual(tagOf(names.account(a, b)), tagOf(names.sid(a, b)));
        assert.notEqual(tagOf(names.account(a, b)), tagOf(names.obo(a, b)));
      }),
    );
    assert.notEqual(names.account('ab', 'c'), names.account('a', 'bc'));
    assert.notEqual(names.account('a","b', 'c'), names.account('a', 'b","c'));
  });

  it('are the same in every release: pods of two run side by side', () => {
    const partition = names.account('a', 'b');
    const all = {
      account: partition,
      obo: names.obo('a', 'b'),
      app: names.app('a', 'b'),
      session: names.session('a'),
      sid: names.sid('a', 'b'),
      user: names.user('a'),
      ended: names.ended('a'),
      issued: names.issued('a'),
      ending: names.ending('a'),
      fingerprint: names.fingerprint,
      index: names.index,
      endings: names.endings,
      signedIn: names.signedIn('a'),
      code: names.code('a', 'b'),
      released: names.released('ob:v1:code:{x}'),
      lease: names.lease(partition, 't:1'),
      throttle: names.throttle(partition, 't:1'),
      oboThrottleKey: names.oboThrottleKey('a', 'b', 'c'),
      events: names.events,
    };
    assert.deepEqual(Object.keys(all).sort(), Object.keys(names).sort());
    assert.deepEqual(all, {
      account: 'ob:v1:account:{F5WELCUHy1BHiXmHW3zWaW}',
      obo: 'ob:v1:obo:{TEiuUWTPsVSDwtx4bSJvSR}',
      app: 'ob:v1:app:{I-RqEP2tjCSwYwLALDVSAx}',
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
      events: 'ob:v1:events',
    });
    assert.equal(shortName(partition), shortName(all.lease), 'one partition, one name');
  });

  it('change with the index key', () => {
    assert.notEqual(names.account('a', 'b'), createNames(key(2), 'ob:v1:').account('a', 'b'));
  });

  it("put a partition's lease and refusals on the partition's node of a cluster", () => {
    const account = names.account('web', 'a.b');
    for (const other of [names.lease(account, 't:1'), names.throttle(account, 't:1')]) {
      assert.equal(tagOf(other), tagOf(account));
    }
  });

  it('have a short form for audit lines that tells them apart', () => {
    assert.match(shortName(names.account('web', 'a.b')), /^[0-9a-f]{12}$/);
    assert.notEqual(shortName(names.account('web', 'a.b')), shortName(names.account('web', 'a.c')));
  });

  it('need an index key', () => {
    assert.throws(() => indexKeyOf({ current: 'k', keys: new Map() }), ConfigError);
  });
});
