import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serve } from '@onbehalf/chassis/http/serve';
import { createLogger, type Logger } from '@onbehalf/chassis/telemetry/logger';
import { createConsents } from './directory/consent.ts';
import { createDirectory } from './directory/directory.ts';
import { builtInSeed, type Seed, seedSchema } from './directory/seed.ts';
import { createAdmin } from './endpoints/admin.ts';
import { createDispatch } from './endpoints/dispatch.ts';
import { createListener } from './endpoints/listener.ts';
import { createProtocol } from './endpoints/protocol.ts';
import { lifetimesSchema } from './lifetimes.ts';
import { createAuthenticate } from './tokens/client-auth.ts';
import { createFederation, type FederatedIssuer } from './tokens/federation.ts';
import { createKeys } from './tokens/keys.ts';
import { signEach, signOnce } from './tokens/sign.ts';
import { createState } from './tokens/state.ts';
import { issueClientCertificate, openTls } from './tokens/tls.ts';
import { createTokens } from './tokens/tokens.ts';
import type { World } from './world.ts';

export type EmulatorOptions = {
  /** 0, the default, takes a free port; the admin's may be `off`. */
  httpsPort?: number;
  httpPort?: number;
  adminPort?: number | 'off';
  /** Where https and http bind; the admin is always on 127.0.0.1. */
  host?: string;
  /** The issuer's origin as clients reach it; default `https://localhost:<port>`. */
  origin?: string | undefined;
  /** What its tenants are: an external tenant issues as `https://<tenant id>.ciamlogin.com`, wherever it is reached. */
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
  /** A certificate of one's own instead of the demo CA's; `ca` is what clients are to trust. */
  tls?: { ca: string; cert: string; key: string } | undefined;
  /** Outside issuers whose tokens the seed's federated credentials trust. */
  federatedIssuers?: FederatedIssuer[];
  /** Where the seed's `web` runs, instead of `http://localhost:3000`. */
  frontendOrigin?: string | undefined;
  /** In place of the built-in seed. */
  seed?: unknown;
  /** `load` signs equal claims once a second: much cheaper, and two tokens of one second may be the same. */
  signing?: 'each' | 'load';
  /** `auto` shows people for load no page if a `login_hint` names them, until the admin says otherwise. */
  interaction?: 'page' | 'auto';
  /** How many people for load the first tenant has beside the seed's: `load00001@<domain>` and so on. */
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
  clientCertificates: Record<string, { cert: string; key: string }>;
  close(): Promise<void>;
};

/** The seed's ids by its short names. */
export type Ids = {
  tenants: { contoso: string; fabrikam: string } & Record<string, string>;
  apps: { web: string; api: string; job: string; graph: string } & Record<string, string>;
  users: { alice: string; bob: string; carol: string; dan: string; fay: string } & Record<string, string>;
};

const seedFrontend = 'http://localhost:3000';
const drainMs = 1_000;

/**
 * Runs the emulator in this process.
 * @throws ZodError for a seed that is not one, an error of the system if a port is taken.
 */
