import { readFile } from 'node:fs/promises';
import { aborted, run } from '@onbehalf/chassis/life/run';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { readConfig } from './config.ts';
import { createEmulator } from './emulator.ts';

await run(async (signal) => {
  const config = readConfig(process.env);
  const logger = createLogger({ level: config.log.level, service: 'entra-emulator' });
  const { tlsFiles, seedFile } = config;
  const read = (path: string) => readFile(path, 'utf8');
  const cert = tlsFiles && (await read(tlsFiles.cert));
  const tls = tlsFiles &&
    cert && { cert, key: await read(tlsFiles.key), ca: tlsFiles.ca ? await read(tlsFiles.ca) : cert };
  const seed: unknown = seedFile ? JSON.parse(await read(seedFile)) : undefined;
  await using emulator = await createEmulator({ ...config.emulator, seed, tls: tls || undefined, logger });
  const { origin, browserOrigin, admin } = emulator;
  const { stateDir } = config.emulator;
  logger.info(
    { event: 'started', origin, browserOrigin, admin, stateDir },
    'a stand-in for Entra ID, for development only',
  );
  await aborted(signal);
});
