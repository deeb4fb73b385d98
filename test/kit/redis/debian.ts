import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Program, unpackDebian } from '../debian/packages.ts';

/**
 * Debian's own redis-server in `cacheDir`, with what it needs that this machine lacks. `undefined` where there is no
 * apt, or it reaches no mirror.
 */
export async function fetchDebianRedis(cacheDir: string): Promise<Program | undefined> {
  const home = resolve(cacheDir, 'redis');
  const command = join(home, 'usr/bin/redis-server');
  if (!existsSync(command) && !(await unpackDebian(home, { cacheDir, packages: ['redis-server'], whole: true })))
    return undefined;
  const libraries = join(home, 'usr/lib');
  const folders = [libraries, ...(await readdir(libraries)).map((name) => join(libraries, name))];
  return { command, env: { LD_LIBRARY_PATH: folders.join(':') } };
}
