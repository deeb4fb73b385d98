// Starts a TypeScript program on Node 24, from any Node 20.11 or newer: installs what the lockfile names when it
// is not installed yet, then hands over. The only plain JavaScript here, because Node 20 must be able to read it.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const modifiedMs = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

if (modifiedMs(join(root, 'node_modules/.package-lock.json')) < modifiedMs(join(root, 'package-lock.json'))) {
  process.stderr.write('installing the npm packages of package-lock.json …\n');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) fail('npm ci failed (see above): check that the npm registry is reachable, then run this again.');
}

const packaged = join(root, `node_modules/node-linux-${process.arch}/bin/node`);
const [major, minor] = process.versions.node.split('.').map(Number);
const newEnough = major > 24 || (major === 24 && minor >= 12);
const node = existsSync(packaged) ? packaged : newEnough ? process.execPath : undefined;
if (!node)
  fail(
    `Node 24.12 or newer is needed and this is ${process.version}: install it from nodejs.org, then run this again.`,
  );

const child = spawn(node, process.argv.slice(2), {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` },
});
// Ctrl-C reaches the whole foreground group by itself; a signal sent to this process alone is passed on.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
