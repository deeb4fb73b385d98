import { commonConfig, commonEnvironment, words } from '@onbehalf/chassis/config/config';
import { origin } from '@onbehalf/node/core/address';
import { parseConfig } from '@onbehalf/node/core/parse-config';
import { z } from 'zod';
import { federatedIssuerSchema } from './tokens/federation.ts';

const port = z.coerce.number().int().min(0).max(65_535);

/** The value that permits a start in production; it cannot be set by accident. */
export const productionPermit = 'yes, anyone may sign in as anyone';

const schema = z
  .object({
    ...commonEnvironment,
    HTTPS_PORT: port.default(9443),
    HTTP_PORT: port.default(9440),
    ADMIN_PORT: z.union([z.literal('off'), port]).default(9444),
    /** It signs anyone in without a password, so by default it is not on the network. */
    BIND_ADDRESS: z.string().min(1).default('127.0.0.1'),
    SHUTDOWN_DELAY_MS: port.default(0),
    ORIGIN: origin.optional(),
    BROWSER_ORIGIN: origin.optional(),
    TENANTS: z.enum(['workforce', 'external']).default('workforce'),
    PROFILE: z.enum(['split', 'https']).default('split'),
    SIGNING: z.enum(['each', 'load']).default('each'),
    INTERACTION: z.enum(['page', 'auto']).default('page'),
    PEOPLE: z.coerce.number().int().min(0).max(99_999).default(0),
    STATE_DIR: z.string().min(1).default('.cache/entra-emulator'),
    TLS_NAMES: words.optional(),
    TLS_CERT_FILE: z.string().min(1).optional(),
    TLS_KEY_FILE: z.string().min(1).optional(),
    TLS_CA_FILE: z.string().min(1).optional(),
    SEED_FILE: z.string().min(1).optional(),
    FRONTEND_ORIGIN: origin.optional(),
    REDIRECT_URIS: words.pipe(z.array(z.url())).optional(),
    FEDERATED_SUBJECTS: words.optional(),
    FEDERATED_ISSUERS: z
      .string()
      .transform((text, context) => {
        try {
          return JSON.parse(text) as unknown;
        } catch {
          context.addIssue({ code: 'custom', message: 'must be JSON' });
          return z.NEVER;
        }
      })
      .pipe(z.array(federatedIssuerSchema))
      .default([]),
    NODE_ENV: z.string().optional(),
    EMULATOR_IN_PRODUCTION: z.string().optional(),
  })
  .refine((env) => Boolean(env.TLS_CERT_FILE) === Boolean(env.TLS_KEY_FILE), {
    path: ['TLS_CERT_FILE'],
    message: 'goes together with TLS_KEY_FILE',
  })
  .refine((env) => env.NODE_ENV !== 'production' || env.EMULATOR_IN_PRODUCTION === productionPermit, {
    path: ['NODE_ENV'],
    message: `is production: the emulator signs anyone in without a password; it starts only with EMULATOR_IN_PRODUCTION="${productionPermit}"`,
  });

export type Config = ReturnType<typeof readConfig>;

/** Reads the environment; pure. @throws ConfigError naming every fault. */
export function readConfig(env: Record<string, string | undefined>) {
  const parsed = parseConfig(schema, env);
  const { log } = commonConfig({ ...parsed, ADMIN_PORT: 0 });
  return {
    log,
    seedFile: parsed.SEED_FILE,
    redirectUris: parsed.REDIRECT_URIS ?? [],
    tlsFiles: parsed.TLS_CERT_FILE &&
      parsed.TLS_KEY_FILE && { cert: parsed.TLS_CERT_FILE, key: parsed.TLS_KEY_FILE, ca: parsed.TLS_CA_FILE },
    emulator: {
      httpsPort: parsed.HTTPS_PORT,
      httpPort: parsed.HTTP_PORT,
      adminPort: parsed.ADMIN_PORT,
      host: parsed.BIND_ADDRESS,
      origin: parsed.ORIGIN,
      browserOrigin: parsed.BROWSER_ORIGIN,
      profile: parsed.PROFILE,
      tenants: parsed.TENANTS,
      signing: parsed.SIGNING,
      interaction: parsed.INTERACTION,
      people: parsed.PEOPLE,
      stateDir: parsed.STATE_DIR,
      federatedIssuers: parsed.FEDERATED_ISSUERS,
      frontendOrigin: parsed.FRONTEND_ORIGIN,
      federatedSubjects: parsed.FEDERATED_SUBJECTS,
      ...(parsed.TLS_NAMES && { tlsNames: parsed.TLS_NAMES }),
    },
  };
}
