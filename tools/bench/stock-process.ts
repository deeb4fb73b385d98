import { join } from 'node:path';
import { apiScope } from '../../services/load-generator/src/target/oauth.ts';
import { startChild } from '../../test/kit/child.ts';
import { freePort } from '../../test/kit/ports.ts';
import type { System } from '../../test/kit/system/system.ts';
import { type Assertions, forms, toRequest } from './requests.ts';
import type { StockSetup } from './servers/stock.ts';
import type { Subject } from './slices.ts';

/** Starts stock MSAL Node over the system's Redis, and signs a person in there; with and without the check of its caller. */
export async function startStock(
  system: System,
  assertions: Assertions,
  stack: AsyncDisposableStack,
): Promise<Subject[]> {
  const { redis, emulator, cluster, stateDir } = system;
  const port = await freePort();
  const setup: StockSetup = {
    port,
    authority: `${emulator.origin}/${emulator.ids.tenants.contoso}`,
    clientId: emulator.ids.apps.web,
    clientSecret: 'web-secret',
    redis: { host: redis.host, port: redis.port, password: redis.password },
    callers: { issuer: cluster.issuer, jwksUri: cluster.jwksUri, audience: 'token-broker' },
  };
  const origin = `http://127.0.0.1:${port}`;
  const child = stack.use(
    await startChild({
      name: 'stock',
      command: process.execPath,
      args: ['tools/bench/servers/stock.ts'],
      env: { PATH: process.env.PATH ?? '', NODE_EXTRA_CA_CERTS: join(stateDir, 'emulator', 'ca.pem') },
      input: JSON.stringify(setup),
      logFile: 'out/bench/stock.log',
      ready: async () => (await fetch(origin)).status === 404,
    }),
  );
  const { fields } = await system.startSignIn('bob');
  const body = new URLSearchParams({ ...fields, scope: apiScope });
  const signedIn = await fetch(`${origin}/sign-in`, { method: 'POST', body });
  const { subject_token } = (await signedIn.json()) as { subject_token: string };
  const exchange = toRequest(origin, forms.exchange(subject_token), assertions);
  const subject = (name: string, path: string): Subject => ({
    ...{ name, pid: child.process.pid ?? 0 },
    requests: [{ ...exchange, path }],
  });
  return [subject('stock', '/oauth2/token'), subject('stock, no caller check', '/oauth2/token?check=off')];
}
