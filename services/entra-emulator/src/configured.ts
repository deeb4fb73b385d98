import { readFile } from 'node:fs/promises';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { parseJsonConfig } from '@onbehalf/node/core/parse-config';
import type { Config } from './config.ts';
import { ownSeed } from './directory/own-seed.ts';
import { type Seed, seedSchema } from './directory/seed.ts';
import { createEmulator, type Emulator } from './emulator.ts';

/** Opens the emulator as its configuration says. @throws ConfigError for a file or a port that cannot be used. */
export async function openConfigured(config: Config, logger: Logger): Promise<Emulator> {
  const { emulator, tlsFiles, seedFile, redirectUris } = config;
  const cert = tlsFiles && (await read(tlsFiles.cert));
  const tls = tlsFiles &&
    cert && { cert, key: await read(tlsFiles.key), ca: tlsFiles.ca ? await read(tlsFiles.ca) : cert };
  const seed = ownSeed({ redirectUris, ...(seedFile && { seed: await readSeed(seedFile) }) });
  try {
    return await createEmulator({ ...emulator, seed, tls: tls || undefined, logger });
  } catch (error) {
    const { code, port } = error as NodeJS.ErrnoException & { port?: number };
    if (code === 'EADDRINUSE') throw new ConfigError(`Port ${port} is taken.`);
    throw error;
  }
}

async function readSeed(path: string): Promise<Seed> {
  return parseJsonConfig(seedSchema, await read(path), `seed file ${path}`);
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}.`);
  }
}
