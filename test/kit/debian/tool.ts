import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Program, unpackDebian } from './packages.ts';

type Wanted = {
  /** Its name on PATH. */
  name: string;
  /** The packages that hold it and the libraries a small machine lacks. */
  packages: string[];
  /** Those libraries are many: apt is asked for them. */
  whole?: boolean;
  /** Where it is in them; `usr/bin/<name>` unless said. */
  path?: string;
  /** Another release of Debian than this machine's. */
  suite?: string;
};

/**
 * A program of Debian's: the one on PATH, else unpacked into `cacheDir` without being root.
 * @throws Error where neither can be had.
 */
export async function findDebianTool(wanted: Wanted, cacheDir: string): Promise<Program> {
  const { name, packages, path = `usr/bin/${name}`, whole, suite } = wanted;
  if (spawnSync(name, ['--version']).status === 0) return { command: name, env: {} };
  const home = resolve(cacheDir, 'debian', name);
  const there = existsSync(join(home, path));
  if (!there && !(await unpackDebian(home, { cacheDir, packages, whole, suite }))) {
    throw new Error(`There is no ${name}: install Debian's ${packages[0]}.`);
  }
  const libraries = ['usr/lib', 'usr/lib/x86_64-linux-gnu', 'usr/lib/aarch64-linux-gnu'].map((part) =>
    join(home, part),
  );
  return { command: join(home, path), env: { LD_LIBRARY_PATH: libraries.join(':') } };
}
