import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** A program and the folder of the shared libraries it brings. */
export type Program = { command: string; env: Record<string, string> };

/**
 * Fetches Debian's own redis-server into `cacheDir` without being root: `apt-get` says which packages this machine
 * lacks, downloads them, `dpkg -x` unpacks them. `undefined` where there is no apt, or it reaches no mirror.
 */
export async function fetchDebianRedis(cacheDir: string): Promise<Program | undefined> {
  const home = resolve(cacheDir, 'redis');
  if (!existsSync(join(home, 'usr/bin/redis-server')) && !(await fetchInto(home, cacheDir))) return undefined;
  const libraries = join(home, 'usr/lib');
  const folders = [libraries, ...(await readdir(libraries)).map((name) => join(libraries, name))];
  return { command: join(home, 'usr/bin/redis-server'), env: { LD_LIBRARY_PATH: folders.join(':') } };
}

async function fetchInto(home: string, cacheDir: string): Promise<boolean> {
  await mkdir(cacheDir, { recursive: true });
  const work = await mkdtemp(join(resolve(cacheDir), 'apt-'));
  try {
    await mkdir(join(work, 'lists/partial'), { recursive: true });
    await mkdir(join(work, 'archives/partial'), { recursive: true });
    // As root, apt would hand the download to a user who may not write here.
    const common = [`Dir::Cache=${work}`, 'Debug::NoLocking=1', 'APT::Sandbox::User='];
    const own = [...common, `Dir::State::Lists=${join(work, 'lists')}`];
    // The machine's package lists are often absent or older than the mirror's packages; then our own are fetched.
    const debs = (await download(work, common)) ?? (apt(work, own, ['update']) && (await download(work, own)));
    if (!debs) return false;
    for (const deb of debs) {
      if (spawnSync('dpkg', ['-x', join(work, deb), join(work, 'root')]).status !== 0) return false;
    }
    // Renamed when whole: another process may be doing the same.
    await rename(join(work, 'root'), home).catch((error: unknown) => {
      if (!existsSync(home)) throw error;
    });
    return true;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Downloads redis-server and what it needs that is not installed; the names of the files, or `undefined`. */
async function download(work: string, settings: string[]): Promise<string[] | undefined> {
  const plan = apt(work, settings, ['--simulate', '--no-install-recommends', 'install', 'redis-server']);
  const names = plan?.match(/^Inst \S+/gm)?.map((line) => line.slice('Inst '.length));
  if (!names?.includes('redis-server') || apt(work, settings, ['download', ...names]) === undefined) return undefined;
  const debs = (await readdir(work)).filter((name) => name.endsWith('.deb'));
  return debs.length === names.length ? debs : undefined;
}

/** Runs apt-get; what it prints, or `undefined` if it failed or is not there. */
export function apt(cwd: string, settings: string[], args: string[]): string | undefined {
  const options = settings.flatMap((setting) => ['-o', setting]);
  const { status, stdout } = spawnSync('apt-get', ['--quiet', ...options, ...args], {
    cwd,
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, LC_ALL: 'C' },
  });
  return status === 0 ? stdout : undefined;
}
