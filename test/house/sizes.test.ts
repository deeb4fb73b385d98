import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { describe, it } from 'node:test';
import { functionSizes } from '../../tools/functions.ts';
import {
  folderReasons,
  folderSizes,
  fullFolderFiles,
  functionDebt,
  functionReasons,
  longFunctionLines,
  longLines,
  reasons,
  sourceSizes,
} from '../../tools/sizes.ts';
import { folderImports, foldersInCycles } from '../../tools/sources.ts';

describe('the sources', () => {
  const long = sourceSizes().filter(({ lines }) => lines > longLines);

  it(`say of every file over ${longLines} lines, in tools/sizes.ts, why it is one room`, () => {
    assert.ok(long.length > 0, 'nothing was measured');
    assert.deepEqual(
      long.filter(({ path }) => !reasons[path]),
      [],
      'long files without a reason',
    );
  });

  it('give no reason for a file that is short by now', () => {
    const paths = long.map(({ path }) => path);
    assert.deepEqual(
      Object.keys(reasons).filter((path) => !paths.includes(path)),
      [],
    );
  });

  it(`have no function over ${longFunctionLines} lines but what tools/sizes.ts argues, or lists to be split`, () => {
    const all = functionSizes();
    assert.ok(all.length > 1_000, 'few functions were found');
    const tooLong = all.filter(({ lines }) => lines > longFunctionLines);
    const keyOf = ({ path, name }: { path: string; name: string }) => `${path} ${name}`;
    const unargued = tooLong.filter((each) => !functionReasons[keyOf(each)]);
    const counts = Object.entries(Object.groupBy(unargued, ({ path }) => path)).map(([path, its = []]) => [
      path,
      its.length,
    ]);
    assert.deepEqual(Object.fromEntries(counts.sort()), functionDebt, 'functions to be split, by file');
    const keys = tooLong.map(keyOf);
    assert.deepEqual(
      Object.keys(functionReasons).filter((key) => !keys.includes(key)),
      [],
      'a reason for a function that is short by now',
    );
  });

  it(`have no folder with more than ${fullFolderFiles} source files but what tools/sizes.ts argues`, () => {
    const full = folderSizes().filter(({ files }) => files > fullFolderFiles);
    assert.deepEqual(full.map(({ folder }) => folder).sort(), Object.keys(folderReasons).sort());
  });

  for (const room of globSync('{packages,services}/*')) {
    it(`of ${room} import one another's folders one way`, () => {
      const imports = folderImports(room);
      const cyclic = foldersInCycles(imports.keys());
      const among = [...imports].filter(([each]) => each.split(' -> ').every((folder) => cyclic.includes(folder)));
      assert.deepEqual(Object.fromEntries(among), {});
    });
  }

  it('would show a cycle of folders', () => {
    assert.ok(folderImports('services/token-broker').size > 10, 'few imports were found');
    assert.deepEqual(foldersInCycles(['a -> b', 'b -> c', 'c -> b', 'c -> d']), ['b', 'c']);
  });
});
