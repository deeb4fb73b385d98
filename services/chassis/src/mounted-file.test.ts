import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createMountedFile } from './mounted-file.ts';

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
});
