import { readFile } from 'node:fs/promises';
import type { Logger } from '@onbehalf/chassis/logger';
import { noteReload } from '@onbehalf/chassis/measures';
import { createMountedFile } from '@onbehalf/chassis/mounted-file';
import { type Clients, parseClients } from './clients.ts';
import { clientsReloadMs } from './lifetimes.ts';

/** The clients of a mounted `clients.json`, followed while it changes; a broken change is logged and not taken. */
export async function openClients(path: string, logger: Logger): Promise<Disposable & { get(): Clients }> {
  let text = await readFile(path, 'utf8');
  let clients = parseClients(text);
  const read = createMountedFile(path);
  const reload = async () => {
    try {
      const next = await read();
      if (next === text.trim()) return;
      text = next;
      clients = parseClients(next);
      noteReload('clients', true);
      logger.info({ event: 'clients.reloaded', clients: clients.byName.size });
    } catch (error) {
      noteReload('clients', false);
      logger.error({ event: 'clients.reload_failed', error }, 'CLIENTS_FILE is broken: keeping the last good one');
    }
  };
  const timer = setInterval(reload, clientsReloadMs).unref();
  return { get: () => clients, [Symbol.dispose]: () => clearInterval(timer) };
}
