import { createHttpClient, type Fetch } from '../core/http-client.ts';
import type { Log } from '../core/log.ts';
import { tellOutages } from '../core/outages.ts';
import { Broker } from './broker/broker.ts';
import { OidcClient } from './sign-in/oidc.ts';

type ConnectOptions = {
  config: {
    entra: { authorityHost: string; tenantId: string; clientId: string; responseMode: 'query' | 'form_post' };
    broker: { url: string };
  };
  assertion: () => Promise<string>;
  logger: Log;
  fetch?: Fetch;
  /** For pauses only, so by default a clock that is never put back: the wall's would prolong them by as much. */
  nowMs?: () => number;
};

/**
 * The two programs that signing in calls. Nothing is opened; a first look at Entra's metadata is begun, so that the
 * first person does not wait for it, and later calls repeat it if it fails.
 */
export function connect(options: ConnectOptions) {
  const { config, assertion, logger, fetch = globalThis.fetch, nowMs = () => performance.now() } = options;
  const http = tellOutages('token-broker', logger, createHttpClient({ fetch, nowMs }));
  const broker = new Broker({ url: config.broker.url, http, assertion });
  const entra = new OidcClient({
    ...config.entra,
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
