import { createHash, createSecretKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { baseUrl, isSecureContext, origin } from '../core/address.ts';
import { authorityHost, guid, tenant } from '../core/keys/authority.ts';
import type { KeyRing } from '../core/keys/key-ring.ts';
import type { Log } from '../core/log.ts';
import { parseConfig, parseJsonConfig } from '../core/parse-config.ts';
import { type Apis, apisSchema, signInScopes } from './apis/apis.ts';
import type { Pages } from './pages/pages.ts';
import { Locations, publicBaseUrls } from './session/locations.ts';

/** An API that may be called for the person; `routes` say which methods and paths the browser may reach under `/api`. */
export type WebApi = {
  url: string;
  scopes: string[];
  routes?: {
    methods: ('GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE')[];
    path: string;
    scopes?: string[];
    encodedSlashes?: boolean;
  }[];
  silenceSeconds?: number;
  allowRequestHeaders?: string[];
  allowResponseHeaders?: string[];
};

/** What signing in needs. Each option that is left out is read from the environment, under the word beside it. */
export type WebOptions = {
  /** `ENTRA_TENANT_ID`: whose people sign in, by GUID; `organizations` or `common` for those of many tenants. */
  tenant?: string;
  /** `ENTRA_CLIENT_ID`: your app's registration. */
  clientId?: string;
  /** `ENTRA_AUTHORITY_HOST`: of a national cloud or an external tenant; `https://login.microsoftonline.com` unless said. */
  authorityHost?: string;
  /**
   * `PUBLIC_BASE_URL`: where browsers reach your app, an origin. `<it>/auth/callback` is its redirect URI at Entra. Or
   * `PUBLIC_BASE_URLS`, a list: URLs with or without a path, of which `Host` and path pick one.
   */
  publicBaseUrl?: string | readonly string[];
  broker?: {
    /** `BROKER_URL` */
    url?: string;
    /** `BROKER_ASSERTION_FILE`: your pod's ServiceAccount token, as a file or as a function that gives it freshly read. */
    assertion?: string | (() => Promise<string>);
  };
  /** `SESSION_KEYS_DIR`: what seals cookies. A directory of keys, which is followed, or keys of 32 bytes in base64, the current one first. */
  keys?: string | readonly string[];
  /** `APIS_FILE`: the APIs to call for people, by name. */
  apis?: Record<string, WebApi>;
  /** `COOKIE_SAME_SITE`: of the session's cookie, `lax` unless said. */
  sameSite?: 'lax' | 'strict';
  /** `SIGN_IN_SCOPES`: `openid profile offline_access` unless said. */
  signInScopes?: readonly string[];
  /** `RESPONSE_MODE`: how Entra sends people back, `query` unless said. */
  responseMode?: 'query' | 'form_post';
  /** `TRUSTED_PROXIES`: hops whose `X-Forwarded-For` is believed; none unless said. */
  trustedProxies?: readonly string[];
  /** `PUBLIC_RATE_PER_SECOND`, `PUBLIC_RATE_BURST`: what one client address may send to the public routes; 10 and 100. */
  publicRate?: { perSecond?: number; burst?: number };
  /** Pages of your own in place of the plain ones. */
  pages?: Partial<Pages>;
  /** Where events are told, as pino has it; warnings and errors go to stderr unless said. */
  log?: Log;
};

/** An app of six lines is configured by its environment. */
// biome-ignore lint/style/noProcessEnv: there is no main.ts of ours in it.
export const ownEnvironment: NodeJS.ProcessEnv = process.env;

const seconds = z.coerce.number().positive().max(100_000);

/** A hop by address, range or name of a range. Whoever trusts everybody lets each client name its own address. */
export const trustedProxies = z
  .string()
  .transform((value) => value.split(/[\s,]+/).filter(Boolean))
  .pipe(
    z.array(
      z
        .union(
          [z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6(), z.enum(['loopback', 'linklocal', 'uniquelocal'])],
          'must be addresses, CIDR ranges, loopback, linklocal or uniquelocal',
        )
        .refine((range) => !range.endsWith('/0'), 'must not be everybody'),
    ),
  );

const keyText = z
  .string()
  .refine((text) => Buffer.from(text, 'base64').length === 32, 'must be 32 bytes in base64')
  .transform((text) => createSecretKey(Buffer.from(text, 'base64')));

const flat = z.strictObject({
  tenant,
  clientId: guid,
  authorityHost: authorityHost.default('https://login.microsoftonline.com'),
  publicBaseUrl: origin
    .refine(
      (url) => isSecureContext(new URL(url)),
      'must be https: browsers keep Secure cookies on https and loopback only',
    )
    .transform((url) => Locations.one(url)),
  'broker.url': baseUrl,
  'broker.assertion': z.union(
    [z.string().min(1), z.custom<() => Promise<string>>((value) => typeof value === 'function')],
    'must be a file or a function',
  ),
  keys: z.union(
    [z.string().min(1), z.array(keyText).min(1, 'must have a key')],
    'must be a directory, or keys of 32 bytes in base64',
  ),
  apis: z.union([z.string().min(1), z.record(z.string(), z.unknown())]).optional(),
  sameSite: z.enum(['lax', 'strict'], 'must be lax or strict').default('lax'),
  signInScopes: signInScopes.default(['openid', 'profile', 'offline_access']),
  responseMode: z.enum(['query', 'form_post'], 'must be query or form_post').default('query'),
  trustedProxies: trustedProxies.default([]),
  'publicRate.perSecond': seconds.default(10),
  'publicRate.burst': seconds.int().default(100),
});

/** As `flat`, of an app at several places. */
const flatOfSeveral = flat.extend({ publicBaseUrl: publicBaseUrls.transform((urls) => Locations.of(urls)) });

/** Each option's word in the environment, the same as web-frontend's. */
const words: Record<keyof z.input<typeof flat>, string> = {
  tenant: 'ENTRA_TENANT_ID',
  clientId: 'ENTRA_CLIENT_ID',
  authorityHost: 'ENTRA_AUTHORITY_HOST',
  publicBaseUrl: 'PUBLIC_BASE_URL',
  'broker.url': 'BROKER_URL',
  'broker.assertion': 'BROKER_ASSERTION_FILE',
  keys: 'SESSION_KEYS_DIR',
  apis: 'APIS_FILE',
  sameSite: 'COOKIE_SAME_SITE',
  signInScopes: 'SIGN_IN_SCOPES',
  responseMode: 'RESPONSE_MODE',
  trustedProxies: 'TRUSTED_PROXIES',
  'publicRate.perSecond': 'PUBLIC_RATE_PER_SECOND',
  'publicRate.burst': 'PUBLIC_RATE_BURST',
};

/** The options, each that is missing from the environment. @throws ConfigError naming every one that is wrong, never a value. */
export function readOptions({ pages: _, log: __, ...options }: WebOptions, env: NodeJS.ProcessEnv) {
  const said = Object.entries(words).flatMap(([name, word]) => (env[word]?.trim() ? [[name, env[word]]] : []));
  const nameOf = (path: string) => {
    const [name = ''] = Object.keys(words).filter((one) => path === one || path.startsWith(`${one}.`));
    return name === '' ? path : path.replace(name, `${name} (${words[name as keyof typeof words]})`);
  };
  const places = env.PUBLIC_BASE_URLS?.trim() &&
    !env.PUBLIC_BASE_URL?.trim() && { publicBaseUrl: env.PUBLIC_BASE_URLS };
  const given = { ...Object.fromEntries(said), ...places, ...flatten(options) };
  const several = options.publicBaseUrl === undefined ? Boolean(places) : Array.isArray(options.publicBaseUrl);
  const parsed = parseConfig(several ? flatOfSeveral : flat, given, 'configuration of onbehalf', [], nameOf);
  return {
    locations: parsed.publicBaseUrl,
    trustedProxies: parsed.trustedProxies,
    entra: {
      authorityHost: parsed.authorityHost,
      tenantId: parsed.tenant,
      clientId: parsed.clientId,
      responseMode: parsed.responseMode,
    },
    broker: { url: parsed['broker.url'] },
    assertion: parsed['broker.assertion'],
    signInScopes: parsed.signInScopes,
    session: { sameSite: parsed.sameSite },
    keys: typeof parsed.keys === 'string' ? parsed.keys : toRing(parsed.keys),
    apis: readApis(parsed.apis),
    publicRate: { perSecond: parsed['publicRate.perSecond'], burst: parsed['publicRate.burst'] },
  };
}

/** Options by their dotted names; lists that the environment has as text are text. */
function flatten(options: object): Record<string, unknown> {
  const entries = Object.entries(options).flatMap(([name, value]): [string, unknown][] => {
    if (value === undefined) return [];
    if (name === 'broker' || name === 'publicRate')
      return Object.entries(value as object).flatMap(([part, one]) =>
        one === undefined ? [] : [[`${name}.${part}`, one]],
      );
    const text = Array.isArray(value) && /^(publicBaseUrl|signInScopes|trustedProxies)$/.test(name);
    return [[name, text ? value.join(' ') : value]];
  });
  return Object.fromEntries(entries);
}

/** Named by what they are, so that every pod calls them alike. */
function toRing(keys: ReturnType<typeof createSecretKey>[]): KeyRing {
  const named = keys.map(
    (key) => [createHash('sha256').update(key.export()).digest('base64url').slice(0, 8), key] as const,
  );
  return { current: named[0]?.[0] ?? '', keys: new Map(named) };
}

function readApis(given: string | Record<string, unknown> | undefined): Apis {
  if (given === undefined) return {};
  if (typeof given === 'string') return parseJsonConfig(apisSchema, readFileSync(given, 'utf8'), 'APIS_FILE');
  return parseConfig(apisSchema, given, 'option apis of onbehalf');
}
