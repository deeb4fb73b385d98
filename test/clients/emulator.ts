import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createEmulator, type Emulator } from '../../services/entra-emulator/src/emulator.ts';
import { openCluster } from '../kit/cluster.ts';
import { openForwardProxy } from '../kit/forward-proxy.ts';
import { freePort } from '../kit/ports.ts';

/** An emulator that answers for Alice, and where a program finds it and what it may need. */
export type EmulatorPlace = { emulator: Emulator; env: Record<string, string> };

/** A name with no port, as Entra's is: behind a proxy, since 443 is not everybody's. */
const name = 'login.emulator.test';

/** Opens an emulator with its files in this directory, in `opened`; `named`: under a name, which Java finds by a proxy. */
export async function openEmulator(
  directory: string,
  opened: AsyncDisposableStack,
  { named = false } = {},
): Promise<EmulatorPlace> {
  const cluster = opened.use(await openCluster(join(directory, 'accounts')));
  const federatedIssuers = [{ issuer: cluster.issuer }];
  const httpsPort = await freePort();
  const origin = named ? { origin: `https://${name}:443`, tlsNames: [name] } : {};
  const emulator = opened.use(await createEmulator({ stateDir: directory, federatedIssuers, httpsPort, ...origin }));
  await change(emulator, '/interaction', { mode: 'auto', user: 'alice@contoso.test' });
  await change(emulator, '/lifetimes', { deviceInterval: 1 });
  const account = { namespace: 'onbehalf', name: 'token-broker', audience: 'api://AzureADTokenExchange' };
  const federatedFile = join(directory, 'federated.jwt');
  await writeFile(federatedFile, await cluster.mint(account));
  const { apps, tenants, users } = emulator.ids;
  const claims = { aud: apps.api, azp: apps.web, oid: users.alice, scp: 'access_as_user', sid: randomUUID() };
  const { token } = (await change(emulator, '/mint', { claims }, 'POST')) as { token: string };
  const userTokenFile = join(directory, 'user.jwt');
  await writeFile(userTokenFile, token);
  const forAgents = { aud: apps.agents, azp: apps.web, oid: users.alice, scp: 'access_agent', sid: randomUUID() };
  const agentToken = (await change(emulator, '/mint', { claims: forAgents }, 'POST')) as { token: string };
  const agentTokenFile = join(directory, 'agents.jwt');
  await writeFile(agentTokenFile, agentToken.token);
  const ca = join(directory, 'ca.pem');
  const proxy = named && opened.use(await openForwardProxy({ [`${name}:443`]: `127.0.0.1:${httpsPort}` }));
  const proxied = proxy && new URL(proxy.url);
  return {
    emulator,
    env: {
      ...{
        ORIGIN: emulator.origin,
        BROWSER_ORIGIN: emulator.browserOrigin,
        ADMIN: emulator.admin ?? '',
        TENANT: tenants.contoso,
      },
      ...{ WEB: apps.web, API: apps.api, JOB: apps.job, CLI: apps.cli ?? '' },
      ...{ WEB_KEY_FILE: join(directory, 'web.key'), WEB_CERT_FILE: join(directory, 'web.pem') },
      ...{ FEDERATED_FILE: federatedFile, USER_TOKEN_FILE: userTokenFile },
      ...{ BLUEPRINT: apps.agents ?? '', AGENT: apps.scout ?? '', SECOND_AGENT: apps.clerk ?? '' },
      ...{ OTHER_AGENT: apps.stranger ?? '', AGENT_USER: users.scout ?? '', AGENT_TOKEN_FILE: agentTokenFile },
      // The CA's file, as Python's requests, Go and Node look for it.
      ...{ REQUESTS_CA_BUNDLE: ca, SSL_CERT_FILE: ca, CA_FILE: ca, NODE_EXTRA_CA_CERTS: ca },
      ...(proxied && {
        JAVA_TOOL_OPTIONS: `-Dhttps.proxyHost=${proxied.hostname} -Dhttps.proxyPort=${proxied.port}`,
      }),
    },
  };
}

/** A call of the emulator's admin API; its answer's JSON. */
export async function change(emulator: Emulator, path: string, body: object, method = 'PUT'): Promise<unknown> {
  const init = { method, body: JSON.stringify(body), signal: AbortSignal.timeout(5_000) };
  const response = await fetch(`${emulator.admin}${path}`, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}
