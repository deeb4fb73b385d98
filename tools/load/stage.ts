import { join } from 'node:path';
import { apiScope } from '../../services/load-generator/src/target/oauth.ts';
import { type Stage, type StageOptions, spansMs } from '../../services/load-generator/src/target/stage.ts';
import { createViewer, type Viewer } from '../../services/trace-viewer/src/viewer.ts';
import { startMcpServers } from '../../test/kit/mcp-servers.ts';
import { openRelay } from '../../test/kit/relay.ts';
import { openSystem } from '../../test/kit/system/open.ts';

/** Traces are made of what the generator asks to be traced, and of nothing else. */
const traced = (viewer: Viewer) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: viewer.url,
  OTEL_TRACES_SAMPLER: 'parentbased_always_off',
  OTEL_BSP_SCHEDULE_DELAY: String(spansMs),
  OTEL_METRICS_EXPORTER: 'none',
  METRICS_ENABLED: 'true',
});

/** Load is as quick as the machine, and all the people of a load test have one address. */
const unlimited = {
  broker: { LOG_LEVEL: 'info', CALLERS_RATE: '100000', SESSION_RATE: '100000' },
  web: { PUBLIC_RATE_PER_SECOND: '100000', PUBLIC_RATE_BURST: '100000' },
};

/** Opens a stage on this machine: a system, and a viewer in this process for its traces. Disposing ends all of it. */
export async function openStage(options: StageOptions): Promise<Stage> {
  const { name, brokers, users: people, env = {}, relayed = false, front: frontend = false, say } = options;
  await using opened = new AsyncDisposableStack();
  const viewer = opened.use(await createViewer({ capacity: 40_000 }));
  say('starting Redis, the emulator and the services');
  const system = opened.use(
    await openSystem({
      ...{ name: join('load', name), brokers, frontend, people, relayed, emulator: 'apart', signing: 'load' },
      env: {
        broker: { ...unlimited.broker, ...traced(viewer), ...env },
        web: { ...unlimited.web, ...traced(viewer) },
        api: traced(viewer),
        emulator: { LOG_LEVEL: 'warn' },
      },
    }),
  );
  const mcp = options.mcp ? await startMcpServers(system, options.mcp, 'http://localhost/mcp') : [];
  const mounted = new Map<string, string>();
  for (const client of ['web', 'api', 'job'])
    mounted.set(
      client,
      await system.cluster.mountToken({ namespace: 'onbehalf', name: client, audience: 'token-broker' }),
    );
  const addresses = () => system.brokers.map(({ port }) => ({ host: '127.0.0.1', port }));
  const owned = opened.move();
  return Object.assign(system, {
    ...{ prefix: system.redisPrefix, relay: relayed ? system.relays.redis : undefined, scope: apiScope, say },
    mcp: mcp.map((port) => `http://127.0.0.1:${port}`),
    emulatorPid: system.emulator.pid,
    spans: (traceId: string) => viewer.spans(traceId),
    async openService() {
      const service = owned.use(await openRelay(...addresses()));
      return { url: `http://127.0.0.1:${service.port}`, follow: () => service.aim(...addresses()) };
    },
    assertionFile: (client: string) => mounted.get(client) ?? '',
    async slowEntra(leastMs: number, mostMs: number) {
      await system.admin('PUT', '/faults', [
        { match: { path: '/token' }, delayMs: leastMs, jitterMs: mostMs - leastMs },
      ]);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  });
}
