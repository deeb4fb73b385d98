import { commonConfig, commonEnvironment, words } from '@onbehalf/chassis/config/config';
import { baseUrl, secureOrigin } from '@onbehalf/node/core/address';
import { authorityHost, cloudOf, guid } from '@onbehalf/node/core/keys/authority';
import { parseConfig } from '@onbehalf/node/core/parse-config';
import { z } from 'zod';

/** Every environment key of this service; the chart's are compared with it. */
export const environment = z.object({
  ...commonEnvironment,
  /** The cloud, or an external tenant. */
  ENTRA_AUTHORITY_HOST: authorityHost.default('https://login.microsoftonline.com'),
  /** This API's client id: the audience of its tokens. */
  ENTRA_AUDIENCE: guid,
  /** The tenants whose tokens are accepted. */
  ENTRA_TENANTS: words.pipe(z.array(guid)),
  /** The clients that may call; unset means every client of those tenants, and blank means nothing: it is refused. */
  ENTRA_ALLOWED_CLIENTS: words.pipe(z.array(guid)).default([]),
  /** Where the token-broker is. */
  BROKER_URL: baseUrl,
  /** A file with this pod's ServiceAccount token for the broker; read again when it changes. */
  BROKER_ASSERTION_FILE: z.string(),
  /** The URL of Microsoft Graph; unless set, the cloud's own. */
  GRAPH_BASE_URL: secureOrigin.optional(),
});

export type Config = ReturnType<typeof readConfig>;

/** @throws ConfigError naming every fault at once. */
export function readConfig(env: Record<string, string | undefined>) {
  const parsed = parseConfig(environment, env, 'environment', ['ENTRA_ALLOWED_CLIENTS']);
  const cloud = cloudOf(parsed.ENTRA_AUTHORITY_HOST);
  return {
    ...commonConfig(parsed),
    entra: {
      authorityHost: parsed.ENTRA_AUTHORITY_HOST,
      audience: parsed.ENTRA_AUDIENCE,
      tenants: parsed.ENTRA_TENANTS,
      allowedClients: parsed.ENTRA_ALLOWED_CLIENTS,
    },
    broker: { url: parsed.BROKER_URL, assertionFile: parsed.BROKER_ASSERTION_FILE },
    graph: { baseUrl: parsed.GRAPH_BASE_URL ?? cloud.graph, scope: `${cloud.graph}/User.Read` },
  };
}
