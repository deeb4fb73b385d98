import assert from 'node:assert/strict';
import { createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import type { KeyRing } from '@onbehalf/node/core/keys/key-ring';
import { z } from 'zod';
import { createSealing, logUnopened, sealedJson } from './sealing.ts';

const key = () => createSecretKey(randomBytes(32));
const ring = (current: string, ...ids: string[]): KeyRing => ({
  current,
  keys: new Map([current, ...ids].map((id) => [id, key()])),
});

describe('sealing', () => {
  const one = ring('k1');
  const sealing = createSealing(() => one);

  it('opens what it sealed, under the same name', () => {
    for (const text of ['', 'x', 'é'.repeat(5_000)]) {
      const opened = sealing.open(sealing.seal(text, 'n'), 'n');
      assert.deepEqual(opened, { plaintext: Buffer.from(text), old: false });
    }
  });

  it('shows nothing of the plaintext and never seals alike', () => {
    const [a, b] = [sealing.seal('canary canary', 'n'), sealing.seal('canary canary', 'n')];
    assert.equal(a.includes('canary'), false);
    assert.notDeepEqual(a, b);
  });

  it('does not open under the name of another key or field', () => {
    const sealed = sealing.seal('secret', 'ob:account:{a} t:1');
    for (const name of ['ob:account:{b} t:1', 'ob:account:{a} t:2', 'ob:account:{a} msal', '']) {
      assert.equal(sealing.open(sealed, name), undefined);
    }
  });

  it('does not open with a byte flipped, wherever it is', () => {
    const sealed = sealing.seal('secret', 'n');
    for (let at = 0; at < sealed.length; at += 1) {
      for (const bit of [1, 0x80]) {
        const flipped = Buffer.from(sealed);
        flipped[at] = (flipped[at] ?? 0) ^ bit;
        assert.equal(sealing.open(flipped, 'n'), undefined, `byte ${at}`);
      }
    }
  });

  it('does not open what is cut, at any length, or longer', () => {
    const sealed = sealing.seal('secret', 'n');
    for (let length = 0; length < sealed.length; length += 1) {
      assert.equal(sealing.open(sealed.subarray(0, length), 'n'), undefined, `${length} bytes`);
    }
    assert.equal(sealing.open(Buffer.concat([sealed, Buffer.of(0)]), 'n'), undefined);
  });

  it('opens with an old key while the ring has it, and says so', () => {
    const before = ring('k1');
    const k2 = key();
    let now: KeyRing = before;
    const rotating = createSealing(() => now);
    const sealed = rotating.seal('secret', 'n');
    now = { current: 'k2', keys: new Map([...before.keys, ['k2', k2]]) };
    assert.equal(rotating.open(sealed, 'n')?.old, true);
    assert.equal(rotating.open(rotating.seal('secret', 'n'), 'n')?.old, false);
    now = { current: 'k2', keys: new Map([['k2', k2]]) };
    assert.equal(rotating.open(sealed, 'n'), undefined);
  });

  it('lies as it is documented: key id, IV of 96 bits, tag of 128, ciphertext', () => {
    const sealed = sealing.seal('secret', 'n');
    assert.equal(sealed.length, 1 + 'k1'.length + 12 + 16 + 'secret'.length);
    assert.equal(sealed.toString('latin1', 0, 3), '\x02k1');
    const open = createDecipheriv('aes-256-gcm', one.keys.get('k1') ?? '', sealed.subarray(3, 15));
    open.setAAD(Buffer.from('n')).setAuthTag(sealed.subarray(15, 31));
    assert.equal(open.update(sealed.subarray(31), undefined, 'utf8') + open.final('utf8'), 'secret');
  });

  it('says of what does not open which kind it is and no name, and nothing of what does', () => {
    const lines: string[] = [];
    const logger = createLogger({ level: 'info', service: 'test' }, { write: (line: string) => lines.push(line) });
    const telling = createSealing(() => one, logUnopened(logger));
    const name = 'ob:v1:account:{abc} t:1';
    telling.open(telling.seal('secret', name), name);
    assert.deepEqual(lines, []);
    telling.open(Buffer.of(1, 2), name);
    assert.equal(lines.length, 1);
    assert.equal(JSON.parse(String(lines[0])).kind, 'account');
    assert.doesNotMatch(String(lines[0]), /abc|t:1/);
  });

  it('takes a value of another shape for a miss, and says so', () => {
    const told: string[] = [];
    const telling = createSealing(
      () => one,
      (name) => told.push(name),
    );
    const numbers = sealedJson(telling, z.object({ n: z.number() }));
    assert.deepEqual(numbers.open(numbers.seal({ n: 1 }, 'a'), 'a'), { value: { n: 1 }, old: false });
    assert.equal(numbers.open(telling.seal('{"n":"1"}', 'b'), 'b'), undefined);
    assert.deepEqual(told, ['b']);
  });

  it('does not open with another key of the same id', () => {
    const other = createSealing(() => ring('k1'));
    assert.equal(other.open(sealing.seal('secret', 'n'), 'n'), undefined);
  });
});
