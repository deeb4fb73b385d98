import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { startChild } from './child.ts';
import { freePort } from './ports.ts';
import type { System } from './system/system.ts';

/**
 * Starts replicas of examples/mcp-server as the API of a system; they end with it. `resource` is their common URL,
 * `viewerUrl` where their spans go. Gives their ports.
 */
export async function startMcpServers(
  system: System,
  replicas: number,
  resource: string,
  viewerUrl?: string,
): Promise<number[]> {
  const traced = viewerUrl && {
    ...{ NODE_OPTIONS: `--import ${resolve('test/kit/system/observed.ts')}`, OTEL_SERVICE_NAME: 'mcp-server' },
    ...{ OTEL_EXPORTER_OTLP_ENDPOINT: viewerUrl, OTEL_BSP_SCHEDULE_DELAY: '200' },
  };
  const assertionFile = join(system.stateDir, 'mcp.jwt');
  await writeFile(
    assertionFile,
    await system.cluster.mint({ namespace: 'onbehalf', name: 'api', audience: 'token-broker' }),
  );
  const ports = await Promise.all(Array.from({ length: replicas }, freePort));
  for (const own of ports) {
    const child = await startChild({
      ...{ name: `mcp-server-${own}`, command: process.execPath, args: ['examples/mcp-server/server.js'] },
      env: {
        ...{ PATH: process.env.PATH ?? '', NODE_EXTRA_CA_CERTS: join(system.stateDir, 'emulator', 'ca.pem') },
        ...{ PORT: `${own}`, MCP_RESOURCE: resource, ENTRA_AUTHORITY_HOST: system.emulator.origin },
        ...{ ENTRA_TENANT_ID: system.emulator.ids.tenants.contoso, ENTRA_AUDIENCE: system.emulator.ids.apps.api },
        ...{ BROKER_URL: system.broker, BROKER_ASSERTION_FILE: assertionFile, GRAPH_BASE_URL: system.emulator.origin },
        ...traced,
      },
      logFile: join(system.logDir, `mcp-server-${own}.log`),
      ready: async () => (await fetch(`http://127.0.0.1:${own}/.well-known/oauth-protected-resource/mcp`)).ok,
    });
    system.use(child);
  }
  return ports;
}
