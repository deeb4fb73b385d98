import { commonConfig, commonEnvironment, words } from '@onbehalf/chassis/config/config';
import { baseUrl } from '@onbehalf/node/core/address';
import { authorityHost, guid } from '@onbehalf/node/core/keys/authority';
import { parseConfig } from '@onbehalf/node/core/parse-config';
import { z } from 'zod';
import { apiSchema, dotNetFlag } from './api-options.ts';
import { toSection } from './sections.ts';

/** The keys of our own; those of Microsoft's sidecar are read by their sections. */
export const environment = z.object({
  ...commonEnvironment,
  /** Where Microsoft's clients look unless told otherwise. */
  HTTP_PORT: commonEnvironment.HTTP_PORT.unwrap().default(5178),
  /** Where the token-broker is. */
  BROKER_URL: baseUrl,
  /** A file with this pod's ServiceAccount token for the broker; read again when it changes. */
  BROKER_ASSERTION_FILE: z.string(),
});

const on = dotNetFlag.default(true);
const off = dotNetFlag.default(false);

/** The sections that Microsoft's sidecar has, with its defaults. Of `AzureAd` no credentials: the broker has them. */
const sections = {
  azuread: z.object({
    instance: authorityHost.default('https://login.microsoftonline.com'),
    tenantid: guid,
    clientid: guid,
    scopes: words.default([]),
  }),
  downstreamapis: z.record(z.string(), apiSchema).default({}),
  sidecar: z
    .object({
      allowoutboundredirects: off,
      allowoverrides: z
        .object({
          getauthorizationheader: on,
          getauthorizationheaderunauthenticated: off,
          calldownstreamapi: on,
          calldownstreamapiunauthenticated: off,
        })
        .prefault({}),
    })
    .prefault({}),
};

export type Config = ReturnType<typeof readConfig>;

/** @throws ConfigError naming every fault at once. */
export function readConfig(env: Record<string, string | undefined>) {
  const schema = environment.extend(sections);
  const read = { ...env, ...toSection(Object.entries(env), '__') };
  const parsed = parseConfig(schema, read, 'environment', [], (path) => path.replaceAll('.', '__'));
  const { instance, tenantid, clientid, scopes } = parsed.azuread;
  const common = commonConfig(parsed);
  return {
    ...common,
    // The contract authenticates no caller, so only this pod may reach it. Probes ask the admin port.
    http: { ...common.http, host: '127.0.0.1' },
    entra: { authorityHost: instance, tenant: tenantid, audience: clientid, scopes },
    broker: { url: parsed.BROKER_URL, assertion: parsed.BROKER_ASSERTION_FILE },
    apis: new Map(Object.entries(parsed.downstreamapis)),
    allowOverrides: parsed.sidecar.allowoverrides,
    allowRedirects: parsed.sidecar.allowoutboundredirects,
  };
}
