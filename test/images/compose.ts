import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cache = join(import.meta.dirname, '../../.cache/compose');

/**
 * The path of a Docker Compose v2 that stands alone: `DOCKER_COMPOSE`, else the binary of a newer Debian's package,
 * which runs on this one.
 * @throws Error if there is no Debian mirror.
 */
export async function provideCompose(): Promise<string> {
  const path = process.env.DOCKER_COMPOSE ?? join(cache, 'docker-compose');
  const works = await run(path, ['version']).then(
    () => true,
    () => false,
  );
  if (works) return path;
  const work = await mkdtemp(join(tmpdir(), 'compose-'));
  try {
    await fetchPackage(work);
    await run('dpkg', ['-x', join(work, (await readdir(work)).find((name) => name.endsWith('.deb')) ?? ''), work]);
    await mkdir(cache, { recursive: true });
    await copyFile(join(work, 'usr/libexec/docker/cli-plugins/docker-compose'), join(cache, 'docker-compose'));
    await chmod(join(cache, 'docker-compose'), 0o755);
    return join(cache, 'docker-compose');
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** With package lists of its own, so that this machine's stay as they are; from the mirror its apt already uses. */
async function fetchPackage(work: string): Promise<void> {
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']);
  const mirror = stdout.split('\n').find((line) => /\/debian\/?$/.test(line));
  if (!mirror) throw new Error('no Docker Compose, and no Debian mirror to take one from');
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  await writeFile(join(work, 'sources.list'), `deb [signed-by=${keyring}] ${mirror} trixie main\n`);
  await mkdir(join(work, 'lists/partial'), { recursive: true });
  await mkdir(join(work, 'cache/archives/partial'), { recursive: true });
  const own = [
    `Dir::Etc::sourcelist=${work}/sources.list`,
    'Dir::Etc::sourceparts=-',
    `Dir::State::Lists=${work}/lists`,
    `Dir::Cache=${work}/cache`,
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  await run('apt-get', [...own, 'update'], { timeout: 120_000 });
  await run('apt-get', [...own, 'download', 'docker-compose'], { cwd: work, timeout: 120_000 });
}
