import { spawnSync } from 'node:child_process';
import { existsSync, globSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { deadLinks } from './links.ts';

const help = `npm run docs                  builds the documentation into out/site and checks its links
SOURCE_URL=https://<host>/<owner>/<name>/blob/<ref> npm run docs  links sources of the repository there

Its generator is installed into docs/site, by its own lockfile.`;

const site = 'docs/site';
const out = 'out/site';

function run(command: string, args: string[], cwd = '.'): void {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit', timeout: 300_000 });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}`);
}

function build(): void {
  if (!existsSync(`${site}/node_modules/.package-lock.json`)) run('npm', ['ci', '--no-audit', '--no-fund'], site);
  rmSync(out, { recursive: true, force: true });
  run(process.execPath, ['node_modules/@11ty/eleventy/cmd.cjs', '--quiet'], site);
  run(join(site, 'node_modules/.bin/pagefind'), ['--site', out, '--silent']);
  const dead = deadLinks(out);
  if (dead.length > 0) throw new Error(`links that lead nowhere:\n  ${dead.join('\n  ')}`);
  const pages = globSync(`${out}/**/*.html`).length;
  console.log(`${pages} pages in ${out}; look at them by any web server, e.g. python3 -m http.server -d ${out}`);
}

const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } });
try {
  if (values.help) console.log(help);
  else build();
} catch (error) {
  console.error(`✖ ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
