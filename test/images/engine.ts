import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The network that builds have; the machine's own unless `BUILD_NETWORK` says another. */
export const buildNetwork = process.env.BUILD_NETWORK ?? 'host';

export type Engine = AsyncDisposable & {
  /** DOCKER_HOST of this engine. */
  host: string;
  /** The path of its client. */
  client: string;
  /** Runs the engine's client; stdout. @throws Error with both outputs if it fails. */
  docker(...args: string[]): Promise<string>;
};

/**
 * A Docker engine: the one that answers, else a `dockerd` of our own, which needs root and ends with us.
 * @throws Error saying what is missing.
 */
export async function openEngine(): Promise<Engine> {
  const given = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
  if (await answers(given)) return engine(given, async () => {});
  const directory = await mkdtemp(join(tmpdir(), 'onbehalf-engine-'));
  const host = `unix://${directory}/docker.sock`;
  const daemon = spawn(
    'dockerd',
    [
      '--host',
      host,
      '--data-root',
      `${directory}/data`,
      '--exec-root',
      `${directory}/exec`,
      '--pidfile',
      `${directory}/pid`,
    ],
    { stdio: 'ignore' },
  );
  const failed = new Promise<never>((_, reject) => {
    daemon.once('error', () => reject(new Error('no Docker engine answers and there is no dockerd to start')));
    daemon.once('exit', (code) => reject(new Error(`dockerd ended with ${code}: it needs root`)));
  });
  const ended = new Promise<void>((resolve) => daemon.once('exit', () => resolve()));
  await Promise.race([failed, untilAnswers(host)]);
  failed.catch(() => {});
  return engine(host, async () => {
    daemon.kill('SIGTERM');
    await ended;
    await rm(directory, { recursive: true, force: true });
  });
}

function engine(host: string, close: () => Promise<void>): Engine {
  // The engine's own client: one without buildx would fall back to the builder that knows no secrets.
  const client = process.env.DOCKER ?? '/usr/bin/docker';
  const env = { ...process.env, DOCKER_HOST: host, DOCKER_BUILDKIT: '1', BUILDKIT_PROGRESS: 'plain' };
  return {
    host,
    client,
    async docker(...args) {
      const { stdout } = await run(client, args, { env, timeout: 600_000, maxBuffer: 64 << 20 });
      return stdout.trim();
    },
    [Symbol.asyncDispose]: close,
  };
}

async function answers(host: string): Promise<boolean> {
  return run('docker', ['info'], { env: { ...process.env, DOCKER_HOST: host }, timeout: 10_000 }).then(
    () => true,
    () => false,
  );
}

async function untilAnswers(host: string): Promise<void> {
  for (let left = 60; left > 0; left--) {
    if (await answers(host)) return;
    await delay(500);
  }
  throw new Error('dockerd does not answer');
}
