import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';

const help = `npm run pack   builds every package into its dist folder, plain JavaScript with declarations, and packs it into out/packages
npm run pack -- --repository <url>   names the repository, which provenance is checked against`;

/** What is published: every package, and the emulator. */
export const published = ['packages/node', 'services/entra-emulator'];

/** The rooms whose files a package takes along where it needs them: chassis is not published, and core is no subpath. */
const rooms: Record<string, string> = {
  '@onbehalf/chassis/': 'services/chassis/src',
  '@onbehalf/node/': 'packages/node/src',
};

const manifestSchema = z.looseObject({
  dependencies: z.record(z.string(), z.string()),
  exports: z.record(z.string(), z.string()),
  bin: z.record(z.string(), z.string()).optional(),
});
type Manifest = z.output<typeof manifestSchema>;

const readManifest = (folder: string): Manifest =>
  manifestSchema.parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')));

/**
 * What is published: the named subpaths, in JavaScript, and dependencies that may be newer. Inside the repository the same names lead to the sources, since
 * Node strips no types in node_modules.
 * @param at where in the package its own sources are. @param dependencies the exact versions that it was tried with.
 */
export function publishedManifest(manifest: Manifest, at: string, dependencies: Record<string, string>): object {
  const { private: _, devDependencies: __, scripts: ___, exports, bin, ...rest } = manifest;
  const subpaths = Object.entries(exports).filter(([name]) => !name.includes('*'));
  const builtPath = (source: string) => source.replace(/^\.\/src\//, at).replace(/\.ts$/, '');
  const built = subpaths.map(([name, source]) => {
    const path = builtPath(source);
    return [name, { types: `${path}.d.ts`, default: `${path}.js` }];
  });
  const ranges = Object.entries(dependencies).map(([name, version]) => [name, `^${version}`]);
  const programs = Object.entries(bin ?? {}).map(([name, source]) => [name, `${builtPath(source)}.js`]);
  return {
    ...rest,
    ...(bin && { bin: Object.fromEntries(programs) }),
    dependencies: Object.fromEntries(ranges),
    exports: Object.fromEntries(built),
  };
}

/** Builds a package and packs it into a folder. Gives the tarball's path. */
export function packPackage(folder: string, into: string, more: object = {}): string {
  const dist = join(folder, 'dist');
  rmSync(dist, { recursive: true, force: true });
  execFileSync(resolve('node_modules/.bin/tsc'), ['-p', join(folder, 'tsconfig.build.json')], { stdio: 'inherit' });
  const takesAlong = existsSync(join(dist, folder));
  const manifest = readManifest(folder);
  const dependencies = takesAlong ? linkRooms(dist, folder) : manifest.dependencies;
  const at = takesAlong ? `./${folder}/src/` : './';
  const text = JSON.stringify({ ...publishedManifest(manifest, at, dependencies), ...more }, undefined, 2);
  writeFileSync(join(dist, 'package.json'), `${text}\n`);
  for (const file of [join(folder, 'README.md'), 'LICENSE']) copyFileSync(file, join(dist, basename(file)));
  mkdirSync(into, { recursive: true });
  const args = ['pack', resolve(dist), '--pack-destination', resolve(into), '--json'];
  const [{ filename }] = JSON.parse(execFileSync('npm', args, { encoding: 'utf8' }));
  return join(into, filename);
}

/**
 * Leads the imports of other rooms to their files, which the build has put beside the package's own. Gives what these
 * and its own files import from npm, with the versions that their rooms have.
 */
function linkRooms(dist: string, folder: string): Record<string, string> {
  const versions = Object.assign(
    {},
    ...[folder, 'services/chassis', 'packages/node'].map((each) => readManifest(each).dependencies),
  );
  const imported = new Set<string>();
  for (const file of globSync(`${dist}/**/*.{js,d.ts}`)) {
    const linked = readFileSync(file, 'utf8').replaceAll(/(?<=(?:from|import\(|import) ?')[^.'][^']*(?=')/g, (name) => {
      const [room, path] = Object.entries(rooms).find(([prefix]) => name.startsWith(prefix)) ?? [];
      if (room && path) return toRelative(dirname(file), join(dist, path, `${name.slice(room.length)}.js`));
      imported.add(name);
      return name;
    });
    writeFileSync(file, linked);
  }
  const used = Object.entries(versions).filter(([name]) => imported.has(name));
  return Object.fromEntries(used) as Record<string, string>;
}

function toRelative(from: string, to: string): string {
  const path = relative(from, to);
  return path.startsWith('.') ? path : `./${path}`;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { help: { type: 'boolean' }, repository: { type: 'string' } } });
  const more = values.repository ? { repository: { type: 'git', url: `git+${values.repository}.git` } } : {};
  if (values.help) console.log(help);
  else for (const folder of published) console.log(packPackage(folder, 'out/packages', more));
}
