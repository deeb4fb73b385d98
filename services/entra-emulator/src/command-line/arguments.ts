import { parseArgs } from 'node:util';
import { ConfigError } from '@onbehalf/node/core/config-error';

/** What `--help` prints. */
export const help = `entra-emulator: a stand-in for Microsoft Entra ID on this machine. It signs anyone in: for development and tests only.

  npx @onbehalf/entra-emulator [options]

  --port <n>         https: issuer, tokens, keys, Graph (9443; 0 takes a free one)
  --http-port <n>    the same for browsers, without a certificate (9440)
  --admin-port <n>   the admin API, which scripts faults and moves the clock (9444; off)
  --redirect <uri>   one more redirect URI of the app "web"; any port of http://localhost is the same. May be repeated
  --seed <file>      people and apps of your own, JSON in the shape of the package's seed.json
  --state-dir <dir>  where ca.pem, which clients must trust, is kept (.cache/entra-emulator)
  --log-level <l>    a JSON line for each request from info on (warn)
  --help             this

Every setting of the README may be given as an environment variable too; an option wins.`;

/** The options, and the environment variable that each is. */
const variables = {
  port: 'HTTPS_PORT',
  'http-port': 'HTTP_PORT',
  'admin-port': 'ADMIN_PORT',
  redirect: 'REDIRECT_URIS',
  seed: 'SEED_FILE',
  'state-dir': 'STATE_DIR',
  'log-level': 'LOG_LEVEL',
} as const;

const options = {
  ...Object.fromEntries(Object.keys(variables).map((name) => [name, { type: 'string' as const }])),
  redirect: { type: 'string', multiple: true },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Reads the command line: whether help is wanted, and the environment that it stands for. @throws ConfigError for an unknown option. */
export function readArguments(args: string[]): { help: boolean; env: Record<string, string> } {
  const values = parse(args);
  const given = Object.entries(variables).flatMap(([name, variable]) => {
    const value = values[name];
    return value === undefined ? [] : [[variable, String(value)]];
  });
  return { help: values.help === true, env: Object.fromEntries(given) };
}

/** A fault of the configuration in the words of the command line, for the settings that came from there. */
export function inOptions(message: string, env: Record<string, string>): string {
  const given = Object.entries(variables).filter(([, variable]) => variable in env);
  return given.reduce((text, [name, variable]) => text.replace(` ${variable}`, ` --${name}`), message);
}

function parse(args: string[]): Record<string, unknown> {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new ConfigError(`${(error as Error).message}\nentra-emulator --help tells the options.`);
  }
}
