import { createSecretKey, type KeyObject } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../config-error.ts';
import type { Log } from '../log.ts';
import { noteReload } from '../telemetry/measures.ts';

/** Keys by id, 32 bytes each; `current` is the one that seals. `index`, where present, is the HMAC key of names. */
export type KeyRing = { current: string; keys: ReadonlyMap<string, KeyObject>; index?: KeyObject };

const reloadEveryMs = 5_000;
/** In so many looks a key must have been seen before it seals: the other pods, which look at their own pace, open it. */
const looksBeforeSealing = 3;
const keyIdShape = /^[A-Za-z0-9_-]{1,32}$/;

/**
 * Reads a key ring from a directory, as a Secret is mounted: one file per key id holding 32 bytes in base64, `current`
 * naming the active id, optionally `index`.
 * @throws ConfigError naming the file that is wrong.
 */
export function readKeyRing(directory: string): KeyRing {
  const names = attempt(() => readdirSync(directory), directory);
  const read = (name: string) => {
    const path = join(directory, name);
    return attempt(() => readFileSync(path, 'utf8'), path).trim();
  };
  // A mounted Secret has entries of its own that begin with a dot.
  const ids = names.filter((name) => !name.startsWith('.') && name !== 'current' && name !== 'index');
  if (!names.includes('current')) fail(directory, 'has no file "current"');
  const current = read('current');
  const keys = new Map<string, KeyObject>();
  for (const id of ids) {
    if (!keyIdShape.test(id)) fail(directory, 'has a key id that is not made of letters, digits, - and _');
    keys.set(id, toKey(read(id), join(directory, id)));
  }
  if (!keys.has(current)) fail(directory, 'names a current key that is not there');
  const index = names.includes('index') ? { index: toKey(read('index'), join(directory, 'index')) } : {};
  return { current, keys, ...index };
}

/**
 * A key ring that follows its directory: `get()` is the last good one; a broken change is logged and not taken. A key
 * that came with the change becomes current ten seconds later, so that every pod can open what the first one seals.
 */
export function openKeyRing(directory: string, logger: Pick<Log, 'info' | 'error'>): Disposable & { get(): KeyRing } {
  let ring = readKeyRing(directory);
  let broken = false;
  const looks = new Map([...ring.keys.keys()].map((id) => [id, looksBeforeSealing]));
  const reload = () => {
    try {
      const read = readKeyRing(directory);
      for (const id of read.keys.keys()) looks.set(id, (looks.get(id) ?? 0) + 1);
      const settled = (looks.get(read.current) ?? 0) >= looksBeforeSealing || !read.keys.has(ring.current);
      const next = settled ? read : { ...read, current: ring.current };
      if (!sameRing(ring, next)) {
        noteReload('keys', true);
        logger.info({ event: 'keys.reloaded', current: next.current, keys: next.keys.size });
      }
      ring = next;
      broken = false;
    } catch (error) {
      noteReload('keys', false);
      if (!broken)
        logger.error({ event: 'keys.reload_failed', error }, 'the key ring is broken: keeping the last good one');
      broken = true;
    }
  };
  const timer = setInterval(reload, reloadEveryMs).unref();
  return { get: () => ring, [Symbol.dispose]: () => clearInterval(timer) };
}

function toKey(base64: string, path: string): KeyObject {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length !== 32) fail(path, 'does not hold 32 bytes in base64');
  return createSecretKey(bytes);
}

function sameRing(a: KeyRing, b: KeyRing): boolean {
  const same = (one: KeyObject | undefined, other: KeyObject | undefined) =>
    one === other || (one !== undefined && other !== undefined && one.equals(other));
  const sameKeys = a.keys.size === b.keys.size && [...a.keys].every(([id, key]) => same(key, b.keys.get(id)));
  return a.current === b.current && sameKeys && same(a.index, b.index);
}

function attempt<T>(read: () => T, path: string): T {
  try {
    return read();
  } catch {
    return fail(path, 'cannot be read');
  }
}

function fail(path: string, what: string): never {
  throw new ConfigError(`The key ring is not usable:\n  ${path}: ${what}`);
}
