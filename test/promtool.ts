import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { apt } from './redis-debian.ts';

/**
 * Prometheus' own judge of rules: promtool on PATH, else Debian's, unpacked into `cacheDir` without being root.
 * @throws Error where neither can be had.
 */
export async function findPromtool(cacheDir: string): Promise<string> {
  if (spawnSync('promtool', ['--version']).status === 0) return 'promtool';
  const home = resolve(cacheDir, 'prometheus');
  const program = join(home, 'usr/bin/promtool');
  if (!existsSync(program)) await fetchInto(home, cacheDir);
  return program;
}

async function fetchInto(home: string, cacheDir: string): Promise<void> {
  await mkdir(cacheDir, { recursive: true });
  const work = await mkdtemp(join(resolve(cacheDir), 'apt-'));
  try {
    await mkdir(join(work, 'lists/partial'), { recursive: true });
    const common = [`Dir::Cache=${work}`, 'Debug::NoLocking=1', 'APT::Sandbox::User='];
    const own = [...common, `Dir::State::Lists=${join(work, 'lists')}`];
    // It is one static program: none of what the package needs as a service.
    const fetched =
      apt(work, common, ['download', 'prometheus']) ??
      (apt(work, own, ['update']) && apt(work, own, ['download', 'prometheus']));
    const deb = (await readdir(work)).find((name) => name.endsWith('.deb'));
    if (fetched === undefined || !deb) throw new Error('There is no promtool: install Debian’s prometheus.');
    if (spawnSync('dpkg', ['-x', join(work, deb), join(work, 'root')]).status !== 0) throw new Error('dpkg -x failed.');
    // Renamed when whole: another process may be doing the same.
    await rename(join(work, 'root'), home).catch((error: unknown) => {
      if (!existsSync(join(home, 'usr/bin/promtool'))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
