import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { apt, type Program } from './redis-debian.ts';

type Wanted = {
  /** Its name on PATH. */
  name: string;
  /** The packages that hold it and the libraries a small machine lacks. */
  packages: string[];
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
  const { name, packages, path = `usr/bin/${name}` } = wanted;
  if (spawnSync(name, ['--version']).status === 0) return { command: name, env: {} };
  const home = resolve(cacheDir, 'debian', name);
  if (!existsSync(join(home, path)) && !(await fetchInto(home, cacheDir, wanted))) {
    throw new Error(`There is no ${name}: install Debian's ${packages[0]}.`);
  }
  const libraries = ['usr/lib', 'usr/lib/x86_64-linux-gnu', 'usr/lib/aarch64-linux-gnu'].map((part) =>
    join(home, part),
  );
  return { command: join(home, path), env: { LD_LIBRARY_PATH: libraries.join(':') } };
}

async function fetchInto(home: string, cacheDir: string, { packages, suite }: Wanted): Promise<boolean> {
  await mkdir(cacheDir, { recursive: true });
  const work = await mkdtemp(join(resolve(cacheDir), 'apt-'));
  try {
    await mkdir(join(work, 'lists/partial'), { recursive: true });
    await mkdir(join(work, 'archives/partial'), { recursive: true });
    // As root, apt would hand the download to a user who may not write here.
    const common = [`Dir::Cache=${work}`, 'Debug::NoLocking=1', 'APT::Sandbox::User='];
    const own = [
      ...common,
      `Dir::State::Lists=${join(work, 'lists')}`,
      ...(suite ? await otherSuite(work, suite) : []),
    ];
    const ours = suite ? undefined : apt(work, common, ['download', ...packages]);
    // The machine's package lists are often absent or older than the mirror's packages; then our own are fetched.
    if (ours === undefined && (apt(work, own, ['update']) && apt(work, own, ['download', ...packages])) === undefined) {
      return false;
    }
    for (const deb of (await readdir(work)).filter((name) => name.endsWith('.deb'))) {
      if (spawnSync('dpkg', ['-x', join(work, deb), join(work, 'root')]).status !== 0) return false;
    }
    await mkdir(join(home, '..'), { recursive: true });
    // Renamed when whole: another process may be doing the same.
    await rename(join(work, 'root'), home).catch((error: unknown) => {
      if (!existsSync(home)) throw error;
    });
    return true;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Package lists of another suite, from the mirror this machine's apt uses. */
async function otherSuite(work: string, suite: string): Promise<string[]> {
  const uris = apt(work, [], ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']) ?? '';
  const mirror = uris.split('\n').find((line) => /\/debian\/?$/.test(line));
  const list = join(work, 'sources.list');
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  await writeFile(list, mirror ? `deb [signed-by=${keyring}] ${mirror} ${suite} main\n` : '');
  return [`Dir::Etc::sourcelist=${list}`, 'Dir::Etc::sourceparts=-'];
}
