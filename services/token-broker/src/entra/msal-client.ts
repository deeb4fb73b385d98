import { ConfidentialClientApplication, type INetworkModule, LogLevel } from '@azure/msal-node';
import type { ClientAuth } from '../credentials/credentials.ts';
import type { MsalCache } from './msal-cache.ts';

type ClientOptions = {
  clientId: string;
  /** The host as a URL. */
  authority: { host: string; tenantId: string };
  clientAuth: ClientAuth;
  cache: MsalCache;
  module: INetworkModule;
};

/** Clouds whose metadata is part of MSAL; any other host has to be declared as known. */
const microsoftHosts = new Set([
  'login.microsoftonline.com',
  'login.microsoftonline.us',
  'login.partner.microsoftonline.cn',
  'login.chinacloudapi.cn',
]);

/** MSAL's client for one operation. */
export function createMsalClient({ clientId, authority, clientAuth, cache, module }: ClientOptions) {
  const { host } = new URL(authority.host);
  return new ConfidentialClientApplication({
    auth: {
      clientId,
      authority: `${authority.host}/${authority.tenantId}`,
      ...clientAuth,
      clientCapabilities: ['CP1'],
      ...(!microsoftHosts.has(host) && { knownAuthorities: [host] }),
    },
    cache: { cachePlugin: cache },
    system: { networkClient: module, loggerOptions: { logLevel: LogLevel.Error, piiLoggingEnabled: false } },
  });
}
