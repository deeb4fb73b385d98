import { commonConfig, commonEnvironment, flag } from '@onbehalf/chassis/config/config';
import { baseUrl } from '@onbehalf/node/core/address';
import { authorityHost, guid } from '@onbehalf/node/core/keys/authority';
import { parseConfig } from '@onbehalf/node/core/parse-config';
import { z } from 'zod';
import { apiSchema } from './api-options.ts';
import { readList, readSection, type Section } from './sections.ts';

/** The keys of our own; those of Microsoft's sidecar are read by their sections. */
export const environment = z.object({
  ...commonEnvironment,
  /** Where Microsoft's clients look unless told otherwise. */
  HTTP_PORT: commonEnvironment.HTTP_PORT.unwrap().default(5178),
  BROKER_URL: baseUrl,
  /** A file with this pod's ServiceAccount token for the broker; read again when it changes. */
  BROKER_ASSERTION_FILE: z.string(),
});

const slashless = z.string().transform((value) => value.replace(/\/$/, ''));

/** `AzureAd__*`. `ClientCredentials` are not read: the broker has the credentials. */
const azureAd = z.object({
  instance: slashless.default('https://login.microsoftonline.com').pipe(authorityHost),
  tenantid: guid,
  clientid: guid,
  scopes: z
    .unknown()
    .optional()
    .transform((value) => readList(value as string | undefined)),
});

/** `Sidecar__*`, with Microsoft's defaults. */
const sidecar = z.object({
  allowoutboundredirects: lowered(flag).default(false),
  allowoverrides: z
    .object({
      getauthorizationheader: lowered(flag).default(true),
      getauthorizationheaderunauthenticated: lowered(flag).default(false),
      calldownstreamapi: lowered(flag).default(true),
      calldownstreamapiunauthenticated: lowered(flag).default(false),
    })
    .prefault({}),
});

export type Config = ReturnType<typeof readConfig>;

/** @throws ConfigError naming every fault at once. */
export function readConfig(env: Record<string, string | undefined>) {
  const parsed = parseConfig(environment, env);
  const entra = parseConfig(azureAd, { ...readSection(env, 'AzureAd') }, 'AzureAd');
  const own = parseConfig(sidecar, { ...readSection(env, 'Sidecar') }, 'Sidecar');
  const apis = new Map<string, Section>();
  for (const [name, section] of Object.entries(readSection(env, 'DownstreamApis'))) {
    // Judged at the start; each request parses it again, with what it overrides.
    parseConfig(apiSchema, section, `DownstreamApis__${name}`);
    apis.set(name, section as Section);
  }
  const common = commonConfig(parsed);
  return {
    ...common,
    // The contract authenticates no caller, so only this pod may reach it. Probes ask the admin port.
    http: { ...common.http, host: '127.0.0.1' },
    entra: { authorityHost: entra.instance, tenant: entra.tenantid, audience: entra.clientid, scopes: entra.scopes },
    broker: { url: parsed.BROKER_URL, assertion: parsed.BROKER_ASSERTION_FILE },
    apis,
    allowOverrides: own.allowoverrides,
    allowRedirects: own.allowoutboundredirects,
  };
}

/** .NET writes `True`. */
function lowered<S extends z.ZodType<unknown, string>>(schema: S) {
  return z
    .string()
    .transform((value) => value.toLowerCase())
    .pipe(schema);
}
