import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { answers, startChild } from '../kit/child.ts';
import { freePort } from '../kit/ports.ts';
import { openLanguage } from './languages.ts';

/** Whole addresses: of the app, of web-frontend, and of the listener that gateways ask. */
export type Behind = Record<'app' | 'frontend' | 'verify', string>;

/** `entry`: whose rules they ask for. */
type Asking = Behind & { entry: string };

/** What a gateway needs besides its name: its configuration by file, the first of them is given to it. */
type Configured = { files: Record<string, string>; args: (file: string) => string[] };

/** The paths of web-frontend itself. */
const own = '^/(sign-in|sign-out|session|auth|api)(/.*)?$';

/** The configuration of a gateway that docs/front.md shows, by how it begins, with the addresses of a test. */
function documented(begins: string, { verify, entry }: Asking): string {
  const blocks = [...readFileSync('docs/front.md', 'utf8').matchAll(/```\w+\n([\s\S]*?)```/g)].map(([, text]) => text);
  const found = blocks.find((text) => text?.startsWith(begins));
  if (!found) throw new Error(`docs/front.md shows no ${begins}`);
  return found
    .replaceAll('/auth/verify/shop', `/auth/verify/${entry}`)
    .replaceAll('http://web-frontend:8081', verify)
    .replaceAll('web-frontend:8081', new URL(verify).host);
}

const json = (block: string) => parse(block) as Record<string, object>;

function traefik(port: number, behind: Asking): Configured {
  const to = (url: string) => ({ loadBalancer: { servers: [{ url }] } });
  const http = {
    routers: {
      own: { rule: `PathRegexp(\`${own}\`)`, service: 'frontend', priority: 100 },
      app: { rule: 'PathPrefix(`/`)', service: 'app', middlewares: ['verify'], priority: 1 },
    },
    middlewares: { verify: json(documented('forwardAuth:', behind)) },
    services: { app: to(behind.app), frontend: to(behind.frontend) },
  };
  const still = ['--global.checknewversion=false', '--global.sendanonymoususage=false'];
  const address = `--entrypoints.web.address=127.0.0.1:${port}`;
  return {
    files: { 'routes.yaml': stringify({ http }) },
    args: (file) => [...still, address, `--providers.file.filename=${file}`, '--providers.file.watch=false'],
  };
}

function caddy(port: number, behind: Asking): Configured {
  const text = `{
    admin off
    auto_https off
    storage file_system {$XDG_DATA_HOME}
  }
  http://127.0.0.1:${port} {
    @own path_regexp ${own}
    handle @own {
      reverse_proxy ${behind.frontend}
    }
    handle {
      ${documented('forward_auth', behind)}
      reverse_proxy ${behind.app}
    }
  }`;
  return {
    files: { Caddyfile: text },
    args: (file) => ['run', '--config', file, '--adapter', 'caddyfile'],
  };
}

function envoy(port: number, behind: Asking): Configured {
  const cluster = (name: string, url: string) => {
    const { hostname: address, port } = new URL(url);
    const endpoint = { address: { socket_address: { address, port_value: Number(port) } } };
    const endpoints = [{ lb_endpoints: [{ endpoint }] }];
    return { name, connect_timeout: '2s', type: 'STATIC', load_assignment: { cluster_name: name, endpoints } };
  };
  const type = (name: string) => `type.googleapis.com/envoy.extensions.filters.${name}`;
  const verify = type('http.ext_authz.v3.ExtAuthz');
  const route = (match: object, to: string, more: object = {}) => ({ match, route: { cluster: to }, ...more });
  const unasked = {
    typed_per_filter_config: {
      'envoy.filters.http.ext_authz': { '@type': `${verify}PerRoute`, disabled: true },
    },
  };
  const routes = [route({ safe_regex: { regex: own } }, 'frontend', unasked), route({ prefix: '/' }, 'app')];
  const manager = {
    '@type': type('network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'web',
    use_remote_address: true,
    common_http_protocol_options: { headers_with_underscores_action: 'DROP_HEADER' },
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    http_filters: [
      {
        name: 'envoy.filters.http.ext_authz',
        typed_config: { '@type': verify, ...json(documented('http_service:', behind)) },
      },
      { name: 'envoy.filters.http.router', typed_config: { '@type': type('http.router.v3.Router') } },
    ],
  };
  const filters = [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }];
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  const { app, frontend, verify: asked } = behind;
  const static_resources = {
    listeners: [{ name: 'web', address, filter_chains: [{ filters }] }],
    clusters: [cluster('app', app), cluster('frontend', frontend), cluster('web-frontend-verify', asked)],
  };
  return {
    files: { 'envoy.yaml': stringify({ static_resources }, { aliasDuplicateObjects: false }) },
    args: (file) => ['-c', file, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'warning'],
  };
}

const gateways = { caddy, envoy, traefik };
export type GatewayName = keyof typeof gateways;
export const gatewayNames = Object.keys(gateways) as GatewayName[];

/**
 * A gateway as it is released, set up as docs/front.md has it: it asks web-frontend before a request reaches the app.
 * @throws Error where Python, which brings it, is missing.
 */
export async function openGateway(name: GatewayName, logDir: string, behind: Behind, entry = 'shop') {
  const { command, args: before } = openLanguage('gateways')(name);
  const dir = await mkdtemp(join(tmpdir(), `onbehalf-${name}-`));
  const port = await freePort();
  const { files, args } = gateways[name](port, { ...behind, entry });
  for (const [file, text] of Object.entries(files)) await writeFile(join(dir, file), text);
  const [first = ''] = Object.keys(files);
  const origin = `http://127.0.0.1:${port}`;
  const child = await startChild({
    ...{
      name,
      command,
      args: [...before, ...args(join(dir, first))],
      logFile: join(logDir, `${name}.log`),
      withinMs: 60_000,
    },
    env: { PATH: process.env.PATH ?? '', HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir },
    ready: () => answers(`${origin}/auth/jwks.json`),
  });
  return {
    origin,
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
