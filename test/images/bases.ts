import { execFile } from 'node:child_process';
import { access, copyFile, cp, mkdir, mkdtemp, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { buildNetwork, type Engine } from './engine.ts';

const run = promisify(execFile);
const cache = join(import.meta.dirname, '../../.cache/images');

export type Bases = { node: string; runtime: string; redis: string };

/**
 * The base images: those that `NODE_IMAGE`, `RUNTIME_IMAGE` and `REDIS_IMAGE` name, else made of Debian's packages, so
 * that no registry is needed. The first one takes debootstrap and root, the others are built on it.
 */
export async function prepareBases(engine: Engine): Promise<Bases> {
  const { NODE_IMAGE: node, RUNTIME_IMAGE: runtime, REDIS_IMAGE: redis } = process.env;
  if (node && runtime && redis) return { node, runtime, redis };
  const plain = await importDebian(engine);
  return {
    runtime: runtime ?? plain,
    node: node ?? (await addTo(plain, engine, 'onbehalf-base-node', 'COPY . /usr/local/', copyNode)),
    redis: redis ?? (await addTo(plain, engine, 'onbehalf-base-redis', `RUN ${installRedis}`)),
  };
}

const installRedis = 'apt-get -qq update && apt-get -qq install --no-install-recommends redis-server >/dev/null';

async function importDebian(engine: Engine): Promise<string> {
  const image = 'onbehalf-base-runtime:24';
  if (await engine.docker('images', '-q', image)) return image;
  await run('sh', ['-c', `tar -C "$1" -c . | "$2" import - "$3"`, 'import', await debianRoot(), engine.client, image], {
    env: { ...process.env, DOCKER_HOST: engine.host },
    timeout: 300_000,
  });
  return image;
}

async function debianRoot(): Promise<string> {
  const root = join(cache, 'debian');
  if (await exists(root)) return root;
  await mkdir(cache, { recursive: true });
  const part = `${root}.part`;
  await rm(part, { recursive: true, force: true });
  await run('debootstrap', ['--variant=minbase', '--include=ca-certificates', 'bookworm', part, ...(await mirror())], {
    timeout: 600_000,
    maxBuffer: 16 << 20,
  });
  await rename(part, root);
  return root;
}

/** An image with one instruction more, which finds in its context what `fill` puts there. */
async function addTo(
  base: string,
  engine: Engine,
  name: string,
  instruction: string,
  fill: (context: string) => Promise<void> = async () => {},
): Promise<string> {
  const image = `${name}:24`;
  if (await engine.docker('images', '-q', image)) return image;
  const directory = await mkdtemp(join(tmpdir(), 'onbehalf-base-'));
  try {
    const context = join(directory, 'context');
    await mkdir(context);
    await fill(context);
    const file = join(directory, 'Dockerfile');
    await writeFile(file, `FROM ${base}\n${instruction}\n`);
    await engine.docker('build', '--network', buildNetwork, '--file', file, '--tag', image, context);
    return image;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The mirror this machine's own apt uses. */
async function mirror(): Promise<string[]> {
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']);
  const first = stdout.split('\n').find((line) => /\/debian\/?$/.test(line));
  return first ? [first] : [];
}

/** As in the image `node`: the binary and npm, for /usr/local. */
async function copyNode(context: string): Promise<void> {
  const npm = dirname(dirname(await realpath((await run('sh', ['-c', 'command -v npm'])).stdout.trim())));
  for (const folder of ['bin', 'lib/node_modules']) await mkdir(join(context, folder), { recursive: true });
  await copyFile(process.execPath, join(context, 'bin/node'));
  await cp(npm, join(context, 'lib/node_modules/npm'), { recursive: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(context, 'bin/npm'));
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
