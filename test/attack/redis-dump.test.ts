import assert from 'node:assert/strict';
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { readKeyRing } from '@onbehalf/node/core/keys/key-ring';
import { createSealing } from '../../services/token-broker/src/store/sealing.ts';
import { openRedisInspector, sealedPart } from '../kit/redis/inspector.ts';
import { openSystem } from '../kit/system/open.ts';

type Stolen = { name: string; sealed: Buffer };

const system = await openSystem({ name: 'redis-dump', brokers: 1 });
after(() => system.close());
const inspector = system.use(await openRedisInspector(system));
for (const person of ['alice', 'bob']) await system.exchange(0, await system.signIn(person));

/** Every sealed value of a dump, with the name it is bound to. */
async function dump(): Promise<Stolen[]> {
  const stolen: Stolen[] = [];
  for (const key of await inspector.keys()) {
    const fields = (await inspector.type(key)) === 'hash' ? await inspector.fields(key) : [undefined];
    for (const field of fields) {
      if (field !== undefined && field !== 'msal' && !field.startsWith('t:')) continue;
      const value = /:(session|account):/.test(key) ? await inspector.raw(key, field) : undefined;
      if (value) stolen.push({ name: field ? `${key} ${field}` : key, sealed: sealedPart(field ?? '', value) });
    }
  }
  return stolen;
}

describe('a Redis dump', () => {
  it('opens with the ring, and with nothing less: not by the key id, nor by the key of the names', async () => {
    const stolen = await dump();
    assert.ok(stolen.length >= 6, `${stolen.length} values`);
    const ring = readKeyRing(inspector.ringDirectory);
    assert.ok(ring.index);
    const opened = (key: KeyObject) => {
      const sealing = createSealing(() => ({ current: ring.current, keys: new Map([[ring.current, key]]) }));
      return stolen.filter(({ name, sealed }) => sealing.open(sealed, name)).length;
    };
    const key = ring.keys.get(ring.current);
    assert.ok(key);
    assert.equal(opened(key), stolen.length);
    // The id stands in every value: it is no secret, and no help.
    assert.ok(stolen.every(({ sealed }) => sealed.includes(ring.current)));
    assert.equal(opened(ring.index), 0);
    for (let guess = 0; guess < 100; guess += 1) assert.equal(opened(createSecretKey(randomBytes(32))), 0);
  });

  it('looks like chance, value by value', async () => {
    for (const { sealed } of await dump()) {
      const bits = sealed.subarray(1 + (sealed[0] ?? 0));
      const ones = bits.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
      const share = ones / (8 * bits.length);
      // Six standard deviations of chance for so many bits.
      assert.ok(Math.abs(share - 0.5) < 3 / Math.sqrt(8 * bits.length), `${share} of ${bits.length} bytes`);
    }
  });
});
