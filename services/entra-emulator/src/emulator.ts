import { createLogger, type Logger } from '@onbehalf/chassis/telemetry/logger';
import { Admin } from './endpoints/admin/admin.ts';
import { createListener } from './endpoints/listener.ts';
import { Engine } from './engine.ts';
import { Listeners } from './listeners.ts';
import { type ClientCertificates, generateCertificates, type Ids, prepareSeed, toIds } from './prepare-seed.ts';
import { type FederatedIssuer, Federation } from './tokens/federation.ts';
import { Keys } from './tokens/keys.ts';
import { openTls } from './tokens/tls.ts';

export type { Ids } from './prepare-seed.ts';

export type EmulatorOptions = {
  /** 0, the default, takes a free port; the admin's may be `off`. */
  httpsPort?: number;
  httpPort?: number;
  adminPort?: number | 'off';
  /** Where https and http bind; the admin is always on 127.0.0.1. */
  host?: string;
  /** The issuer's origin as clients reach it; default `https://localhost:<port>`. */
  origin?: string | undefined;
  /** The kind of its tenants: an external tenant issues as `https://<tenant id>.ciamlogin.com`, wherever it is reached. */
  tenants?: 'workforce' | 'external';
  /** Where browsers reach the pages; default `http://<browserHost>:<port>`. */
  browserOrigin?: string | undefined;
  /** `127.0.0.1` makes the emulator cross-site to an app on `localhost`, as Entra is. */
  browserHost?: string;
  /** `split` sends browsers to http, which needs no certificate; `https` sends them to the issuer's origin. */
  profile?: 'split' | 'https';
  /** Keeps `ca.pem tls.pem tls.key` and generated client certificates; without it they live in memory. */
  stateDir?: string | undefined;
  tlsNames?: string[];
  /** Your own certificate instead of the demo CA's; `ca` is what clients must trust. */
  tls?: { ca: string; cert: string; key: string } | undefined;
  /** Outside issuers whose tokens the seed's federated credentials trust. */
  federatedIssuers?: FederatedIssuer[];
  /** Whom the seed's apps trust in place of its broker: `system:serviceaccount:<namespace>:<name>`. */
  federatedSubjects?: string[] | undefined;
  /** Where the seed's `web` runs, instead of `http://localhost:3000`. */
  frontendOrigin?: string | undefined;
  /** In place of the built-in seed. */
  seed?: unknown;
  /** `load` signs equal claims once a second: much cheaper, and two tokens of one second may be the same. */
  signing?: 'each' | 'load';
  /** `auto` shows generated people no page if a `login_hint` names them, until the admin says otherwise. */
  interaction?: 'page' | 'auto';
  /** How many people for load are generated in the first tenant: `load00001@<domain>` and so on. */
  people?: number;
  logger?: Logger;
};

export type Emulator = AsyncDisposable & {
  /** https: issuer, token endpoint, keys, Graph. */
  origin: string;
  /** Where browsers are sent. */
  browserOrigin: string;
  /** The admin API's origin, undefined if off. */
  admin: string | undefined;
  ids: Ids;
  /** What clients must trust: `NODE_EXTRA_CA_CERTS`, or `tls.setDefaultCACertificates` in-process. */
  caPem: string;
  /** Generated client certificates by app name. */
  clientCertificates: ClientCertificates;
  /** The same without its sockets, for who is in its process. */
  engine: Engine;
  close(): Promise<void>;
};

/**
 * Runs the emulator in this process.
 * @throws ZodError for a seed that is not one, an error of the system if a port is taken.
 */
export async function createEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const listeners = new Listeners();
  try {
    return await listen(options, listeners);
  } catch (error) {
    await listeners.close();
    throw error;
  }
}

async function listen(options: EmulatorOptions, listeners: Listeners): Promise<Emulator> {
  const { host = '127.0.0.1', stateDir, adminPort = 0, interaction = 'page', signing = 'each' } = options;
  const logger = options.logger ?? createLogger({ level: 'silent', service: 'entra-emulator' });
  const seed = prepareSeed(options);
  const tlsNames = options.tlsNames ?? ['localhost', '127.0.0.1', 'entra-emulator'];
  const [tls, keys, clientCertificates] = await Promise.all([
    options.tls ?? openTls(tlsNames, stateDir),
    Keys.create(),
    generateCertificates(seed, stateDir),
  ]);
  const now = () => engine.now();
  const handle: Parameters<typeof createListener>[0] = (call, res) => engine.handle(call, res);
  const secure = createListener(handle, { secure: true, now, logger });
  const plain = createListener(handle, { secure: false, now, logger });
  const httpsPort = await listeners.open(secure, { port: options.httpsPort ?? 0, host, tls });
  const httpPort = await listeners.open(plain, { port: options.httpPort ?? 0, host });
  const origins = toOrigins(options, { httpsPort, httpPort });
  const federation = new Federation(options.federatedIssuers ?? []);
  const engine = new Engine({ ...origins, seed, keys, federation, interaction, signing, logger });
  let admin: string | undefined;
  if (adminPort !== 'off') {
    const api = new Admin(engine);
    const listener = createListener((call) => api.handle(call), { secure: false, now, logger });
    admin = `http://127.0.0.1:${await listeners.open(listener, { port: adminPort, host: '127.0.0.1' })}`;
  }
  const close = async () => {
    engine.stop();
    await listeners.close();
  };
  const { origin, browserOrigin } = origins;
  const names = { origin, browserOrigin, admin, ids: toIds(seed), caPem: tls.ca, clientCertificates };
  return { ...names, engine, close, [Symbol.asyncDispose]: close };
}

type Origins = { origin: string; browserOrigin: string; issuerFor: (tid: string) => string };

/** Where clients and browsers reach the emulator, and how it names itself. */
function toOrigins(options: EmulatorOptions, ports: { httpsPort: number; httpPort: number }): Origins {
  const { profile = 'split', browserHost = 'localhost', tenants } = options;
  // Without a default port: issuers are compared as text, and no client writes `:443`. RFC 6454 section 6.
  const { origin } = new URL(options.origin ?? `https://localhost:${ports.httpsPort}`);
  const split = new URL(options.browserOrigin ?? `http://${browserHost}:${ports.httpPort}`).origin;
  return {
    origin,
    browserOrigin: profile === 'https' ? origin : split,
    issuerFor: (tid) => `${tenants === 'external' ? `https://${tid}.ciamlogin.com` : origin}/${tid}/v2.0`,
  };
}
