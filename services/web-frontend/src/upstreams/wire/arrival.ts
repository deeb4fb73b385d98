import type { IncomingMessage } from 'node:http';
import type { Log } from '@onbehalf/node/core/log';
import { createClientAddress } from '@onbehalf/node/web/network/client-network';
import { locationOf } from '@onbehalf/node/web/session/location';

/** Where a request came to, and from whom, as an upstream is told: never what the browser says of it. */
export type Arrival = { host: string; proto: string; client: string };

type ArrivalsDeps = { trustedProxies: readonly string[]; logger: Log };

export function createArrivals({ trustedProxies, logger }: ArrivalsDeps) {
  const clientOf = createClientAddress(trustedProxies, logger);
  return (req: IncomingMessage): Arrival => {
    const { host, origin } = locationOf(req);
    return { host, proto: origin.slice(0, origin.indexOf(':')), client: clientOf(req)?.address ?? 'unknown' };
  };
}
