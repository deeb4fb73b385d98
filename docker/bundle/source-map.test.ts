import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { SourceMap } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { build } from 'esbuild';
import { ownSources } from './source-map.ts';

describe('ownSources', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bundle-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** A file of ours around a package's, with blank lines before what throws. */
  async function bundled() {
    const files: Record<string, string> = {
      '/root/src/ours.ts': `import { theirs } from 'theirs';\n\n\nexport const first = () => fail('first');\n${'\n'.repeat(40)}export const fail = (name: string): never => { throw new Error(name + theirs); };\nconsole.log(fail, first);\n`,
      '/root/node_modules/theirs/index.js': `export const theirs = 'theirs'.padStart(3, 'theirPadding');\n`,
    };
    const { outputFiles } = await build({
      ...{ entryPoints: ['/root/src/ours.ts'], outdir: '/root/dist', bundle: true, format: 'esm', write: false },
      ...{ sourcemap: 'linked', minifyWhitespace: true, sourcesContent: false },
      plugins: [
        {
          name: 'in-memory',
          setup({ onResolve, onLoad }) {
            onResolve({ filter: /^theirs$/ }, () => ({ path: '/root/node_modules/theirs/index.js' }));
            onResolve({ filter: /^\/root/ }, ({ path }) => ({ path }));
            onLoad({ filter: /^\/root/ }, ({ path }) => ({ contents: files[path] ?? '', loader: 'ts' }));
          },
        },
      ],
    });
    const [map, code] = ['.map', '.js'].map((end) => outputFiles.find(({ path }) => path.endsWith(end))?.text ?? '');
    return { map: map ?? '', code: code ?? '' };
  }

  const placeOf = (map: string, code: string, text: string) =>
    new SourceMap(JSON.parse(map)).findEntry(0, code.indexOf(text)) as {
      originalSource?: string;
      originalLine?: number;
    };

  it('keeps the lines of our files and forgets those of packages', async () => {
    const { map, code } = await bundled();
    const own = ownSources(map, '/root/dist');
    for (const text of ['throw new Error', 'fail("first")']) {
      const { originalSource, originalLine } = placeOf(map, code, text);
      assert.match(String(originalSource), /ours\.ts$/);
      const kept = placeOf(own, code, text);
      assert.match(String(kept.originalSource), /^(?!\.\.\/\.\.\/src).*root\/src\/ours\.ts$/);
      assert.equal(kept.originalLine, originalLine);
    }
    assert.match(String(placeOf(map, code, 'padStart').originalSource), /theirs/);
    assert.equal(placeOf(own, code, 'padStart').originalSource, undefined);
    assert.equal(JSON.parse(own).sources.length, 1);
  });
});
