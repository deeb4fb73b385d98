import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answers, startChild } from './child.ts';
import { freePort } from './ports.ts';

const usualPlaces = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/local/bin/nginx', '/opt/homebrew/bin/nginx'];

/** The nginx of this machine: `NGINX`, else where distributions put it. */
export function findNginx(): string | undefined {
  return [process.env.NGINX, ...usualPlaces].find((path) => path && existsSync(path));
}

/**
 * An nginx that caches for everybody what answers let it, before each of these servers by its path: `/<name>/…`, and
 * `/…` for the one that has no name. `X-Cache` says where an answer came from.
 * @throws Error if this machine has none.
 */
export function openCachingNginx(logDir: string, servers: Record<string, string>) {
  const locations = Object.entries(servers).map(
    ([name, url]) => `location /${name && `${name}/`} { proxy_pass ${url}/; }`,
  );
  return openNginx(logDir, (dir) => ({
    http: `proxy_cache_path ${dir}/cache keys_zone=shared:1m; proxy_cache shared; proxy_http_version 1.1;
      add_header X-Cache $upstream_cache_status always;`,
    server: locations.join(' '),
  }));
}

/**
 * An nginx before this server as ingress-nginx sets it up unless told otherwise: its buffers, limits, timeouts and
 * headers. `more` are directives of the location that an annotation would change, such as `client_max_body_size 0;`.
 * Kubernetes' ingress-nginx: "NGINX Configuration, ConfigMaps", defaults.
 * @throws Error if this machine has none.
 */
export function openIngressNginx(logDir: string, url: string, more = '') {
  const unlessSaid = (name: string, value: string) => (more.includes(`${name} `) ? '' : `${name} ${value};`);
  return openNginx(logDir, () => ({
    http: `client_header_buffer_size 1k; large_client_header_buffers 4 8k; client_body_buffer_size 8k;
      map $http_upgrade $connection_upgrade { default upgrade; '' ''; }`,
    server: `location / {
      proxy_pass ${url}; proxy_http_version 1.1; proxy_redirect off;
      ${unlessSaid('client_max_body_size', '1m')}
      ${unlessSaid('proxy_buffering', 'off')} ${unlessSaid('proxy_request_buffering', 'on')}
      ${unlessSaid('proxy_buffer_size', '4k')} ${unlessSaid('proxy_buffers', '4 4k')}
      ${unlessSaid('proxy_connect_timeout', '5s')}
      ${unlessSaid('proxy_send_timeout', '60s')} ${unlessSaid('proxy_read_timeout', '60s')}
      proxy_set_header Host $http_host; proxy_set_header Proxy '';
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Request-ID $request_id; proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Scheme $scheme; proxy_set_header X-Scheme $scheme;
      ${more}
    }`,
  }));
}

/**
 * An nginx before this app that lets nobody pass whom `verify`, an address of web-frontend's `/auth/verify/…`, does not let
 * pass, as docs/front.md has it; what is web-frontend's own goes to `frontend`.
 * @throws Error if this machine has none.
 */
export function openVerifyingNginx(
  logDir: string,
  { app, frontend, verify }: Record<'app' | 'frontend' | 'verify', string>,
) {
  return openNginx(logDir, () => ({
    http: 'absolute_redirect off;',
    server: `
      location / {
        auth_request /_verify;
        auth_request_set $authorization $upstream_http_authorization;
        auth_request_set $auth_name $upstream_http_x_auth_name;
        auth_request_set $cookies $upstream_http_cookie;
        auth_request_set $sign_in $upstream_http_x_sign_in;
        error_page 401 = @sign_in;
        proxy_set_header Authorization $authorization;
        proxy_set_header X-Auth-Name $auth_name;
        proxy_set_header Cookie $cookies;
        proxy_pass ${app};
      }
      location = /_verify {
        internal;
        proxy_pass ${verify};
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
        proxy_set_header X-Original-URI $request_uri;
        proxy_set_header X-Forwarded-Host $http_host;
      }
      location @sign_in {
        if ($sign_in = "") { return 401; }
        return 303 $sign_in;
      }
      location ~ ^/(sign-in|sign-out|session|auth|api)(/|$) {
        proxy_pass ${frontend};
        proxy_set_header Host $http_host;
      }`,
  }));
}

/** An nginx of its own, in a folder of its own; its server answers `/ready` besides. */
async function openNginx(logDir: string, configure: (dir: string) => { http: string; server: string }) {
  const command = findNginx();
  if (!command) throw new Error("There is no nginx: install Debian's nginx, or set NGINX to one.");
  const dir = await mkdtemp(join(tmpdir(), 'onbehalf-nginx-'));
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${dir}/${kind};`,
  );
  const { http, server } = configure(dir);
  const config = `
    daemon off; ${process.getuid?.() === 0 ? 'user root;' : ''} worker_processes 1; pid ${dir}/pid; error_log stderr;
    events { worker_connections 256; }
    http {
      access_log off; ${temporary.join(' ')}
      ${http}
      server { listen 127.0.0.1:${port}; location = /ready { return 200; } ${server} }
    }`;
  await writeFile(join(dir, 'nginx.conf'), config);
  const origin = `http://127.0.0.1:${port}`;
  const child = await startChild({
    ...{ name: 'nginx', command, args: ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'] },
    logFile: join(logDir, 'nginx.log'),
    ready: () => answers(`${origin}/ready`),
  });
  return {
    origin,
    port,
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
