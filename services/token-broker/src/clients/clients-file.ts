import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { createMounted } from '@onbehalf/node/core/mounted-file';
import { noteReload } from '@onbehalf/node/core/telemetry/measures';
import { clientsReloadMs } from '../lifetimes.ts';
import { type Clients, parseClients } from './clients.ts';

/** The clients of a mounted `clients.json`, read again when it changes. Logs an unusable change once and ignores it. */
export async function openClients(path: string, logger: Logger): Promise<Disposable & { get(): Clients }> {
  const onBroken = (error: unknown, kept: boolean) => {
    if (!kept) return;
    noteReload('clients', false);
    logger.error({ event: 'clients.reload_failed', error }, 'CLIENTS_FILE is broken: keeping the last good one');
  };
  const read = createMounted([path], (text) => parseClients(text.toString()), { onBroken });
  let clients = await read();
  const reload = async () => {
    const next = await read();
    if (next === clients) return;
    clients = next;
    noteReload('clients', true);
    logger.info({ event: 'clients.reloaded', clients: clients.byName.size });
  };
  const timer = setInterval(reload, clientsReloadMs).unref();
  return { get: () => clients, [Symbol.dispose]: () => clearInterval(timer) };
}
