import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Emulator, Ids } from '../../services/entra-emulator/src/emulator.ts';
import { answers, type Child, startChild } from './child.ts';
import { mountJson } from './mounts.ts';
import { freePort } from './ports.ts';

const stateSchema = z.object({
  tenants: z.array(z.object({ tid: z.string(), domain: z.string() })),
  apps: z.array(z.object({ name: z.string(), appId: z.string() })),
  users: z.array(z.object({ upn: z.string(), oid: z.string() })),
});

type Options = { stateDir: string; signing: 'each' | 'load'; issuer: string; seed: unknown; logFile: string };

/** The emulator as it is shipped, in a process of its own: under load it must not share ours. */
export async function startEmulator({ stateDir, signing, issuer, seed, logFile }: Options) {
  const [httpsPort, httpPort, adminPort] = [await freePort(), await freePort(), await freePort()];
  const [browserOrigin, admin] = [`http://localhost:${httpPort}`, `http://127.0.0.1:${adminPort}`];
  const child: Child = await startChild({
    name: 'entra-emulator',
    command: process.execPath,
    args: ['services/entra-emulator/src/main.ts'],
    env: {
      PATH: process.env.PATH ?? '',
      ...{ HTTPS_PORT: `${httpsPort}`, HTTP_PORT: `${httpPort}`, ADMIN_PORT: `${adminPort}` },
      ...{ BROWSER_ORIGIN: browserOrigin, STATE_DIR: stateDir, SIGNING: signing, LOG_LEVEL: 'warn' },
      SEED_FILE: await mountJson(`${stateDir}-seed`, 'seed.json', seed),
      FEDERATED_ISSUERS: JSON.stringify([{ issuer }]),
    },
    logFile,
    ready: () => answers(`${browserOrigin}/readyz`),
    withinMs: 30_000,
  });
  const response = await fetch(`${admin}/state`, { signal: AbortSignal.timeout(5_000) });
  const { tenants, apps, users } = stateSchema.parse(await response.json());
  const ids = {
    tenants: Object.fromEntries(tenants.map(({ domain, tid }) => [domain.split('.')[0], tid])),
    apps: Object.fromEntries(apps.map(({ name, appId }) => [name, appId])),
    users: Object.fromEntries(users.map(({ upn, oid }) => [upn.split('@')[0], oid])),
  } as Ids;
  const close = async () => await child[Symbol.asyncDispose]();
  const emulator: Emulator = {
    ...{ origin: `https://localhost:${httpsPort}`, browserOrigin, admin, ids, clientCertificates: {}, close },
    caPem: await readFile(join(stateDir, 'ca.pem'), 'utf8'),
    [Symbol.asyncDispose]: close,
  };
  return { emulator, pid: child.process.pid ?? 0 };
}
