import { join } from 'node:path';
import { createViewer, type Viewer } from '../../services/trace-viewer/src/viewer.ts';
import { apiScope, type Fleet, openFleet } from '../kit/fleet.ts';
import { freePort } from '../kit/ports.ts';
import { openFront, withFrontend } from './front.ts';

export type StageOptions = {
  name: string;
  brokers: number;
  /** How many people the emulator knows. */
  users: number;
  env?: Record<string, string>;
  relayed?: boolean;
  /** Starts web-frontend and downstream-api before the brokers as well. */
  front?: boolean;
  say: (doing: string) => void;
};

/** A fleet whose every part is a process of its own, and where its traces go: this process. */
export type Stage = Fleet & {
  viewer: Viewer;
  /** web-frontend's origin, where it was asked for. */
  web: string | undefined;
  /** The scope that people's tokens are for. */
  scope: string;
  say: (doing: string) => void;
  /** Closes it with the stage. */
  use<T extends AsyncDisposable>(resource: T): T;
  /** A client's ServiceAccount token, renewed in place. */
  assertionFile(client: string): string;
  /** From now on Entra takes so long for a token, evenly between `least` and `most`. */
  slowEntra(leastMs: number, mostMs: number): Promise<void>;
};

/** Entra as the scenarios have it: 150 ms, give or take 30. */
export const entraMs = { least: 120, most: 180 };

/** So long a service gathers spans before it sends them. */
export const spansMs = 200;

/** Traces are made of what the generator asks to be traced, and of nothing else. */
const traced = (viewer: Viewer) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: viewer.url,
  OTEL_TRACES_SAMPLER: 'parentbased_always_off',
  OTEL_BSP_SCHEDULE_DELAY: String(spansMs),
  OTEL_METRICS_EXPORTER: 'none',
  METRICS_ENABLED: 'true',
});

/** Opens a stage; disposing ends every process of it. */
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
  const owned = opened.move();
  return {
    ...fleet,
    ...{ viewer, web: web?.origin, scope: apiScope, say },
    use: (resource) => owned.use(resource),
    assertionFile: (client) => mounted.get(client) ?? '',
    async slowEntra(leastMs, mostMs) {
      await fleet.admin('PUT', '/faults', [
        { match: { path: '/token' }, delayMs: leastMs, jitterMs: mostMs - leastMs },
      ]);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
