import { join } from 'node:path';
import { DockerComposeEnvironment, Wait } from 'testcontainers';
import { freePort } from '../kit/ports.ts';
import type { System } from '../kit/system/system.ts';
import { Visitor } from '../kit/visitor.ts';
import type { Bases } from './build.ts';
import { provideCompose } from './compose.ts';
import type { Engine } from './engine.ts';

/** The demo in containers: as much of a system as a journey needs. */
export type Demo = AsyncDisposable & { system: System; webPort: number; project: string };

/** `docker compose up` of docker/compose.yaml, with further files over it, on free ports. */
export async function openDemo(engine: Engine, bases: Bases, project: string, ...overrides: string[]): Promise<Demo> {
  // The library reads these: which engine, and that no helper image may be pulled for cleaning up.
  Object.assign(process.env, {
    DOCKER_HOST: engine.host,
    TESTCONTAINERS_RYUK_DISABLED: 'true',
    TESTCONTAINERS_HOST_OVERRIDE: 'localhost',
  });
  const [webPort, entraPort, viewerPort] = [await freePort(), await freePort(), await freePort()];
  const directory = join(import.meta.dirname, '../../docker');
  const environment = await new DockerComposeEnvironment(directory, ['compose.yaml', ...overrides])
    .withProjectName(project)
    .withClientOptions({ executable: { executablePath: await provideCompose(), standalone: true } })
    .withEnvironment({
      PATH: process.env.PATH ?? '',
      DOCKER_HOST: engine.host,
      REDIS_IMAGE: bases.redis,
      REDIS_COMMAND: process.env.REDIS_COMMAND ?? 'redis-server',
      WEB_PORT: String(webPort),
      ENTRA_PORT: String(entraPort),
      VIEWER_PORT: String(viewerPort),
    })
    .withDefaultWaitStrategy(Wait.forHealthCheck())
    .withWaitStrategy('valkey-1', Wait.forLogMessage(/Ready to accept connections/))
    .up();
  const system = {
    web: `http://localhost:${webPort}`,
    emulator: { browserOrigin: `http://127.0.0.1:${entraPort}` },
    visitor: () => new Visitor(),
  } as Pick<System, 'web' | 'emulator' | 'visitor'> as System;
  return {
    system,
    webPort,
    project,
    async [Symbol.asyncDispose]() {
      await environment.down({ removeVolumes: true });
    },
  };
}
