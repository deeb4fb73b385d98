import { execFile } from 'node:child_process';
import { access, copyFile, cp, mkdir, realpath, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Engine } from './engine.ts';

const run = promisify(execFile);
const cache = join(import.meta.dirname, '../../.cache/images');

export type Bases = { node: string; runtime: string; redis: string };

/**
 * The base images: those that `NODE_IMAGE`, `RUNTIME_IMAGE` and `REDIS_IMAGE` name, else made of Debian packages with
 * debootstrap, so that no registry is needed. Needs root.
 */
export async function prepareBases(engine: Engine): Promise<Bases> {
  const { NODE_IMAGE: node, RUNTIME_IMAGE: runtime, REDIS_IMAGE: redis } = process.env;
  return {
    node: node ?? (await imported(engine, 'onbehalf-base-node', ['ca-certificates'], addNode)),
    runtime: runtime ?? (await imported(engine, 'onbehalf-base-runtime', ['ca-certificates'])),
    redis: redis ?? (await imported(engine, 'onbehalf-base-redis', ['redis-server'])),
  };
}

async function imported(
  engine: Engine,
  name: string,
  packages: string[],
  change: (root: string) => Promise<void> = async () => {},
): Promise<string> {
  const image = `${name}:24`;
  if (await engine.docker('images', '-q', image)) return image;
  const root = await debianRoot(name, packages, change);
  await run(
    'sh',
    ['-c', `tar -C "$1" -c . | "$2" import - "$3"`, 'import', root, process.env.DOCKER ?? '/usr/bin/docker', image],
    {
      env: { ...process.env, DOCKER_HOST: engine.host },
      timeout: 300_000,
    },
  );
  return image;
}

async function debianRoot(name: string, packages: string[], change: (root: string) => Promise<void>): Promise<string> {
  const root = join(cache, name);
  if (await exists(root)) return root;
  await mkdir(cache, { recursive: true });
  const part = `${root}.part`;
  await rm(part, { recursive: true, force: true });
  await run(
    'debootstrap',
    ['--variant=minbase', `--include=${packages.join(',')}`, 'bookworm', part, ...(await mirror())],
    {
      timeout: 600_000,
      maxBuffer: 16 << 20,
    },
  );
  await change(part);
  await rename(part, root);
  return root;
}

/** The mirror this machine's own apt uses. */
async function mirror(): Promise<string[]> {
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']);
  const first = stdout.split('\n').find((line) => /\/debian\/?$/.test(line));
  return first ? [first] : [];
}

/** As in the image `node`: the binary and npm under /usr/local. */
async function addNode(root: string): Promise<void> {
  const npm = dirname(dirname(await realpath((await run('sh', ['-c', 'command -v npm'])).stdout.trim())));
  await mkdir(join(root, 'usr/local/lib/node_modules'), { recursive: true });
  await copyFile(process.execPath, join(root, 'usr/local/bin/node'));
  await cp(npm, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'));
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
