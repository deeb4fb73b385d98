import { join } from 'node:path';
import { apiScope } from '../../services/load-generator/src/target/oauth.ts';
import { type Stage, type StageOptions, spansMs } from '../../services/load-generator/src/target/stage.ts';
import { createViewer, type Viewer } from '../../services/trace-viewer/src/viewer.ts';
import { openFleet } from '../../test/kit/fleet.ts';
import { freePort } from '../../test/kit/ports.ts';
import { openRelay } from '../../test/kit/relay.ts';
import { openFront, withFrontend } from './front.ts';

/** Traces are made of what the generator asks to be traced, and of nothing else. */
const traced = (viewer: Viewer) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: viewer.url,
  OTEL_TRACES_SAMPLER: 'parentbased_always_off',
  OTEL_BSP_SCHEDULE_DELAY: String(spansMs),
  OTEL_METRICS_EXPORTER: 'none',
  METRICS_ENABLED: 'true',
});

/** Opens a stage on this machine: a fleet, and a viewer in this process for its traces. Disposing ends all of it. */
export async function openStage({
  name,
  brokers,
  users,
  env = {},
  relayed = false,
  front = false,
  say,
}: StageOptions): Promise<Stage> {
  await using opened = new AsyncDisposableStack();
  const viewer = opened.use(await createViewer({ capacity: 40_000 }));
  say('starting Redis, the emulator and the services');
  const webPort = front ? await freePort() : undefined;
  const fleet = opened.use(
    await openFleet({
      ...{ name: join('load', name), brokers, people: users, relayed, emulatorApart: true },
      env: { LOG_LEVEL: 'info', ...traced(viewer), ...env },
      ...(webPort && withFrontend(webPort)),
    }),
  );
  const mounted = new Map<string, string>();
  for (const client of ['web', 'api', 'job'])
    mounted.set(
      client,
      await fleet.cluster.mountToken({ namespace: 'onbehalf', name: client, audience: 'token-broker' }),
    );
  const web = webPort
    ? opened.use(await openFront(fleet, webPort, (client) => mounted.get(client) ?? '', traced(viewer)))
    : undefined;
  const addresses = () => fleet.brokers.map(({ url }) => ({ host: '127.0.0.1', port: Number(new URL(url).port) }));
  const owned = opened.move();
  return {
    ...fleet,
    ...{ spans: (traceId) => viewer.spans(traceId), web: web?.origin, scope: apiScope, say },
    async openService() {
      const service = owned.use(await openRelay(...addresses()));
      return { url: `http://127.0.0.1:${service.port}`, follow: () => service.aim(...addresses()) };
    },
    assertionFile: (client) => mounted.get(client) ?? '',
    async slowEntra(leastMs, mostMs) {
      await fleet.admin('PUT', '/faults', [
        { match: { path: '/token' }, delayMs: leastMs, jitterMs: mostMs - leastMs },
      ]);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
