import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bases } from '../../images/bases.ts';
import { buildImages, development, imageOf, production } from '../../images/build.ts';
import { type Engine, openEngine } from '../../images/engine.ts';

const root = join(import.meta.dirname, '../../..');
const cache = join(root, '.cache/cluster');

/** What the charts of a cluster under test are told of their images. */
export const images = { prefix: 'onbehalf/', tag: 'dev', valkey: { repository: 'onbehalf/valkey', tag: 'dev' } };

/**
 * An archive, as `docker save` writes it, of every image that the charts of the suite run: built as test/images builds
 * them, once for each state of what they are made of, or the one that CLUSTER_IMAGES names.
 * @throws Error saying what building them lacks.
 */
export async function archiveImages(): Promise<string> {
  if (process.env.CLUSTER_IMAGES) return process.env.CLUSTER_IMAGES;
  const archive = join(cache, `images-${await stateOf(['docker', 'services', 'packages', 'package-lock.json'])}.tar`);
  if (existsSync(archive)) return archive;
  await mkdir(cache, { recursive: true });
  await using engine = await openEngine();
  const { bases } = await buildImages(engine, [...production, ...development]);
  const valkey = await nameValkey(engine, bases);
  const names = [...[...production, ...development].map(imageOf), valkey];
  await engine.docker('save', '--output', `${archive}.part`, ...names);
  await rename(`${archive}.part`, archive);
  return archive;
}

/** Redis' image with the name that the chart calls Valkey's server by. */
async function nameValkey(engine: Engine, { redis }: Bases): Promise<string> {
  const name = `${images.valkey.repository}:${images.valkey.tag}`;
  const container = await engine.docker(
    ...['create', '--entrypoint', 'sh', redis],
    ...['-c', 'command -v valkey-server || ln -s "$(command -v redis-server)" /usr/local/bin/valkey-server'],
  );
  await engine.docker('start', '--attach', container);
  const change = ['ENTRYPOINT []', 'CMD ["valkey-server"]', 'USER 65532:65532'].flatMap((line) => ['--change', line]);
  await engine.docker('commit', ...change, container, name);
  await engine.docker('rm', container);
  return name;
}

/** A hash of these files and of all below these folders, but for tests and what is installed. */
async function stateOf(paths: string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) {
    const entries = await readdir(join(root, path), { recursive: true, withFileTypes: true }).catch(() => []);
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => !/node_modules|\.test\.ts$/.test(file));
    for (const file of entries.length > 0 ? files.sort() : [join(root, path)])
      hash.update(file).update(await readFile(file));
  }
  return hash.digest('hex').slice(0, 16);
}
