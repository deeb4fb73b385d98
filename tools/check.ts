import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const help = `npm run check            Biome (format, lint, import walls) and tsc (types), without changing anything
npm run check -- --fix   lets Biome mend what it can first`;

const { values } = parseArgs({ options: { fix: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } });

const steps: [name: string, command: string, args: string[]][] = [
  ['biome', 'node_modules/.bin/biome', ['check', '--error-on-warnings', ...(values.fix ? ['--write'] : [])]],
  ['tsc', 'node_modules/.bin/tsc', []],
];

if (values.help) console.log(help);
else {
  let failed = 0;
  for (const [name, command, args] of steps) {
    const startedAtMs = performance.now();
    const { status } = spawnSync(command, args, { stdio: 'inherit' });
    const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(1);
    console.log(`${status === 0 ? '✔' : '✖'} ${name} (${seconds} s)`);
    if (status !== 0) failed += 1;
  }
  console.log(`${steps.length - failed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}
