import { commonConfig, commonEnvironment } from '@onbehalf/chassis/config/config';
import { baseUrl, isSecureContext, origin } from '@onbehalf/node/core/address';
import { authorityHost, guid, tenant } from '@onbehalf/node/core/keys/authority';
import { parseConfig } from '@onbehalf/node/core/parse-config';
import { signInScopes } from '@onbehalf/node/web/apis/apis';
import { trustedProxies } from '@onbehalf/node/web/options';
import { Locations, publicBaseUrls } from '@onbehalf/node/web/session/locations';
import { z } from 'zod';

/** The environment of web-frontend, by key. Cookies with the prefix `__Host-` exist on https and loopback only. */
export const environment = z
  .object({
    ...commonEnvironment,
    /** Where browsers reach us, if it is one place; redirect URIs and same-origin checks rest on it, never on `Host`. */
    PUBLIC_BASE_URL: origin.optional(),
    /** Where browsers reach us, if it is several places, each with or without a path: `Host` and path pick one. */
    PUBLIC_BASE_URLS: publicBaseUrls.optional(),
    /** The cloud, or an external tenant. */
    ENTRA_AUTHORITY_HOST: authorityHost.default('https://login.microsoftonline.com'),
    /** Whose people sign in: a tenant's, `organizations` for those of any, `common` for personal accounts too. */
    ENTRA_TENANT_ID: tenant,
    /** The app registration that people sign in to. */
    ENTRA_CLIENT_ID: guid,
    /** Where the token-broker is. */
    BROKER_URL: baseUrl,
    /** The ServiceAccount token that authenticates us to the broker (RFC 7523); re-read. */
    BROKER_ASSERTION_FILE: z.string().min(1),
    /** A folder with the key ring that seals cookies: a file per key, and `current`. */
    SESSION_KEYS_DIR: z.string().min(1),
    /** The APIs behind `/api/`: their URL, scopes and routes. */
    APIS_FILE: z.string().min(1),
    /** The apps that stand behind this service; without it the sample pages show. */
    UPSTREAMS_FILE: z.string().min(1).optional(),
    /** Where gateways, and nobody else, ask for tokens at `/auth/verify`; without it they get none. */
    VERIFY_PORT: z.coerce.number().int().min(0).max(65_535).optional(),
    /** `SameSite` of the session: with strict, a link from elsewhere finds nobody signed in. */
    COOKIE_SAME_SITE: z.enum(['lax', 'strict'], 'must be lax or strict').default('lax'),
    /** What a sign-in asks for, separated by spaces; it must hold openid and offline_access. */
    SIGN_IN_SCOPES: signInScopes.default(['openid', 'profile', 'offline_access']),
    /** How Entra ID sends the code back: in the address, or as a form. */
    RESPONSE_MODE: z.enum(['query', 'form_post'], 'must be query or form_post').default('query'),
    /** Hops whose `X-Forwarded-For` is believed, separated by commas; none unless said. */
    TRUSTED_PROXIES: trustedProxies.default([]),
    /** Requests a second that one client address may send to the public sign-in routes. */
    PUBLIC_RATE_PER_SECOND: z.coerce.number().positive().max(100_000).default(10),
    /** And so many at once. */
    PUBLIC_RATE_BURST: z.coerce.number().int().positive().max(100_000).default(100),
    /** What pages call the product. */
    PRODUCT_NAME: z
      .string()
      .trim()
      .max(60, 'must have at most 60 characters')
      .regex(/^[^\p{C}]+$/u, 'must be text in one line')
      .default('Onbehalf'),
    /** Its logo: an SVG or a PNG of at most 16 KB; read at the start. */
    LOGO_FILE: z.string().min(1).optional(),
    /** Where people look at traces, in development: pages then link to their own. */
    TRACE_VIEWER_URL: origin.optional(),
  })
  .superRefine(({ PUBLIC_BASE_URL: one, PUBLIC_BASE_URLS: several }, context) => {
    const refuse = (message: string) => context.addIssue({ code: 'custom', path: ['PUBLIC_BASE_URL'], message });
    if (one === undefined && several === undefined) refuse('is required, or PUBLIC_BASE_URLS');
    if (one !== undefined && several !== undefined) refuse('must not be set beside PUBLIC_BASE_URLS');
    if (one !== undefined && !isSecureContext(new URL(one)))
      refuse('must be https: browsers keep Secure cookies on https and loopback only');
  });

export type Config = ReturnType<typeof readConfig>;

/** @throws ConfigError naming every fault at once, never a value. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const flat = parseConfig(environment, env);
  return {
    ...commonConfig(flat),
    locations: flat.PUBLIC_BASE_URLS
      ? Locations.of(flat.PUBLIC_BASE_URLS)
      : Locations.one(String(flat.PUBLIC_BASE_URL)),
    trustedProxies: flat.TRUSTED_PROXIES,
    entra: {
      authorityHost: flat.ENTRA_AUTHORITY_HOST,
      tenantId: flat.ENTRA_TENANT_ID,
      clientId: flat.ENTRA_CLIENT_ID,
      responseMode: flat.RESPONSE_MODE,
    },
    broker: { url: flat.BROKER_URL, assertionFile: flat.BROKER_ASSERTION_FILE },
    signInScopes: flat.SIGN_IN_SCOPES,
    session: { keysDirectory: flat.SESSION_KEYS_DIR, sameSite: flat.COOKIE_SAME_SITE },
    apisFile: flat.APIS_FILE,
    upstreamsFile: flat.UPSTREAMS_FILE,
    verifyPort: flat.VERIFY_PORT,
    publicRate: { perSecond: flat.PUBLIC_RATE_PER_SECOND, burst: flat.PUBLIC_RATE_BURST },
    product: { name: flat.PRODUCT_NAME, logoFile: flat.LOGO_FILE },
    traceViewerUrl: flat.TRACE_VIEWER_URL,
  };
}
