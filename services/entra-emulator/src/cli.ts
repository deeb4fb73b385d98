#!/usr/bin/env node
import { aborted, run } from '@onbehalf/chassis/life/run';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { help, inOptions, readArguments } from './command-line/arguments.ts';
import { introduce } from './command-line/introduce.ts';
import { type Config, readConfig } from './config.ts';
import { openConfigured } from './configured.ts';

function configOf(env: Record<string, string>): Config {
  try {
    return readConfig({ LOG_LEVEL: 'warn', ...process.env, ...env });
  } catch (error) {
    throw error instanceof ConfigError ? new ConfigError(inOptions(error.message, env)) : error;
  }
}

await run(async (signal) => {
  const given = readArguments(process.argv.slice(2));
  if (given.help) return console.log(help);
  const config = configOf(given.env);
  const logger = createLogger({ level: config.log.level, service: 'entra-emulator' });
  await using emulator = await openConfigured(config, logger);
  console.log(introduce(emulator, config.emulator.stateDir));
  await aborted(signal);
});
