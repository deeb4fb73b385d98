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
export async function openCachingNginx(logDir: string, servers: Record<string, string>) {
  const command = findNginx();
  if (!command) throw new Error("There is no nginx: install Debian's nginx, or set NGINX to one.");
  const dir = await mkdtemp(join(tmpdir(), 'onbehalf-nginx-'));
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${dir}/${kind};`,
  );
  const locations = Object.entries(servers).map(
    ([name, url]) => `location /${name && `${name}/`} { proxy_pass ${url}/; }`,
  );
  const config = `
    daemon off; ${process.getuid?.() === 0 ? 'user root;' : ''} worker_processes 1; pid ${dir}/pid; error_log stderr;
    events { worker_connections 256; }
    http {
      access_log off; ${temporary.join(' ')}
      proxy_cache_path ${dir}/cache keys_zone=shared:1m; proxy_cache shared; proxy_http_version 1.1;
      add_header X-Cache $upstream_cache_status always;
      server { listen 127.0.0.1:${port}; location = /ready { return 200; } ${locations.join(' ')} }
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
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
