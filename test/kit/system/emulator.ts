import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { createEmulator, type Emulator, type Ids } from '../../../services/entra-emulator/src/emulator.ts';
import { mountJson } from '../mounts.ts';
import { common, type Environment } from './environments.ts';
import type { Programs } from './programs.ts';

/** Entra ID, played. The admin API is always there. */
export type Entra = Pick<Emulator, 'origin' | 'browserOrigin' | 'ids' | 'caPem' | 'clientCertificates'> & {
  admin: string;
  /** The process it is in. */
  pid: number;
};

export type EntraPorts = { entra: number; entraBrowser: number; entraAdmin: number };

type Plan = {
  stateDir: string;
  /** `each`: no two tokens are the same. `load` costs less. */
  signing: 'each' | 'load';
  /** The cluster whose ServiceAccount tokens it trusts. */
  issuer: string;
  seed: object;
  /** Where the seed's `web` runs. */
  frontendOrigin: string;
};

/** The emulator in this process. */
export async function openEmulator({ issuer, ...plan }: Plan, opened: AsyncDisposableStack): Promise<Entra> {
  const emulator = opened.use(await createEmulator({ ...plan, federatedIssuers: [{ issuer }] }));
  return { ...emulator, admin: emulator.admin ?? '', pid: process.pid };
}

const stateSchema = z.object({
  tenants: z.array(z.object({ tid: z.string(), domain: z.string() })),
  apps: z.array(z.object({ name: z.string(), appId: z.string() })),
  users: z.array(z.object({ upn: z.string(), oid: z.string() })),
});

/** The emulator as it is shipped, in a process of its own: under load it must not share ours. */
export async function startEmulator(
  { stateDir, signing, issuer, seed, frontendOrigin }: Plan,
  { entra, entraBrowser, entraAdmin }: EntraPorts,
  env: Environment,
  programs: Programs,
): Promise<Entra> {
  const origin = `https://localhost:${entra}`;
  // Another site than web-frontend's localhost, as Entra ID is in production.
  const browserOrigin = `http://127.0.0.1:${entraBrowser}`;
  const admin = `http://127.0.0.1:${entraAdmin}`;
  const child = await programs.start({
    room: 'entra-emulator',
    env: {
      ...common,
      ...{ HTTPS_PORT: `${entra}`, HTTP_PORT: `${entraBrowser}`, ADMIN_PORT: `${entraAdmin}` },
      ...{ BROWSER_ORIGIN: browserOrigin, STATE_DIR: stateDir, SIGNING: signing, FRONTEND_ORIGIN: frontendOrigin },
      SEED_FILE: await mountJson(`${stateDir}-seed`, 'seed.json', seed),
      FEDERATED_ISSUERS: JSON.stringify([{ issuer }]),
      ...env,
    },
    readyUrl: `${browserOrigin}/readyz`,
    detail: `${origin}, its pages on ${browserOrigin}`,
  });
  const response = await fetch(`${admin}/state`, { signal: AbortSignal.timeout(5_000) });
  const { tenants, apps, users } = stateSchema.parse(await response.json());
  const ids = {
    tenants: Object.fromEntries(tenants.map(({ domain, tid }) => [domain.split('.')[0], tid])),
    apps: Object.fromEntries(apps.map(({ name, appId }) => [name, appId])),
    users: Object.fromEntries(users.map(({ upn, oid }) => [upn.split('@')[0], oid])),
  } as Ids;
  const caPem = await readFile(join(stateDir, 'ca.pem'), 'utf8');
  return { origin, browserOrigin, admin, ids, caPem, clientCertificates: {}, pid: child.process.pid ?? 0 };
}
