// Starts a TypeScript program on Node 24, from any Node 20.11 or newer: installs what the lockfile names when it
// is not installed yet, then hands over. The only plain JavaScript here, because Node 20 must be able to read it.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

/** The packages of a lockfile by their folder; npm keeps the second one as its note of what it has installed. */
function packagesOf(lockfile) {
  const path = join(root, lockfile);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : {};
}

const locked = packagesOf('package-lock.json');
const installed = packagesOf('node_modules/.package-lock.json');
// Packages for other platforms are optional and never installed; whether Node 24 arrived is asked below.
const missing = Object.entries(locked).filter(
  ([folder, { version, link, optional }]) =>
    folder.includes('node_modules/') && !link && !optional && installed[folder]?.version !== version,
);

if (missing.length > 0) {
  const startedAtMs = Date.now();
  process.stderr.write(`installing ${missing.length} npm packages of package-lock.json …\n`);
  // Without the project's own bin folder on PATH: npm would run on the very Node that it is about to remove.
  const path = process.env.PATH?.split(delimiter).filter((folder) => !folder.endsWith('node_modules/.bin'));
  const npm = spawn('npm', ['ci', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, PATH: path?.join(delimiter) },
  });
  const seconds = () => ((Date.now() - startedAtMs) / 1000).toFixed(0);
  const telling = setInterval(() => {
    const here = missing.filter(([folder]) => existsSync(join(root, folder, 'package.json'))).length;
    process.stderr.write(`  ${here} of ${missing.length} packages are here after ${seconds()} s\n`);
  }, 5_000);
  const status = await new Promise((resolve) => npm.once('error', () => resolve(1)).once('close', resolve));
  clearInterval(telling);
  if (status !== 0) fail('npm ci failed (see above): check that the npm registry is reachable, then run this again.');
  process.stderr.write(`installed in ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s\n`);
}

// A workspace that a pull has brought is a link only: no reason to install everything anew.
for (const [folder, { link, resolved }] of Object.entries(locked)) {
  if (link && !existsSync(join(root, folder))) symlinkSync(join('..', '..', resolved), join(root, folder));
}

const packaged = join(root, `node_modules/node-linux-${process.arch}/bin/node`);
const [major, minor] = process.versions.node.split('.').map(Number);
const newEnough = major > 24 || (major === 24 && minor >= 14);
const node = existsSync(packaged) ? packaged : newEnough ? process.execPath : undefined;
if (!node) {
  fail(
    `Node 24.14 or newer is needed and this is ${process.version}: install it from nodejs.org, or run ` +
      'npm ci --include=optional (it brings one for Linux), then run this again.',
  );
}

const child = spawn(node, process.argv.slice(2), {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...process.env,
    PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
    // Type stripping costs 0.2 s a process; this gives it back.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, '.cache/compile'),
  },
});
// Ctrl-C reaches the whole foreground group by itself; a signal sent to this process alone is passed on.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
// A npm that is killed passes nothing on; being adopted by another process is how that shows.
const parent = process.ppid;
setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 1_000).unref();
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
