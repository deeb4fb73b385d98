import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { clientsReloadMs } from '../lifetimes.ts';
import { openClients } from './clients-file.ts';

const client = {
  tenantId: '00000000-0000-4000-8000-000000000001',
  clientId: '00000000-0000-4000-8000-000000000002',
  subjects: ['system:serviceaccount:onbehalf:web'],
  credentials: [{ type: 'federated' }],
  grants: ['client_credentials'],
};
const turn = () => new Promise(setImmediate);

/** A mounted file with clients of these names, what is logged, and the passing of one look at it. */
function mounted(context: TestContext) {
  context.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const folder = mkdtempSync(join(tmpdir(), 'onbehalf-clients-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'clients.json');
  const events: string[] = [];
  const write = (line: string) => events.push(JSON.parse(line).event);
  const put = (text: string) => writeFileSync(path, `${text}\n`);
  return {
    events,
    put,
    lose: () => rmSync(path),
    name: (...names: string[]) => put(JSON.stringify(Object.fromEntries(names.map((name) => [name, client])))),
    open: () => openClients(path, createLogger({ level: 'info', service: 'test' }, { write })),
    look: () => context.mock.timers.tick(clientsReloadMs),
    /** As often as a look at it needs, and more. */
    async read() {
      for (let times = 0; times < 20; times += 1) await readFile(path).catch(() => undefined);
    },
    async said(event: string) {
      while (!events.includes(event)) await turn();
    },
  };
}
type Clients = Awaited<ReturnType<typeof openClients>>;
const readNames = (clients: Clients) => [...clients.get().byName.keys()];

describe('the clients of a mounted file', () => {
  it('change with it, and only then', async (context) => {
    const file = mounted(context);
    file.name('web');
    using clients = await file.open();
    assert.deepEqual(readNames(clients), ['web']);
    file.look();
    await file.read();
    file.name('web', 'api');
    file.look();
    await file.said('clients.reloaded');
    assert.deepEqual(readNames(clients), ['web', 'api']);
    assert.deepEqual(file.events, ['clients.reloaded']);
    file.name('api');
    file.look();
    while (readNames(clients).length !== 1) await turn();
    file.look();
    await file.read();
    assert.deepEqual(file.events, ['clients.reloaded', 'clients.reloaded']);
  });

  const broken: Record<string, (file: ReturnType<typeof mounted>) => void> = {
    'breaks a rule': ({ put }) => put('{"web": {}}'),
    'is no JSON': ({ put }) => put('{"web"'),
    'is empty': ({ put }) => put(''),
    'is away': ({ lose }) => lose(),
  };
  for (const [what, breakIt] of Object.entries(broken)) {
    it(`stay as they were while it ${what}, and that is said once`, async (context) => {
      const file = mounted(context);
      file.name('web');
      using clients = await file.open();
      breakIt(file);
      for (let looks = 0; looks < 4; looks += 1) {
        file.look();
        await file.read();
      }
      assert.deepEqual(file.events, ['clients.reload_failed']);
      assert.deepEqual(readNames(clients), ['web']);
      file.name('api');
      file.look();
      await file.said('clients.reloaded');
      assert.deepEqual(readNames(clients), ['api']);
    });
  }

  it('are left alone once they are disposed of', async (context) => {
    const file = mounted(context);
    file.name('web');
    const clients = await file.open();
    clients[Symbol.dispose]();
    using others = await file.open();
    file.name('api');
    file.look();
    while (readNames(others)[0] !== 'api') await turn();
    assert.deepEqual(readNames(clients), ['web']);
  });
});
