import { commonConfig, commonEnvironment } from '@onbehalf/chassis/config/config';
import { baseUrl, isSecureContext, origin } from '@onbehalf/node/core/address';
import { authorityHost, guid, tenant } from '@onbehalf/node/core/keys/authority';
import { parseConfig } from '@onbehalf/node/core/parse-config';
import { signInScopes } from '@onbehalf/node/web/apis/apis';
import { z } from 'zod';

const proxy = z
  .union(
    [z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6(), z.enum(['loopback', 'linklocal', 'uniquelocal'])],
    'must be addresses, CIDR ranges, loopback, linklocal or uniquelocal',
  )
  // Whoever trusts everybody lets each client name its own address.
  .refine((range) => !range.endsWith('/0'), 'must not be everybody');

/** The environment of web-frontend, by key. Cookies with the prefix `__Host-` exist on https and loopback only. */
export const environment = z
  .object({
    ...commonEnvironment,
    /** Where browsers reach us; redirect URIs and same-origin checks rest on it, never on `Host`. */
    PUBLIC_BASE_URL: origin,
    ENTRA_AUTHORITY_HOST: authorityHost.default('https://login.microsoftonline.com'),
    /** Whose people sign in: a tenant's, `organizations` for those of any, `common` for personal accounts too. */
    ENTRA_TENANT_ID: tenant,
    ENTRA_CLIENT_ID: guid,
    BROKER_URL: baseUrl,
    /** The ServiceAccount token that authenticates us to the broker (RFC 7523); re-read. */
    BROKER_ASSERTION_FILE: z.string().min(1),
    SESSION_KEYS_DIR: z.string().min(1),
    APIS_FILE: z.string().min(1),
    COOKIE_SAME_SITE: z.enum(['lax', 'strict'], 'must be lax or strict').default('lax'),
    SIGN_IN_SCOPES: signInScopes.default(['openid', 'profile', 'offline_access']),
    RESPONSE_MODE: z.enum(['query', 'form_post'], 'must be query or form_post').default('query'),
    /** Hops whose `X-Forwarded-For` is believed, separated by commas; none unless said. */
    TRUSTED_PROXIES: z
      .string()
      .transform((value) => value.split(/[\s,]+/).filter(Boolean))
      .pipe(z.array(proxy))
      .default([]),
    /** Requests a second, and at once, that one client address may send to the public sign-in routes. */
    PUBLIC_RATE_PER_SECOND: z.coerce.number().positive().max(100_000).default(10),
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
  .superRefine(({ PUBLIC_BASE_URL }, context) => {
    if (isSecureContext(new URL(PUBLIC_BASE_URL))) return;
    const message = 'must be https: browsers keep Secure cookies on https and loopback only';
    context.addIssue({ code: 'custom', path: ['PUBLIC_BASE_URL'], message });
  });

export type Config = ReturnType<typeof readConfig>;

/** @throws ConfigError naming every fault at once, never a value. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const flat = parseConfig(environment, env);
  return {
    ...commonConfig(flat),
    publicBaseUrl: flat.PUBLIC_BASE_URL,
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
    publicRate: { perSecond: flat.PUBLIC_RATE_PER_SECOND, burst: flat.PUBLIC_RATE_BURST },
    product: { name: flat.PRODUCT_NAME, logoFile: flat.LOGO_FILE },
    traceViewerUrl: flat.TRACE_VIEWER_URL,
  };
}
