import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { describeError } from './logger.ts';
import { toSource } from './source-places.ts';

describe('the frames of built JavaScript', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'places-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** A built file whose one line was line 12 of its source; what comes after column 49 is a package's. */
  async function write(name: string, map?: string): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, 'export const fail = () => { throw new TypeError("x is not a function"); };\n');
    if (map !== undefined) await writeFile(`${path}.map`, map);
    return pathToFileURL(path).href;
  }
  const map = JSON.stringify({ version: 3, sources: ['services/x/src/x.ts'], names: [], mappings: 'AAWA,iD;' });

  it('name their TypeScript, with its line', async () => {
    const url = await write('mapped.js', map);
    assert.equal(toSource(`at fail (${url}:1:30)`), 'at fail (services/x/src/x.ts:12:1)');
    assert.equal(toSource(`at async ${url}:1:1`), 'at async services/x/src/x.ts:12:1');
  });

  it('are left as they are where they are a package’s, without a map, or with one that cannot be read', async () => {
    const frames = [
      `at theirs (${await write('foreign.js', map)}:1:60)`,
      `at ours (${await write('bare.js')}:1:30)`,
      `at ours (${await write('broken.js', '{')}:1:30)`,
      'at node:internal/process/task_queues:105:5',
    ];
    assert.deepEqual(frames.map(toSource), frames);
  });

  it('are logged so', async () => {
    const { fail } = await import(await write('logged.js', map));
    let thrown: unknown;
    try {
      fail();
    } catch (error) {
      thrown = error;
    }
    const { stack } = describeError(thrown) as { stack: string[] };
    assert.equal(stack[0], 'at fail (services/x/src/x.ts:12:1)');
  });
});