export async function createEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const { host = '127.0.0.1', profile = 'split', browserHost = 'localhost', stateDir, adminPort = 0 } = options;
  const logger = options.logger ?? createLogger({ level: 'silent', service: 'entra-emulator' });
  const { interaction = 'page', people = 0 } = options;
  const given = moveFrontend(options.seed ?? builtInSeed, options.frontendOrigin ?? seedFrontend);
  const seed = addPeople(seedSchema.parse(given), people);
  const tlsNames = options.tlsNames ?? ['localhost', '127.0.0.1', 'entra-emulator'];
  const [tls, keys, clientCertificates] = await Promise.all([
    options.tls ?? openTls(tlsNames, stateDir),
    createKeys(),
    generateCertificates(seed, stateDir),
  ]);
  const federation = createFederation(options.federatedIssuers ?? []);

  const clock = { offsetSeconds: 0 };
  const now = () => Date.now() / 1000 + clock.offsetSeconds;
  const stop = new AbortController();
  await using stack = new AsyncDisposableStack();
  const listen = async (port: number, secure: boolean) => {
    const handler = createListener((call, res) => current.dispatch(call, res), { secure, now, logger });
    const listening = await serve(handler, { port, host, drainMs, tls: secure ? tls : undefined });
    return stack.use(listening);
  };
  const https = await listen(options.httpsPort ?? 0, true);
  const http = await listen(options.httpPort ?? 0, false);
  // Without a default port: issuers are compared as text, and no client writes `:443`. RFC 6454 section 6.
  const { origin } = new URL(options.origin ?? `https://localhost:${https.port}`);
  const external = options.tenants === 'external';
  const issuerOf = (tid: string) => `${external ? `https://${tid}.ciamlogin.com` : origin}/${tid}/v2.0`;
  const split = new URL(options.browserOrigin ?? `http://${browserHost}:${http.port}`).origin;
  const browserOrigin = profile === 'https' ? origin : split;

  const createCurrent = () => {
    clock.offsetSeconds = 0;
    const directory = createDirectory(seed);
    const state = createState(now);
    const lifetimes = lifetimesSchema.parse({});
    const sign = options.signing === 'load' ? signOnce(keys, now, lifetimes) : signEach(keys, now, lifetimes);
    const world: World = {
      ...{
        origin,
        issuerOf,
        browserOrigin,
        now,
        clock,
        lifetimes,
        interaction: { mode: interaction },
        keys,
        directory,
        state,
      },
      consents: createConsents(directory, seed.consents),
      tokens: createTokens({ sign, lifetimes, issuerOf }),
      authenticate: createAuthenticate({ origin, now, federation, logger }),
    };
    return { world, ...createDispatch({ world, protocol: createProtocol(world), logger, signal: stop.signal }) };
  };
  let current = createCurrent();

  let admin: string | undefined;
  if (adminPort !== 'off') {
    const reset = () => {
      current = createCurrent();
    };
    const handle = createAdmin(() => current, reset);
    const handler = createListener(handle, { secure: false, now, logger });
    const listening = stack.use(await serve(handler, { port: adminPort, host: '127.0.0.1', drainMs }));
    admin = `http://127.0.0.1:${listening.port}`;
  }

  const open = stack.move();
  const close = async () => {
    stop.abort();
    await open.disposeAsync();
  };
  const ids = idsOf(seed);
  return { origin, browserOrigin, admin, ids, caPem: tls.ca, clientCertificates, close, [Symbol.asyncDispose]: close };
}

/** The seed knows one frontend; it may run elsewhere. */
function moveFrontend(seed: unknown, origin: string): unknown {
  return JSON.parse(JSON.stringify(seed).replaceAll(`"${seedFrontend}/`, `"${origin}/`));
}

function addPeople(seed: Seed, n: number): Seed {
  const [tenant] = seed.tenants;
  if (n === 0 || !tenant) return seed;
  return { ...seed, generate: [...seed.generate, { prefix: 'load', n, tid: tenant.tid }] };
}

/** Puts a fresh certificate where the seed says `generated`. */
async function generateCertificates(seed: Seed, stateDir: string | undefined): Promise<Emulator['clientCertificates']> {
  const certificates: Emulator['clientCertificates'] = {};
  for (const app of seed.apps.filter((candidate) => candidate.certificates.includes('generated'))) {
    const pair = await issueClientCertificate(app.name);
    certificates[app.name] = pair;
    app.certificates = app.certificates.map((pem) => (pem === 'generated' ? pair.cert : pem));
    if (!stateDir) continue;
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    await writeFile(join(stateDir, `${app.name}.key`), pair.key, { mode: 0o600 });
    await writeFile(join(stateDir, `${app.name}.pem`), pair.cert, { mode: 0o600 });
  }
  return certificates;
}

function idsOf({ tenants, apps, users }: Seed): Ids {
  const ids = {
    tenants: Object.fromEntries(tenants.map(({ domain, tid }) => [domain.split('.')[0], tid])),
    apps: Object.fromEntries(apps.map(({ name, appId }) => [name, appId])),
    users: Object.fromEntries(users.map(({ upn, oid }) => [upn.split('@')[0], oid])),
  };
  return ids as Ids;
}
