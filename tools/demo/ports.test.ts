import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { freePort } from '../../test/kit/ports.ts';
import { choosePorts } from './ports.ts';

describe('the ports of the demo', () => {
  it('are the usual ones; in place of a taken one comes the next that is free and nobody else is to have', async () => {
    const first = await freePort();
    const usual = {
      web: first,
      entra: first + 1,
      entraBrowser: first + 11,
      entraAdmin: first + 12,
      viewer: 0,
      panel: 0,
    };
    const other = createServer().listen(first, '127.0.0.1');
    await once(other, 'listening');
    const pages = createServer().listen(usual.entraBrowser, '127.0.0.1');
    await once(pages, 'listening');
    const lines: string[] = [];
    try {
      const chosen = await choosePorts({ anyPort: false, print: (line) => lines.push(line), usual });
      assert.ok(chosen.web > first + 1, 'neither the taken one, nor the emulator’s');
      assert.deepEqual(lines, [
        `port ${first} is taken: web-frontend is at ${chosen.web}`,
        `port ${usual.entraBrowser} is taken: the emulator's pages are at ${chosen.entraBrowser}`,
      ]);
      assert.equal(chosen.entra, usual.entra);
    } finally {
      other.close();
      pages.close();
    }
  });

  it('may be any', async () => {
    const chosen = Object.values(await choosePorts({ anyPort: true, print: assert.fail }));
    assert.equal(new Set(chosen).size, 6);
  });
});
