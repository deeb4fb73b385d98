import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

/** A program and the folder of the shared libraries it brings. */
export type Program = { command: string; env: Record<string, string> };

/** Runs apt-get with one's own settings; what it prints, or `undefined` if it failed or is not there. */
type Apt = (...args: string[]) => string | undefined;

type Wanted = {
  /** Where downloads are kept while they are unpacked. */
  cacheDir: string;
  packages: string[];
  /** Also fetches what they need and this machine lacks. */
  whole?: boolean | undefined;
  /** Another release of Debian than this machine's. */
  suite?: string | undefined;
};

/**
 * Downloads Debian's packages and unpacks them into `home`, without being root. `false` where there is no apt, or it
 * reaches no mirror.
 */
export async function unpackDebian(home: string, { cacheDir, packages, whole, suite }: Wanted): Promise<boolean> {
  await mkdir(cacheDir, { recursive: true });
  const work = await mkdtemp(join(resolve(cacheDir), 'apt-'));
  try {
    for (const folder of ['lists', 'archives']) await mkdir(join(work, folder, 'partial'), { recursive: true });
    // As root, apt would hand the download to a user who may not write here.
    const common = [`Dir::Cache=${work}`, 'Debug::NoLocking=1', 'APT::Sandbox::User='];
    const listed = [...common, `Dir::State::Lists=${join(work, 'lists')}`];
    const own = aptIn(work, suite ? [...listed, ...(await otherSuite(work, suite))] : listed);
    const download = (apt: Apt) => {
      const names = whole ? planOf(packages, apt) : packages;
      return names !== undefined && apt('download', ...names) !== undefined;
    };
    // The machine's package lists are often absent or older than the mirror's packages; then our own are fetched.
    const arrived = (!suite && download(aptIn(work, common))) || (own('update') !== undefined && download(own));
    if (!arrived) return false;
    for (const deb of (await readdir(work)).filter((name) => name.endsWith('.deb'))) {
      if (spawnSync('dpkg', ['-x', join(work, deb), join(work, 'root')]).status !== 0) return false;
    }
    await mkdir(dirname(home), { recursive: true });
    // Renamed when whole: another process may be doing the same.
    await rename(join(work, 'root'), home).catch((error: unknown) => {
      if (!existsSync(home)) throw error;
    });
    return true;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** What apt would install; `undefined` where it does not know these packages. */
function planOf(packages: string[], apt: Apt): string[] | undefined {
  const plan = apt('--simulate', '--no-install-recommends', 'install', ...packages);
  const names = plan?.match(/^Inst \S+/gm)?.map((line) => line.slice('Inst '.length));
  return packages.every((name) => names?.includes(name)) ? names : undefined;
}

/** Settings for the package lists of another suite, from the mirror this machine's apt uses. */
async function otherSuite(work: string, suite: string): Promise<string[]> {
  const uris = aptIn(work, [])('indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages') ?? '';
  const mirror = uris.split('\n').find((line) => /\/debian\/?$/.test(line));
  const list = join(work, 'sources.list');
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  await writeFile(list, mirror ? `deb [signed-by=${keyring}] ${mirror} ${suite} main\n` : '');
  return [`Dir::Etc::sourcelist=${list}`, 'Dir::Etc::sourceparts=-'];
}

function aptIn(cwd: string, settings: string[]): Apt {
  const options = settings.flatMap((setting) => ['-o', setting]);
  return (...args) => {
    const { status, stdout } = spawnSync('apt-get', ['--quiet', ...options, ...args], {
      cwd,
      encoding: 'utf8',
      timeout: 120_000,
      env: { ...process.env, LC_ALL: 'C' },
    });
    return status === 0 ? stdout : undefined;
  };
}
