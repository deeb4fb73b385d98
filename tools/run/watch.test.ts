import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openWatch } from './watch.ts';

const folder = mkdtempSync(join(tmpdir(), 'onbehalf-watch-'));
after(() => rmSync(folder, { recursive: true }));

describe('a watch of folders', () => {
  it('counts what an editor writes in one window as one', async () => {
    mkdirSync(join(folder, 'deep/node_modules'), { recursive: true });
    using watch = openWatch([folder]);
    const change = watch.saved();
    writeFileSync(join(folder, 'deep/node_modules/installed.ts'), '');
    writeFileSync(join(folder, 'notes.txt'), '');
    writeFileSync(join(folder, 'deep/a.ts'), '');
    writeFileSync(join(folder, 'deep/a.ts'), 'again');
    assert.deepEqual(await change, [join(folder, 'deep/a.ts')]);
    const next = watch.saved();
    writeFileSync(join(folder, 'b.lua'), '');
    assert.deepEqual(await next, [join(folder, 'b.lua')]);
  });
});
