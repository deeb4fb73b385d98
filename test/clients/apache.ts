import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Child, startChild } from '../kit/child.ts';
import { unpackDebian } from '../kit/debian/packages.ts';

export type Apache = AsyncDisposable & {
  origin: string;
  /** Of mod_auth_openidc. */
  version: string;
};

type Options = {
  port: number;
  caPem: string;
  settings: string[];
  /** What it is to know of providers, by file: its `OIDCMetadataDir`. */
  metadata?: Record<string, object>;
  logFile: string;
};

/** Every page tells who asks for it; `/open` asks nobody. */
const site = `
  <Location "/">
    AuthType openid-connect
    Require valid-user
    SetHandler server-status
    Header set X-Name "%{OIDC_CLAIM_name}e"
    Header set X-Access-Token "%{OIDC_access_token}e"
  </Location>
  <Location "/open">
    AuthType None
    Require all granted
  </Location>`;

const modules = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'headers', 'status', 'auth_openidc'];

/**
 * Debian's Apache with mod_auth_openidc as a person's application, with these further directives of the latter.
 * @throws Error where there is no apt, or it reaches no mirror.
 */
export async function openApache({ port, caPem, settings, metadata = {}, logFile }: Options): Promise<Apache> {
  const home = await findApache();
  const directory = await mkdtemp(join(tmpdir(), 'onbehalf-apache-'));
  // Started by root, it serves as somebody else, who reads the CA's file.
  await chmod(directory, 0o755);
  await writeFile(join(directory, 'ca.pem'), caPem, { mode: 0o644 });
  for (const [name, content] of Object.entries(metadata)) {
    await writeFile(join(directory, name), JSON.stringify(content), { mode: 0o644 });
  }
  const origin = `http://localhost:${port}`;
  const configuration = [
    ...modules.map((name) => `LoadModule ${name}_module ${moduleFile(home, name)}`),
    `Listen 127.0.0.1:${port}`,
    `ServerName localhost:${port}`,
    `DefaultRuntimeDir ${directory}`,
    `PidFile ${directory}/pid`,
    `DocumentRoot ${directory}`,
    ...['ErrorLog /dev/stderr', 'LogLevel warn', 'StartServers 1'],
    ...(process.getuid?.() === 0 ? ['User nobody', 'Group nogroup'] : []),
    `OIDCCABundlePath ${directory}/ca.pem`,
    'OIDCCryptoPassphrase of-this-test-alone',
    `OIDCRedirectURI ${origin}/auth/callback`,
    'OIDCPKCEMethod S256',
    ...settings,
    ...(Object.keys(metadata).length > 0 ? [`OIDCMetadataDir ${directory}`] : []),
    site,
  ];
  const file = join(directory, 'httpd.conf');
  await writeFile(file, `${configuration.join('\n')}\n`, { mode: 0o600 });
  const ask = async (path: string) => await fetch(`${origin}${path}`, { signal: AbortSignal.timeout(5_000) });
  let child: Child;
  try {
    child = await startChild({
      ...{ name: 'apache2', command: join(home, 'usr/sbin/apache2'), args: ['-D', 'FOREGROUND', '-f', file], logFile },
      env: { PATH: process.env.PATH ?? '', LD_LIBRARY_PATH: (await libraries(home)).join(':') },
      ready: async () => (await ask('/open')).ok,
    });
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  return {
    origin,
    version: /mod_auth_openidc-([\d.]+)/.exec(await readFile(moduleFile(home, 'auth_openidc'), 'latin1'))?.[1] ?? '',
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Where Debian's packages are unpacked: no service is started, nothing is installed. */
async function findApache(): Promise<string> {
  const home = resolve('.cache/debian/apache2');
  const packages = ['apache2-bin', 'libapache2-mod-auth-openidc'];
  if (!existsSync(home) && !(await unpackDebian(home, { cacheDir: '.cache', packages, whole: true }))) {
    throw new Error(`there is no apache2: Debian's ${packages.join(' and ')} cannot be had`);
  }
  return home;
}

const moduleFile = (home: string, name: string) => `${home}/usr/lib/apache2/modules/mod_${name}.so`;

async function libraries(home: string): Promise<string[]> {
  const folder = join(home, 'usr/lib');
  return [folder, ...(await readdir(folder)).map((name) => join(folder, name))];
}
