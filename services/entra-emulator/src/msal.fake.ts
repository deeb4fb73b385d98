import { ConfidentialClientApplication, type Configuration, LogLevel } from '@azure/msal-node';
import type { Rig } from './rig.fake.ts';

type Auth = Partial<Configuration['auth']>;

/** MSAL Node as an application has it; only its configuration says that this is not Entra. */
export function msalClient(rig: Rig, auth: Auth = {}): ConfidentialClientApplication {
  const { host } = new URL(rig.emulator.origin);
  const credential = 'clientCertificate' in auth || 'clientAssertion' in auth ? {} : { clientSecret: 'web-secret' };
  return new ConfidentialClientApplication({
    auth: { clientId: rig.ids.apps.web, authority: rig.authority, knownAuthorities: [host], ...credential, ...auth },
    system: { loggerOptions: { logLevel: LogLevel.Error, piiLoggingEnabled: false } },
  });
}
