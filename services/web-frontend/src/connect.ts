import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { createHttpClient, type Fetch } from '@onbehalf/node/core/http-client';
import { tellOutages } from '@onbehalf/node/core/outages';
import { Broker } from '@onbehalf/node/web/broker/broker';
import { OidcClient } from '@onbehalf/node/web/sign-in/oidc';
import type { Config } from './config.ts';

type ConnectOptions = {
  config: Pick<Config, 'publicBaseUrl' | 'entra' | 'broker'>;
  assertion: () => Promise<string>;
  logger: Logger;
  fetch?: Fetch;
  /** For pauses only, so by default a clock that is never put back: the wall's would prolong them by as much. */
  nowMs?: () => number;
};

/**
 * The two programs that the service calls. Nothing is opened; a first look at Entra's metadata is begun, so that the
 * first person does not wait for it, and later calls repeat it if it fails.
 */
export function connect(options: ConnectOptions) {
  const { config, assertion, logger, fetch = globalThis.fetch, nowMs = () => performance.now() } = options;
  const http = tellOutages('token-broker', logger, createHttpClient({ fetch, nowMs }));
  const broker = new Broker({ url: config.broker.url, http, assertion });
  const entra = new OidcClient({
    ...config.entra,
    redirectUri: `${config.publicBaseUrl}/auth/callback`,
    brokerUrl: config.broker.url,
    http,
    fetch,
    assertion,
    logger,
    nowMs,
  });
  entra.configured.get().catch(() => undefined);
  return { broker, entra };
}
