import { globSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { build, type Loader, type Plugin } from 'esbuild';
import { ownSources } from './source-map.ts';

/**
 * Writes a service as an image holds it: `dist`, JavaScript that needs no package beside it, with source maps of its own
 * code; what it reads at run time; and of each package that went in its manifest and licence, without code, so that its
 * notice stays with it and scanners see its version. Run from the repository's root.
 */
export async function bundle(service: string, into: string): Promise<void> {
  const src = `services/${service}/src`;
  const dist = join(into, 'dist');
  const { outputFiles, metafile } = await build({
    // The telemetry SDK has a name, so that the compile cache can be warmed with it; the other files are found by import.
    entryPoints: { main: `${src}/main.ts`, telemetry: 'services/chassis/src/telemetry/telemetry-sdk.ts' },
    ...{ outdir: dist, bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node24' },
    // Names stay, for stacks and for who reads the image.
    ...{ minifyWhitespace: true, minifySyntax: true, legalComments: 'none' },
    ...{ sourcemap: 'linked', sourcesContent: false, metafile: true, write: false },
    // Node prints the line that a start failed at.
    lineLimit: 200,
    // Packages in CommonJS call it for Node's own modules.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module';const require = requireFrom(import.meta.url);",
    },
    plugins: [placesOf(src), englishOnly],
  });
  await mkdir(dist, { recursive: true });
  for (const { path, text } of outputFiles)
    await writeFile(path, path.endsWith('.map') ? ownSources(text, dirname(path)) : text);
  for (const file of globSync(`${src}/**/*.{lua,css,html,js,json,svg}`))
    await cp(file, join(dist, relative(src, file)), { recursive: true });
  const { name, version } = JSON.parse(await readFile(`services/${service}/package.json`, 'utf8'));
  await writeFile(join(into, 'package.json'), `${JSON.stringify({ name, version, private: true, type: 'module' })}\n`);
  for (const folder of packagesOf(Object.keys(metafile.inputs))) await copyNotices(folder, join(into, folder));
}

/** What a module reads beside itself lies in `dist` as it does in `src`, though the module is now part of another file. */
const placesOf = (src: string): Plugin => ({
  name: 'places',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/](services|packages)[\\/].*\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      if (!text.includes('import.meta.url')) return undefined;
      const place = relative(src, path).split(sep).join('/');
      if (place.startsWith('..'))
        return { errors: [{ text: 'Only the service itself may read files beside a module.' }] };
      const contents = text.replaceAll('import.meta.url', `new URL('./${place}', import.meta.url).href`);
      return { contents, loader: 'ts' satisfies Loader };
    });
  },
});

/** zod brings its messages in fifty languages, which nothing here asks for: half a megabyte to hold and to parse. */
const englishOnly: Plugin = {
  name: 'english-only',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    }));
  },
};

/** The folders of the packages that these files belong to, below the root. */
function packagesOf(files: string[]): string[] {
  const folders = files.map((file) => /^(?:.*node_modules\/)(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  return [...new Set(folders.filter((folder) => folder !== undefined))].sort();
}

async function copyNotices(folder: string, into: string): Promise<void> {
  await mkdir(into, { recursive: true });
  for (const file of globSync(`${folder}/{package.json,[Ll][Ii][Cc][Ee][Nn][CcSs][Ee]*,[Nn][Oo][Tt][Ii][Cc][Ee]*}`))
    await cp(file, join(into, basename(file)), { recursive: true });
}

if (import.meta.main) {
  const [service, into] = process.argv.slice(2);
  if (!service || !into) throw new Error('node docker/bundle/bundle.ts <service> <folder>');
  await bundle(service, into);
}
