import { commonConfig, commonEnvironment, flag, words } from '@onbehalf/chassis/config/config';
import { baseUrl, isSecureContext } from '@onbehalf/node/core/address';
import { authorityHost, guid } from '@onbehalf/node/core/keys/authority';
import { parseConfig } from '@onbehalf/node/core/parse-config';
import { z } from 'zod';
import type { RedisServer } from './redis/clients.ts';

const path = z.string().min(1);
const redisUrl = z
  .url({ protocol: /^rediss?$/, error: 'must be a redis or rediss URL', abort: true })
  .refine((value) => {
    const { username, password } = new URL(value);
    return username === '' && password === '';
  }, 'must hold no user and no password');
const seconds = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

/** Every environment key of the broker. */
export const environment = z
  .object({
    ...commonEnvironment,
    /** Where callers reach the broker: its `issuer` in the metadata. */
    BROKER_URL: baseUrl,
    /** The cloud, or an external tenant; https, since MSAL refuses any other scheme. */
    ENTRA_AUTHORITY_HOST: authorityHost
      .refine((value) => value.startsWith('https:'), 'must be https')
      .default('https://login.microsoftonline.com'),
    /** The clients by their app registration: who may act for each, with which grants, scopes and redirect URIs. */
    CLIENTS_FILE: path,
    /** The OIDC issuer of the cluster, exactly as in its tokens. */
    CALLERS_ISSUER: z.url({ protocol: /^https?$/ }),
    /** Where the keys of that issuer are; by default its discovery document says so. */
    CALLERS_JWKS_URI: z.url({ protocol: /^https?$/ }).optional(),
    /** The `aud` that a ServiceAccount token has to have. */
    CALLERS_AUDIENCE: z.string().min(1).default('token-broker'),
    /** The authority that signed the certificate of the issuer, for a cluster with its own. */
    CALLERS_CA_FILE: path.optional(),
    /** A file with this pod's ServiceAccount token for the API server, for issuers that require one to read their keys. */
    CALLERS_TOKEN_FILE: path.optional(),
    /** For development: allows keys over plain http from another host. */
    CALLERS_ALLOW_PLAINTEXT: flag.default(false),
    /** Requests per second that one client may send to one pod. */
    CALLERS_RATE: z.coerce.number().min(1).max(1_000_000).default(5_000),
    /** A folder with the key ring that seals what Redis holds: a file per key, `current`, and `index`. */
    SEALING_KEYS_DIR: path,
    /**
     * Standalone: the server. Cluster: any node, at best a name for all of them. Sentinel: scheme, database and certificate
     * name of the master; the sentinels know its address.
     */
    REDIS_URL: redisUrl,
    /** What kind of Redis REDIS_URL leads to. */
    REDIS_MODE: z.enum(['standalone', 'cluster', 'sentinel']).default('standalone'),
    /** Where a cluster's nodes are reached: as each announces itself, or at the host of REDIS_URL with their ports. */
    REDIS_CLUSTER_NODES: z.enum(['announced', 'same-host']).optional(),
    /** The redis:// or rediss:// URLs of all sentinels, with host and port, separated by commas. */
    REDIS_SENTINEL_URLS: words
      .refine(
        (urls) => urls.every((url) => redisUrl.safeParse(url).success && /^\/?$/.test(new URL(url).pathname)),
        'must be redis or rediss URLs of host and port, without user and password',
      )
      .optional(),
    /** The name of the master at the sentinels. */
    REDIS_SENTINEL_MASTER: z
      .string()
      .regex(/^[\w.-]{1,100}$/, 'must be made of letters, digits, ., _ and -')
      .optional(),
    /** The user at the sentinels, where it is another than at Redis. */
    REDIS_SENTINEL_USERNAME: z.string().min(1).optional(),
    /** The file with the password at the sentinels; read again when it changes. */
    REDIS_SENTINEL_PASSWORD_FILE: path.optional(),
    /** How the broker signs in to Redis: not at all, by password, or by Entra ID (Azure Managed Redis). */
    REDIS_AUTH: z.enum(['none', 'password', 'entra']).default('none'),
    /** The user at Redis, with REDIS_AUTH=password. */
    REDIS_USERNAME: z.string().min(1).optional(),
    /** The file with the password at Redis; read again when it changes. */
    REDIS_PASSWORD_FILE: path.optional(),
    /** The identity that signs in to Redis, with REDIS_AUTH=entra. */
    REDIS_ENTRA_CLIENT_ID: guid.optional(),
    /** The tenant of that identity. */
    REDIS_ENTRA_TENANT_ID: guid.optional(),
    /** The trusted authorities for TLS to Redis and its sentinels, in place of Node's own. */
    REDIS_CA_FILE: path.optional(),
    /** The client certificate for TLS to them, with its key, as PEM or PFX; the key may be a file of its own. */
    REDIS_CERT_FILE: path.optional(),
    /** The key of REDIS_CERT_FILE, where it is a file of its own. */
    REDIS_KEY_FILE: path.optional(),
    /** The file with the password of that key or PFX. */
    REDIS_KEY_PASSWORD_FILE: path.optional(),
    /** Allows a password with a `redis://` URL: the network itself encrypts (a mesh, WireGuard), or is closed to others. */
    REDIS_ALLOW_PLAINTEXT: flag.default(false),
    /** How every key in Redis begins. */
    REDIS_KEY_PREFIX: z
      .string()
      .regex(/^[a-z0-9:_-]{1,40}$/, 'must be made of a-z, 0-9, :, _ and -')
      .default('ob:v1:'),
    /** The deadline of one command. While the store is away, requests are refused within two of them at most. */
    REDIS_COMMAND_TIMEOUT_MS: z.coerce.number().int().min(50).max(2_000).default(250),
    /** The token of the pod for Entra ID, as Azure Workload Identity mounts it. */
    AZURE_FEDERATED_TOKEN_FILE: path.optional(),
    /** A session ends when nobody used it for so long. */
    SESSION_IDLE_SECONDS: seconds(60, 604_800).default(3_600),
    /** A session ends so long after its sign-in, however much it is used. */
    SESSION_ABSOLUTE_SECONDS: seconds(60, 2_592_000).default(43_200),
    /** How many sessions one person may have at one client; a further sign-in ends the oldest. */
    SESSIONS_PER_ACCOUNT: z.coerce.number().int().min(1).max(1_000).default(20),
    /** Token requests per second that one session may make at one pod. */
    SESSION_RATE: z.coerce.number().min(1).max(1_000_000).default(50),
    /** How many bytes the tokens and sessions in memory (L1) may take. */
    L1_MAX_BYTES: z.coerce.number().int().min(1_048_576).default(67_108_864),
    /** How long L1 serves while Redis is away: in that time a pod does not hear of a sign-out. */
    L1_MAX_UNVERIFIED_SECONDS: seconds(0, 600).default(60),
    /** The certificate of the broker, for https from its callers. */
    TLS_CERT_FILE: path.optional(),
    /** The key of that certificate. */
    TLS_KEY_FILE: path.optional(),
  })
  .superRefine((env, context) => {
    const require = (met: boolean, key: string, message: string) => {
      if (!met) context.addIssue({ code: 'custom', path: [key], message });
    };
    require(env.REDIS_AUTH === 'none' ||
      env.REDIS_ALLOW_PLAINTEXT ||
      isSecureContext(
        new URL(env.REDIS_URL),
      ), 'REDIS_URL', `must be rediss:// with REDIS_AUTH=${env.REDIS_AUTH}, or REDIS_ALLOW_PLAINTEXT=true`);
    requireSentinel(env, require);
    require(env.REDIS_CLUSTER_NODES === undefined ||
      env.REDIS_MODE === 'cluster', 'REDIS_CLUSTER_NODES', 'goes with REDIS_MODE=cluster');
    require(env.REDIS_CERT_FILE === undefined ||
      env.REDIS_URL.startsWith('rediss:'), 'REDIS_CERT_FILE', 'needs a REDIS_URL that is rediss://');
    for (const key of ['REDIS_KEY_FILE', 'REDIS_KEY_PASSWORD_FILE'] as const) {
      require(env[key] === undefined || env.REDIS_CERT_FILE !== undefined, key, 'goes with REDIS_CERT_FILE');
    }
    const keysUrl = env.CALLERS_JWKS_URI ?? env.CALLERS_ISSUER;
    require(env.CALLERS_ALLOW_PLAINTEXT || isSecureContext(new URL(keysUrl)), env.CALLERS_JWKS_URI === undefined
      ? 'CALLERS_ISSUER'
      : 'CALLERS_JWKS_URI', 'must be https: anybody on the network path could replace the keys');
    require(env.REDIS_AUTH !== 'password' ||
      env.REDIS_PASSWORD_FILE !== undefined, 'REDIS_PASSWORD_FILE', 'is required by REDIS_AUTH=password');
    require(env.REDIS_AUTH !== 'entra' ||
      env.REDIS_ENTRA_CLIENT_ID !== undefined, 'REDIS_ENTRA_CLIENT_ID', 'is required by REDIS_AUTH=entra');
    require(env.REDIS_AUTH !== 'entra' ||
      env.REDIS_ENTRA_TENANT_ID !== undefined, 'REDIS_ENTRA_TENANT_ID', 'is required by REDIS_AUTH=entra');
    require(env.REDIS_AUTH !== 'entra' ||
      env.AZURE_FEDERATED_TOKEN_FILE !== undefined, 'AZURE_FEDERATED_TOKEN_FILE', 'is required by REDIS_AUTH=entra');
    require((env.TLS_CERT_FILE === undefined) ===
      (env.TLS_KEY_FILE === undefined), 'TLS_KEY_FILE', 'goes with TLS_CERT_FILE');
    require(env.SESSION_IDLE_SECONDS <=
      env.SESSION_ABSOLUTE_SECONDS, 'SESSION_IDLE_SECONDS', 'must not exceed SESSION_ABSOLUTE_SECONDS');
  });

