import { join } from 'node:path';
import { type Bases, prepareBases } from './bases.ts';
import { buildNetwork, type Engine } from './engine.ts';

const root = join(import.meta.dirname, '../..');

export const production = ['web-frontend', 'token-broker', 'downstream-api'] as const;
/** Production's, and what people put beside their own containers. */
export const shipped = [...production, 'sidecar'] as const;
export const development = ['entra-emulator', 'trace-viewer'] as const;
export type { Bases };
export type Service = (typeof shipped)[number] | (typeof development)[number];

/** The image of a service as the compose file names it. */
export const imageOf = (service: Service): string => `onbehalf/${service}:dev`;

/** As Kubernetes runs them: nothing writable but /tmp, no capability. */
export const confined = [
  ...['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--tmpfs', '/tmp:size=64m'],
  ...['--memory', '256m'],
];

/** Builds the services' images from the one Dockerfile, one after the other; gives seconds per service, and the bases. */
export async function buildImages(
  engine: Engine,
  services: readonly Service[],
): Promise<{ bases: Bases; seconds: Map<Service, number> }> {
  const bases = await prepareBases(engine);
  const seconds = new Map<Service, number>();
  for (const service of services) {
    const startedMs = performance.now();
    await build(engine, bases, 'docker/Dockerfile', imageOf(service), ['--build-arg', `SERVICE=${service}`]);
    seconds.set(service, (performance.now() - startedMs) / 1_000);
    console.log(`built ${service} in ${seconds.get(service)?.toFixed(1)} s`);
  }
  return { bases, seconds };
}

/** The load generator's image as the compose file names it. */
export const loadImage = 'onbehalf/load:dev';

export async function buildLoadImage(engine: Engine): Promise<void> {
  await build(engine, await prepareBases(engine), 'docker/load.Dockerfile', loadImage);
}

async function build(engine: Engine, bases: Bases, file: string, image: string, args: string[] = []): Promise<void> {
  const { NODE_EXTRA_CA_CERTS: ca } = process.env;
  await engine.docker(
    ...['build', '--network', buildNetwork, '--file', join(root, file), '--tag', image, ...args],
    ...['--build-arg', `NODE_IMAGE=${bases.node}`, '--build-arg', `RUNTIME_IMAGE=${bases.runtime}`],
    ...['--build-arg', 'VERSION=0.1.0', ...(ca ? ['--secret', `id=ca,src=${ca}`] : [])],
    root,
  );
}
