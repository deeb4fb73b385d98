import { join } from 'node:path';
import { answers, startChild } from '../../test/kit/child.ts';
import { apiScope, type Fleet } from '../../test/kit/fleet.ts';
import { mountJson, mountKeyRing } from '../../test/kit/mounts.ts';
import { freePort } from '../../test/kit/ports.ts';
import { openRelay } from '../../test/kit/relay.ts';

/** What a fleet has to know of a frontend on that port: its redirect URIs, at Entra and at the broker. */
export function withFrontend(port: number) {
  const callback = `http://localhost:${port}/auth/callback`;
  const added = (app: { name: string; redirectUris?: string[] }) =>
    app.name === 'web' ? { ...app, redirectUris: [...(app.redirectUris ?? []), callback] } : app;
  return {
    seed: <S extends { apps: { name: string; redirectUris?: string[] }[] }>(usual: S) => ({
      ...usual,
      apps: usual.apps.map(added),
    }),
    clients: <C extends { web: { redirectUris: string[] } }>(usual: C) => ({
      ...usual,
      web: { ...usual.web, redirectUris: [...usual.web.redirectUris, callback] },
    }),
  };
}

/** Starts web-frontend and downstream-api before a fleet's brokers, which they find in turn as behind a Service. */
export async function openFront(
  { brokers, emulator, stateDir }: Fleet,
  port: number,
  assertionFile: (client: string) => string,
  traced: Record<string, string>,
) {
  await using opened = new AsyncDisposableStack();
  const relay = opened.use(
    await openRelay(...brokers.map(({ url }) => ({ host: '127.0.0.1', port: Number(new URL(url).port) }))),
  );
  const origin = `http://localhost:${port}`;
  const apiPort = await freePort();
  const { tenants, apps } = emulator.ids;
  const shared = {
    ...traced,
    ...{ PATH: process.env.PATH ?? '', NODE_EXTRA_CA_CERTS: join(stateDir, 'emulator', 'ca.pem') },
    ...{ BIND_ADDRESS: '127.0.0.1', SHUTDOWN_DELAY_MS: '0', DRAIN_MS: '2000', ENTRA_AUTHORITY_HOST: emulator.origin },
    BROKER_URL: `http://127.0.0.1:${relay.port}`,
  };
  const start = async (room: string, env: Record<string, string>) => {
    const adminPort = await freePort();
    const child = await startChild({
      ...{ name: room, command: process.execPath, args: [`services/${room}/src/main.ts`], withinMs: 30_000 },
      env: { ...shared, ...env, ADMIN_PORT: String(adminPort) },
      logFile: join('out', 'load', 'front', `${room}.log`),
      ready: () => answers(`http://127.0.0.1:${adminPort}/readyz`),
    });
    opened.use(child);
  };
  const apisFile = await mountJson(stateDir, 'apis.json', {
    'downstream-api': { url: `http://127.0.0.1:${apiPort}`, scopes: [apiScope] },
  });
  await start('downstream-api', {
    ...{ HTTP_PORT: String(apiPort), ENTRA_AUDIENCE: apps.api, ENTRA_TENANTS: tenants.contoso },
    ...{
      ENTRA_ALLOWED_CLIENTS: apps.web,
      BROKER_ASSERTION_FILE: assertionFile('api'),
      GRAPH_BASE_URL: emulator.origin,
    },
  });
  await start('web-frontend', {
    ...{
      HTTP_PORT: String(port),
      PUBLIC_BASE_URL: origin,
      ENTRA_TENANT_ID: tenants.contoso,
      ENTRA_CLIENT_ID: apps.web,
    },
    ...{ BROKER_ASSERTION_FILE: assertionFile('web'), APIS_FILE: apisFile },
    SESSION_KEYS_DIR: await mountKeyRing(join(stateDir, 'session-keys')),
    // All the people of a load test have one address.
    ...{ PUBLIC_RATE_PER_SECOND: '100000', PUBLIC_RATE_BURST: '100000' },
  });
  const owned = opened.move();
  return { origin, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
