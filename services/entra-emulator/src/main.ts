import { aborted, run } from '@onbehalf/chassis/life/run';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { readConfig } from './config.ts';
import { openConfigured } from './configured.ts';

await run(async (signal) => {
  const config = readConfig(process.env);
  const logger = createLogger({ level: config.log.level, service: 'entra-emulator' });
  await using emulator = await openConfigured(config, logger);
  const { origin, browserOrigin, admin } = emulator;
  const { stateDir } = config.emulator;
  logger.info(
    { event: 'started', origin, browserOrigin, admin, stateDir },
    'a stand-in for Entra ID, for development only',
  );
  await aborted(signal);
});
