import { z } from 'zod';
import { secureOrigin } from '../address.ts';
import { ConfigError } from '../config-error.ts';

/** In lower case, as Entra writes them in tokens. */
export const guid = z.guid('must be a GUID').toLowerCase();

/**
 * Where people of many tenants sign in: those of any organization, or with personal accounts too. Learn: "Application
 * configuration options", authority.
 */
const manyTenants = ['organizations', 'common'] as const;

/** Whose people sign in: one tenant by its GUID, `organizations` or `common`. */
export const tenant = z.union([guid, z.enum(manyTenants)], 'must be a GUID, organizations or common');

/** Whether a configured tenant stands for many. */
export function isManyTenants(tenantId: string): boolean {
  return manyTenants.some((one) => one === tenantId);
}

/**
 * The origin of an Entra ID authority: of a national cloud, of an external tenant (`<name>.ciamlogin.com`), or of a
 * custom domain of one. Not of Azure AD B2C, which has no on-behalf-of flow. Learn: "Azure AD B2C protocols".
 */
export const authorityHost = secureOrigin.refine(
  (value) => !new URL(value).hostname.endsWith('.b2clogin.com'),
  'must not be Azure AD B2C, which gives no tokens on behalf of users: use an external tenant, <name>.ciamlogin.com',
);

const globalCloud = { graph: 'https://graph.microsoft.com', federationAudience: 'api://AzureADTokenExchange' };
const usGov = { graph: 'https://graph.microsoft.us', federationAudience: 'api://AzureADTokenExchangeUSGov' };
const china = {
  graph: 'https://microsoftgraph.chinacloudapi.cn',
  federationAudience: 'api://AzureADTokenExchangeChina',
};
/**
 * National clouds by the authority's host, under its former name too: their Microsoft Graph, and whom a federated token
 * is made out to. Learn: "National clouds", "Workload identity federation". `token-broker.cloud` in the chart is the same.
 */
export const nationalClouds = new Map([
  ['login.microsoftonline.us', usGov],
  ['login.usgovcloudapi.net', usGov],
  ['login.partner.microsoftonline.cn', china],
  ['login.chinacloudapi.cn', china],
]);

/** The cloud of an authority: the global one unless it is a national one's. */
export function cloudOf(host: string) {
  return nationalClouds.get(new URL(host).hostname) ?? globalCloud;
}

/** Every cloud's Microsoft Graph. */
export const graphOrigins: readonly string[] = [globalCloud, ...new Set(nationalClouds.values())].map(
  ({ graph }) => graph,
);

/** Where the discovery document of a tenant is. OpenID Connect Discovery 1.0 section 4. */
export function discoveryUrl(host: string, tenantId: string): string {
  return `${host}/${tenantId}/v2.0/.well-known/openid-configuration`;
}

/**
 * Checks that the issuer of a discovery document is the tenant's: `…/<tenant>/v2.0`, or the template of many tenants,
 * `…/{tenantid}/v2.0`. Its host may be another than the authority's: an external tenant is asked at
 * `<name>.ciamlogin.com` and issues as `<tenant id>.ciamlogin.com`. Gives the issuer of a tenant's tokens.
 * @throws ConfigError for any other.
 */
export function issuersOf(issuer: string, tenantId: string): (tid: string) => string {
  const segment = isManyTenants(tenantId) ? '{tenantid}' : tenantId;
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  if (!url || !issuer.endsWith(`/${segment}/v2.0`) || issuer.indexOf(`/${segment}/`) !== url.origin.length) {
    throw new ConfigError('the issuer of the discovery document is not the one of the configured tenant');
  }
  return (tid) => `${url.origin}/${tid}/v2.0`;
}

/** What the services need of a discovery document, Entra's or a cluster's. OpenID Connect Discovery 1.0 section 3. */
export const discoveryDocument = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) });

/**
 * Whether `iss` can be that of the configured tenant, where no discovery document is at hand: at the authority's own
 * host, or at that of an external tenant.
 */
export function isIssuerOf(iss: string, host: string, tenantId: string): boolean {
  const tid = iss.split('/').at(-2) ?? '';
  if (!guid.safeParse(tid).success || (!isManyTenants(tenantId) && tid !== tenantId)) return false;
  return [host, `https://${tid}.ciamlogin.com`].some((origin) => iss === `${origin}/${tid}/v2.0`);
}
