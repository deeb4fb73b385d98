import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { System } from '../kit/system/system.ts';

const namespace = 'onbehalf';

/** What a program needs to know to be a client of the broker: addresses, ids, and who it is, as files. */
export async function brokerEnvironment({
  brokers,
  emulator,
  cluster,
  stateDir,
}: System): Promise<Record<string, string>> {
  const { apps, tenants } = emulator.ids;
  const assertions: Record<string, string> = {};
  for (const name of ['web', 'api', 'job']) {
    const file = join(stateDir, `${name}.jwt`);
    await writeFile(file, await cluster.mint({ namespace, name, audience: 'token-broker' }));
    assertions[`${name.toUpperCase()}_ASSERTION_FILE`] = file;
  }
  const ca = join(stateDir, 'emulator', 'ca.pem');
  return {
    BROKER: brokers[0]?.url ?? '',
    AUTHORIZE: `${emulator.browserOrigin}/${tenants.contoso}/oauth2/v2.0/authorize`,
    ...{ ORIGIN: emulator.origin, TENANT: tenants.contoso, WEB: apps.web, API: apps.api, JOB: apps.job },
    ...{ REQUESTS_CA_BUNDLE: ca, SSL_CERT_FILE: ca, CA_FILE: ca },
    ...assertions,
  };
}
