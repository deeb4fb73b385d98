import assert from 'node:assert/strict';
import type { KeyObject } from 'node:crypto';
import { describe, it } from 'node:test';
import { createSeal } from '@onbehalf/node/web/session/seal';
import { CompactEncrypt } from 'jose';
import { z } from 'zod';
import { ringOf } from '../testbed.fake.ts';

const schema = z.object({ a: z.string() });

describe('seal', () => {
  const seal = createSeal(() => ringOf('one'));

  it('opens what it sealed for the same purpose, and nothing else', async () => {
    const sealed = await seal.seal('session', { a: 'x' });
    assert.deepEqual(await seal.open('session', sealed, schema), { value: { a: 'x' }, stale: false });
    assert.equal(await seal.open('challenge', sealed, schema), undefined);
    assert.equal(await seal.open('session', sealed, z.object({ b: z.string() })), undefined);
    const other = createSeal(() => ringOf('other'));
    assert.equal(await other.open('session', sealed, schema), undefined);
  });

  it('opens with a former key and says that it is stale', async () => {
    const sealed = await seal.seal('login', { a: 'x' });
    const rotated = createSeal(() => ringOf('two', 'one'));
    assert.deepEqual(await rotated.open('login', sealed, schema), { value: { a: 'x' }, stale: true });
  });

  it('opens nothing that was changed or made up', async () => {
    const sealed = await seal.seal('session', { a: 'x' });
    const parts = sealed.split('.');
    const flipped = parts.map((part, index) =>
      parts.with(index, part ? `${part.startsWith('A') ? 'B' : 'A'}${part.slice(1)}` : 'A').join('.'),
    );
    const plain = `${Buffer.from('{"alg":"none","typ":"session"}').toString('base64url')}.e30.`;
    for (const value of [
      '',
      '.',
      '....',
      'a.b.c.d.e',
      plain,
      sealed.slice(0, -1),
      `${sealed}A`,
      ...flipped,
      '\u0000',
      'x'.repeat(9_000),
    ]) {
      assert.equal(await seal.open('session', value, schema), undefined, value);
    }
  });

  it('opens nothing that is sealed with its key but is no JSON', async () => {
    const key = ringOf('one').keys.get('one') ?? assert.fail();
    const sealed = await new CompactEncrypt(Buffer.from('a'))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: 'one', typ: 'session' })
      .encrypt(key);
    assert.equal(await seal.open('session', sealed, schema), undefined);
  });

  it('does not take a fault of its own for a bad cookie', async () => {
    const sealed = await seal.seal('session', { a: 'x' });
    class BrokenMap extends Map<string, KeyObject> {
      override get(): never {
        throw new RangeError('broken');
      }
    }
    const broken = createSeal(() => ({ current: 'one', keys: new BrokenMap() }));
    await assert.rejects(broken.open('session', sealed, schema), RangeError);
  });
});