type Environment = z.output<typeof environment>;

/** The keys of the sentinels need their mode, and their password needs TLS. */
function requireSentinel(env: Environment, require: (met: boolean, key: string, message: string) => void): void {
  const isSentinel = env.REDIS_MODE === 'sentinel';
  for (const key of ['REDIS_SENTINEL_URLS', 'REDIS_SENTINEL_MASTER'] as const) {
    require(!isSentinel || env[key] !== undefined, key, 'is required by REDIS_MODE=sentinel');
    require(isSentinel || env[key] === undefined, key, 'goes with REDIS_MODE=sentinel');
  }
  for (const key of ['REDIS_SENTINEL_USERNAME', 'REDIS_SENTINEL_PASSWORD_FILE'] as const) {
    require(isSentinel || env[key] === undefined, key, 'goes with REDIS_MODE=sentinel');
  }
  require(env.REDIS_SENTINEL_USERNAME === undefined ||
    env.REDIS_SENTINEL_PASSWORD_FILE !==
      undefined, 'REDIS_SENTINEL_PASSWORD_FILE', 'goes with REDIS_SENTINEL_USERNAME');
  const isPlain = env.REDIS_SENTINEL_URLS?.some((url) => !isSecureContext(new URL(url)));
  require(!isPlain ||
    env.REDIS_SENTINEL_PASSWORD_FILE === undefined ||
    env.REDIS_ALLOW_PLAINTEXT, 'REDIS_SENTINEL_URLS', 'must be rediss:// with REDIS_SENTINEL_PASSWORD_FILE, or REDIS_ALLOW_PLAINTEXT=true');
}

