import { execFileSync } from 'node:child_process';
import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';

const help = `npm run pack   builds every package into its dist folder, plain JavaScript with declarations, and packs it into out/packages`;

const manifestSchema = z.looseObject({
  dependencies: z.record(z.string(), z.string()),
  exports: z.record(z.string(), z.string()),
});

/**
 * What is published: the named subpaths, in JavaScript, and dependencies that may be newer. Inside the repository the same names lead to the sources, since
 * Node strips no types in node_modules.
 */
export function publishedManifest(text: string): object {
  const { private: _, devDependencies: __, dependencies, exports, ...rest } = manifestSchema.parse(JSON.parse(text));
  const subpaths = Object.entries(exports).filter(([name]) => !name.includes('*'));
  const built = subpaths.map(([name, source]) => {
    const path = source.replace(/^\.\/src\//, './').replace(/\.ts$/, '');
    return [name, { types: `${path}.d.ts`, default: `${path}.js` }];
  });
  const ranges = Object.entries(dependencies).map(([name, version]) => [name, `^${version}`]);
  return { ...rest, dependencies: Object.fromEntries(ranges), exports: Object.fromEntries(built) };
}

/** Builds a package and packs it into a folder. Gives the tarball's path. */
export function packPackage(folder: string, into: string): string {
  const dist = join(folder, 'dist');
  rmSync(dist, { recursive: true, force: true });
  execFileSync(resolve('node_modules/.bin/tsc'), ['-p', join(folder, 'tsconfig.build.json')], { stdio: 'inherit' });
  const manifest = publishedManifest(readFileSync(join(folder, 'package.json'), 'utf8'));
  writeFileSync(join(dist, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  for (const file of [join(folder, 'README.md'), 'LICENSE']) copyFileSync(file, join(dist, basename(file)));
  mkdirSync(into, { recursive: true });
  const args = ['pack', resolve(dist), '--pack-destination', resolve(into), '--json'];
  const [{ filename }] = JSON.parse(execFileSync('npm', args, { encoding: 'utf8' }));
  return join(into, filename);
}

if (import.meta.main) {
  if (process.argv.includes('--help')) console.log(help);
  else for (const folder of globSync('packages/*')) console.log(packPackage(folder, 'out/packages'));
}
