import { readFile } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import { parseJsonConfig } from '@onbehalf/node/core/parse-config';
import type { Config } from '../../config.ts';
import { type Upstream, upstreamsSchema } from './upstreams-file.ts';

/** What stands in `UPSTREAMS_FILE`; nothing where there is none. @throws ConfigError as `parseJsonConfig`. */
export async function readUpstreams(
  { upstreamsFile, locations, http, admin, verifyPort, broker }: Config,
  apis: readonly string[],
): Promise<Upstream[]> {
  if (upstreamsFile === undefined) return [];
  const addresses = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
  const own = {
    hosts: [hostname().toLowerCase(), ...addresses],
    ports: [http.port, admin.port, verifyPort ?? http.port],
  };
  const surroundings = { publicHosts: locations.hosts, own, brokerUrl: broker.url, apis };
  return parseJsonConfig(upstreamsSchema(surroundings), await readFile(upstreamsFile, 'utf8'), 'UPSTREAMS_FILE');
}
