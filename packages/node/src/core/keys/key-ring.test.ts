import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, type TestContext } from 'node:test';
import { ConfigError } from '../config-error.ts';
import { logTo } from '../log.fake.ts';
import { openKeyRing, readKeyRing } from './key-ring.ts';

describe('a key ring', () => {
  let directory: string;
  const put = (name: string, content: string | Buffer) => writeFile(join(directory, name), content);
  const key = () => `${randomBytes(32).toString('base64')}\n`;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'key-ring-'));
    await put('one', key());
    await put('current', 'one\n');
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('holds every key, the current id and the index key', async () => {
    await put('two', key());
    await put('index', key());
    const ring = readKeyRing(directory);
    assert.equal(ring.current, 'one');
    assert.deepEqual([...ring.keys.keys()].sort(), ['one', 'two']);
    assert.equal(ring.index?.symmetricKeySize, 32);
  });

  it('passes over what a mounted Secret adds', async () => {
    await mkdir(join(directory, '..2026_11_22'));
    assert.equal(readKeyRing(directory).keys.size, 1);
  });

  const faults: [what: string, spoil: () => Promise<unknown>][] = [
    [
      'no directory',
      () =>
        rm(directory, { recursive: true })
          .then(() => mkdir(`${directory}/x/y`, { recursive: true }))
          .then(() => rm(join(directory, 'x'), { recursive: true })),
    ],
    ['no current', () => rm(join(directory, 'current'))],
    ['a current key that is not there', () => put('current', 'canary')],
    ['a short key', () => put('one', randomBytes(16).toString('base64'))],
    ['a key that is not base64', () => put('one', `${randomBytes(32).toString('base64').slice(0, -1)}!canary`)],
    ['a key id with other characters', () => put('my key', key())],
    ['a key id of 33 characters', () => put('a'.repeat(33), key())],
    ['a long key', () => put('one', randomBytes(33).toString('base64'))],
    ['a short index', () => put('index', randomBytes(31).toString('base64'))],
    ['a directory in place of a key', () => mkdir(join(directory, 'dir'))],
  ];
  for (const [what, spoil] of faults) {
    it(`refuses ${what} and quotes no content`, async () => {
      await spoil();
      assert.throws(
        () => readKeyRing(directory),
        (error) => {
          assert.ok(error instanceof ConfigError, String(error));
          return !error.message.includes('canary');
        },
      );
    });
  }

  it('follows its directory and keeps the last good ring', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const events = new Map<string, () => void>();
    const seen = (event: string) => new Promise<void>((resolve) => events.set(event, resolve));
    const log = logTo(({ event }) => events.get(String(event))?.());
    using ring = openKeyRing(directory, log);

    const failed = seen('keys.reload_failed');
    await put('current', 'two');
    t.mock.timers.tick(5_000);
    await failed;
    assert.equal(ring.get().current, 'one');

    const reloaded = seen('keys.reloaded');
    await put('two', key());
    t.mock.timers.tick(5_000);
    await reloaded;
    assert.equal(ring.get().keys.size, 2);
    assert.equal(ring.get().current, 'one', 'the other pods may not know the new key yet');

    const current = seen('keys.reloaded');
    t.mock.timers.tick(10_000);
    await current;
    assert.equal(ring.get().current, 'two');

    const changed = seen('keys.reloaded');
    const before = ring.get().keys.get('one');
    await put('one', key());
    t.mock.timers.tick(5_000);
    await changed;
    assert.ok(!before?.equals(ring.get().keys.get('one') ?? before));
  });

  /** A followed ring, what it logs, and one look at its directory, waited for. */
  async function followed(t: TestContext) {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const events: string[] = [];
    const log = logTo(({ event }) => events.push(String(event)));
    const ring = openKeyRing(directory, log);
    async function look() {
      t.mock.timers.tick(5_000);
    }
    return { ring, events, look };
  }

  it('seals with a new key from the third look on', async (t) => {
    const { ring, look } = await followed(t);
    await put('two', key());
    await put('current', 'two');
    for (const current of ['one', 'one', 'two', 'two']) {
      await look();
      assert.equal(ring.get().current, current);
    }
    ring[Symbol.dispose]();
  });

  it('seals at once with a key that every pod has had for long, or where the former one is gone', async (t) => {
    await put('two', key());
    const { ring, look } = await followed(t);
    await put('current', 'two');
    await look();
    assert.equal(ring.get().current, 'two');
    await put('three', key());
    await put('current', 'three');
    await rm(join(directory, 'two'));
    await look();
    assert.equal(ring.get().current, 'three');
    ring[Symbol.dispose]();
  });

  it('says that it changed when it did, and only then', async (t) => {
    const { ring, events, look } = await followed(t);
    await look();
    assert.deepEqual(events, []);
    const changes: (() => Promise<unknown>)[] = [
      () => put('two', key()),
      () => put('index', key()),
      () => put('index', key()),
      () => put('two', key()),
      () => rm(join(directory, 'index')),
      () => rm(join(directory, 'two')),
      () => Promise.all([put('one', key()), put('six', key())]),
      () => Promise.all([put('ten', key()), rm(join(directory, 'six'))]),
    ];
    for (const change of changes) {
      events.length = 0;
      await change();
      await look();
      await look();
      assert.deepEqual(events, ['keys.reloaded'], `${change}`);
    }
    ring[Symbol.dispose]();
  });

  it('says once that it is broken, and again when it breaks again', async (t) => {
    const { ring, events, look } = await followed(t);
    const key = await readFile(join(directory, 'one'), 'utf8');
    for (const content of ['', '', key, '']) {
      await put('one', content);
      await look();
    }
    assert.deepEqual(events, ['keys.reload_failed', 'keys.reload_failed']);
    ring[Symbol.dispose]();
  });

  it('is left alone once it is disposed of', async (t) => {
    const { ring, look } = await followed(t);
    ring[Symbol.dispose]();
    await put('two', key());
    await look();
    assert.deepEqual([...ring.get().keys.keys()], ['one']);
  });
});