/** A value that the schema requires. */
function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a required key is absent');
  return value;
}

function redisServer(e: Environment): RedisServer {
  const { REDIS_MODE: mode, REDIS_URL: url } = e;
  if (mode === 'standalone') return { mode, url };
  if (mode === 'cluster') return { mode, url, nodes: e.REDIS_CLUSTER_NODES ?? 'announced' };
  return { mode, url, sentinels: given(e.REDIS_SENTINEL_URLS), master: given(e.REDIS_SENTINEL_MASTER) };
}

type PasswordAuth = { type: 'password'; username?: string | undefined; passwordFile: string };
type RedisAuth = { type: 'none' } | PasswordAuth | { type: 'entra'; clientId: string; tenantId: string };

function redisAuth(e: Environment): RedisAuth {
  const { REDIS_AUTH: type } = e;
  if (type === 'none') return { type };
  if (type === 'password') return { type, username: e.REDIS_USERNAME, passwordFile: given(e.REDIS_PASSWORD_FILE) };
  return { type, clientId: given(e.REDIS_ENTRA_CLIENT_ID), tenantId: given(e.REDIS_ENTRA_TENANT_ID) };
}

function sentinelAuth({ REDIS_SENTINEL_PASSWORD_FILE: file, REDIS_SENTINEL_USERNAME: username }: Environment) {
  const auth: { type: 'none' } | PasswordAuth =
    file === undefined ? { type: 'none' } : { type: 'password', username, passwordFile: file };
  return auth;
}

export type Config = ReturnType<typeof readConfig>;

/** @throws ConfigError naming every wrong key at once. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const e = parseConfig(environment, env);
  return {
    ...commonConfig(e),
    brokerUrl: e.BROKER_URL,
    entra: { authorityHost: e.ENTRA_AUTHORITY_HOST, federatedTokenFile: e.AZURE_FEDERATED_TOKEN_FILE },
    clientsFile: e.CLIENTS_FILE,
    callers: {
      issuer: e.CALLERS_ISSUER,
      jwksUri: e.CALLERS_JWKS_URI,
      audience: e.CALLERS_AUDIENCE,
      caFile: e.CALLERS_CA_FILE,
      tokenFile: e.CALLERS_TOKEN_FILE,
      allowPlaintext: e.CALLERS_ALLOW_PLAINTEXT,
      rate: e.CALLERS_RATE,
    },
    sealingKeysDir: e.SEALING_KEYS_DIR,
    redis: {
      server: redisServer(e),
      auth: redisAuth(e),
      sentinelAuth: sentinelAuth(e),
      allowPlaintext: e.REDIS_ALLOW_PLAINTEXT,
      tls: {
        caFile: e.REDIS_CA_FILE,
        certificate:
          e.REDIS_CERT_FILE === undefined
            ? undefined
            : { file: e.REDIS_CERT_FILE, keyFile: e.REDIS_KEY_FILE, passwordFile: e.REDIS_KEY_PASSWORD_FILE },
      },
      keyPrefix: e.REDIS_KEY_PREFIX,
      commandTimeoutMs: e.REDIS_COMMAND_TIMEOUT_MS,
    },
    session: {
      idleSeconds: e.SESSION_IDLE_SECONDS,
      absoluteSeconds: e.SESSION_ABSOLUTE_SECONDS,
      perAccount: e.SESSIONS_PER_ACCOUNT,
      rate: e.SESSION_RATE,
    },
    l1: { maxBytes: e.L1_MAX_BYTES, maxUnverifiedSeconds: e.L1_MAX_UNVERIFIED_SECONDS },
    tls: { certFile: e.TLS_CERT_FILE, keyFile: e.TLS_KEY_FILE },
  };
}
