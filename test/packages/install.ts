import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { packPackage } from '../../tools/pack.ts';

const run = promisify(execFile);

/** The oldest Node that the package promises to run on, and the repository's own. */
export const oldestNode = '20.11.1';

export const nodePackage = 'packages/node';
export const emulatorPackage = 'services/entra-emulator';

const packed = new Map<string, string>();

/** A folder that holds nothing but what an app of somebody's installs, from the registry and from a package's tarball. */
export async function installApp(packages: string[], ours = nodePackage) {
  const tarball = packed.get(ours) ?? resolve(packPackage(ours, 'out/packages'));
  packed.set(ours, tarball);
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-app-'));
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }));
  const npm = (...args: string[]) =>
    run('npm', [...args, '--no-audit', '--no-fund'], { cwd: folder, timeout: 100_000 });
  await npm('install', tarball, ...packages);
  return {
    folder,
    /** Writes a file of the app. Gives its path. */
    async write(name: string, text: string): Promise<string> {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    },
    /** The packages that are installed, by name, as `npm ls` tells. */
    async packages(): Promise<string[]> {
      const { stdout } = await npm('ls', '--all', '--parseable');
      const found = stdout.split('\n').flatMap((path) => path.split('/node_modules/').slice(-1));
      return found.filter((name) => name !== '' && name !== folder);
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

export type App = Awaited<ReturnType<typeof installApp>>;

/** A Node of this version, from the registry too. */
export async function installNode(version: string) {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-node-'));
  const name = `node-linux-${process.arch}`;
  await run('npm', ['install', '--prefix', folder, `${name}@${version}`, '--no-audit', '--no-fund'], {
    timeout: 100_000,
  });
  return {
    path: join(folder, 'node_modules', name, 'bin/node'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
