import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createMounted, createMountedFile } from './mounted-file.ts';

describe('a mounted file', () => {
  let directory: string;
  let path: string;
  let nowMs = 0;
  const open = () => createMountedFile(path, () => nowMs);

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mounted-'));
    path = join(directory, 'token');
    await writeFile(path, 'first\n');
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('is read again when it changed, looked at once a second', async () => {
    const read = open();
    assert.equal(await read(), 'first');
    await writeFile(path, 'second');
    assert.equal(await read(), 'first');
    nowMs += 1_000;
    assert.equal(await read(), 'second');
  });

  it('is read again when the kubelet swaps its link', async () => {
    await rm(path);
    for (const name of ['a', 'b']) await writeFile(join(directory, name), name);
    await symlink(join(directory, 'a'), path);
    const read = open();
    assert.equal(await read(), 'a');
    await symlink(join(directory, 'b'), join(directory, 'next'));
    await rename(join(directory, 'next'), path);
    nowMs += 1_000;
    assert.equal(await read(), 'b');
  });

  it('keeps its content while it is away or empty', async () => {
    const read = open();
    await read();
    await writeFile(path, '');
    nowMs += 1_000;
    assert.equal(await read(), 'first');
    await rm(path);
    nowMs += 1_000;
    assert.equal(await read(), 'first');
  });

  it('fails while it was never read, and then heals', async () => {
    await rm(path);
    const read = open();
    await assert.rejects(read(), { code: 'ENOENT' });
    await writeFile(path, ' \n');
    await assert.rejects(read());
    await writeFile(path, 'late');
    assert.equal(await read(), 'late');
  });

  describe('of which something is made', () => {
    const told: string[] = [];
    let makes = 0;
    const make = async (...contents: Buffer[]) => {
      makes += 1;
      await new Promise(setImmediate);
      const text = contents.map((one) => one.toString().trim()).join('+');
      if (text.startsWith('bad')) throw new Error(text);
      return { text };
    };
    const onBroken = (error: unknown, kept: boolean) => void told.push(`${(error as Error).message} ${kept}`);
    const openMade = (...paths: string[]) => createMounted(paths, make, { onBroken, nowMs: () => nowMs });
    const put = async (content: string) => {
      await writeFile(path, content);
      nowMs += 1_000;
    };
    beforeEach(() => {
      told.length = 0;
      makes = 0;
    });

    it('is the same while the content is, however often the file is written', async () => {
      const read = openMade(path);
      const first = await read();
      await put('first\n');
      assert.equal(await read(), first);
      await put('second\n');
      assert.deepEqual(await read(), { text: 'second' });
      assert.equal(makes, 2);
    });

    it('is what was last good of a broken one, which is told once, however many ask at once', async () => {
      const read = openMade(path);
      const first = await read();
      for (const broken of ['bad one', 'bad two']) {
        await put(broken);
        for (let look = 0; look < 3; look += 1) {
          const asked = await Promise.all(Array.from({ length: 10 }, () => read()));
          assert.ok(asked.every((one) => one === first));
          await put(broken);
        }
      }
      assert.deepEqual(told, ['bad one true', 'bad two true']);
      await put('first');
      assert.deepEqual(await read(), { text: 'first' });
      await put('bad one');
      await read();
      assert.equal(told.length, 3, 'it broke again');
    });

    for (const [what, lose] of Object.entries({ away: () => rm(path), empty: () => writeFile(path, ' \n') })) {
      it(`is what was last good of one that is ${what}, which is told once, and not of a moment`, async () => {
        const read = openMade(path);
        const first = await read();
        for (const looks of [1, 4, 4]) {
          await lose();
          for (let look = 0; look < looks; look += 1) {
            nowMs += 1_000;
            assert.equal(await read(), first);
          }
          await put('first\n');
          assert.equal(await read(), first);
        }
        assert.equal(told.length, 2);
        assert.ok(told.every((one) => one.endsWith('true')));
      });
    }

    it('fails while there was never a good one, which is told once, and then heals', async () => {
      await writeFile(path, 'bad');
      const read = openMade(path);
      for (let i = 0; i < 3; i += 1) {
        const asked = Array.from({ length: 10 }, () => assert.rejects(read(), { message: 'bad' }));
        await Promise.all(asked);
      }
      assert.deepEqual([told, makes], [['bad false'], 1]);
      await writeFile(path, 'good');
      assert.deepEqual(await read(), { text: 'good' });
    });

    it('is made of several files, and of all of them anew when one changed', async () => {
      const other = join(directory, 'other');
      await writeFile(other, 'key');
      const read = openMade(path, other);
      assert.deepEqual(await read(), { text: 'first+key' });
      await writeFile(other, 'next');
      nowMs += 1_000;
      assert.deepEqual(await read(), { text: 'first+next' });
    });

    it('is looked at once more as soon as that is asked for, and stays if there is nothing to see', async () => {
      const read = openMade(path);
      const first = await read();
      await writeFile(path, 'second');
      assert.equal(await read(), first);
      read.renew();
      const second = await read();
      assert.deepEqual(second, { text: 'second' });
      await rm(path);
      read.renew();
      assert.equal(await read(), second);
    });
  });
});
