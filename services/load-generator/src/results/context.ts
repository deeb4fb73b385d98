import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { cpus, loadavg, totalmem } from 'node:os';
import type { Result } from './result.ts';

/** What a result was measured on and by. `command` holds no secret: options are names, numbers and files. */
export function readContext(options: {
  seed: number;
  quick: boolean;
  target: string;
  args: readonly string[];
}): Result['context'] {
  const [one = 0, five = 0, fifteen = 0] = loadavg();
  return {
    ...{ commit: git('rev-parse', '--short', 'HEAD') || 'unknown', modified: git('status', '--porcelain') !== '' },
    command: ['npm run load --', ...options.args].join(' '),
    startedAt: new Date().toISOString(),
    ...{ seed: options.seed, quick: options.quick, target: options.target, generators: 1 },
    versions: { node: process.version, ...Object.fromEntries(packages.map((name) => [name, versionOf(name)])) },
    ...{ cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, memoryBytes: totalmem() },
    loadAverage: [one, five, fifteen],
  };
}

const packages = ['@azure/msal-node', 'redis', 'undici', 'hdr-histogram-js'];

function versionOf(name: string): string {
  const require = createRequire(import.meta.url);
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return (require(`${folder}/${name}/package.json`) as { version: string }).version;
    } catch {
      // Not in this folder, or its manifest is not for others.
    }
  }
  return 'unknown';
}

function git(...args: string[]): string {
  try {
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    // An image has no git and no history.
    return '';
  }
}
