import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** How a program of a language is started, once what it needs is there. */
export type Runner = (program: string) => { command: string; args: string[]; env: Record<string, string> };

type Language = {
  /** Where its programs are, and the files that say what is fetched: another content is another folder. */
  folder: string;
  manifests: string;
  /** Its name on PATH, and how to ask whether it works. */
  command: [name: string, ...args: string[]];
  /** What a machine without it lacks, in the words of Debian. */
  lacking: string;
  /** Brings the packages into `home`. */
  fetch(home: string): void;
  runner(home: string): Runner;
};

const setUpWithinMs = 10 * 60_000;

const python = (folder: string): Language => ({
  folder,
  manifests: 'requirements.txt',
  command: ['python3', '-c', 'import venv, ensurepip'],
  lacking: 'python3-venv',
  fetch(home) {
    run('python3', ['-m', 'venv', home]);
    const quiet = ['--quiet', '--disable-pip-version-check', '--no-input'];
    run(join(home, 'bin/pip'), ['install', ...quiet, '--requirement', `${folder}/requirements.txt`]);
  },
  runner: (home) => (program) => ({
    command: join(home, 'bin/python'),
    args: [`${folder}/${program}.py`],
    env: { PYTHONDONTWRITEBYTECODE: '1' },
  }),
});

const go = (folder: string): Language => ({
  folder,
  // One folder a program; they are built at once.
  manifests: '**/*.{go,mod,sum}',
  command: ['go', 'version'],
  lacking: 'golang-go',
  fetch: (home) => run('go', ['build', '-o', `${home}/`, './...'], { cwd: folder }),
  runner: (home) => (program) => ({ command: join(home, program), args: [], env: {} }),
});

const java = (folder: string): Language => ({
  folder,
  manifests: '*.{xml,java}',
  command: ['mvn', '--version'],
  lacking: 'maven and default-jdk-headless',
  fetch(home) {
    const copy = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
    run('mvn', ['--batch-mode', '--quiet', '--file', `${folder}/pom.xml`, copy, `-DoutputDirectory=${home}`]);
    run('javac', ['-d', join(home, 'classes'), '--class-path', `${home}/*`, ...globSync(`${folder}/*.java`)]);
  },
  runner: (home) => (program) => ({
    command: 'java',
    args: ['-XX:TieredStopAtLevel=1', '--class-path', `${home}/classes:${home}/*`, program],
    env: {},
  }),
});

const node = (folder: string): Language => ({
  folder,
  manifests: '*',
  command: [process.execPath, '--version'],
  lacking: 'nodejs',
  // The programs stand beside what they import.
  fetch(home) {
    cpSync(folder, home, { recursive: true });
    run('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts'], { cwd: home });
  },
  runner: (home) => (program) => ({ command: process.execPath, args: [join(home, `${program}.mjs`)], env: {} }),
});

/** The clients of this suite, and the examples. */
const languages = {
  python: python('test/clients/python'),
  go: go('test/clients/go'),
  // Go too, and by itself: a Collector of the parts that docs/telemetry.md shows, since none is released with so few.
  collector: {
    ...go('test/clients/collector'),
    runner: (home: string) => () => ({ command: join(home, 'collector'), args: [], env: {} }),
  },
  java: java('test/clients/java'),
  node: node('test/clients/node'),
  // Programs by themselves, which Python's registry has in wheels.
  gateways: {
    ...python('test/clients/gateways'),
    runner: (home: string) => (program: string) =>
      program === 'envoy'
        ? { command: join(home, 'bin/python'), args: ['-m', 'envoy._main'], env: {} }
        : { command: join(home, 'bin', program), args: [], env: {} },
  },
  fastapi: python('examples/fastapi'),
  'go-api': go('examples/go'),
  'java-api': java('examples/java'),
};

export type LanguageName = keyof typeof languages;
export const languageNames = Object.keys(languages) as LanguageName[];

/**
 * Sets a language up for the programs under its folder, at the versions that stand there, in `.cache/clients`; at once
 * where that was done before.
 * @throws Error with what is missing on this machine.
 */
export function openLanguage(name: LanguageName, progress: (line: string) => void = () => {}): Runner {
  const { folder, command, lacking, manifests, fetch, runner }: Language = languages[name];
  const [program, ...args] = command;
  const asked = spawnSync(program, args, { encoding: 'utf8' });
  if (asked.status !== 0) throw new Error(`there is no ${program}: install Debian's ${lacking}`);
  const content = createHash('sha256').update(`${asked.stdout}`);
  for (const file of globSync(`${folder}/${manifests}`).sort()) content.update(readFileSync(file));
  const home = resolve('.cache/clients', `${name}-${content.digest('hex').slice(0, 16)}`);
  if (existsSync(home)) return runner(home);
  const startedAtMs = performance.now();
  progress(`${name}: fetching what ${folder} names …`);
  const work = `${home}.${process.pid}`;
  mkdirSync(work, { recursive: true });
  try {
    fetch(work);
    renameSync(work, home);
  } catch (error) {
    rmSync(work, { recursive: true, force: true });
    throw error;
  }
  progress(`${name}: ready after ${((performance.now() - startedAtMs) / 1_000).toFixed(0)} s`);
  return runner(home);
}

/** @throws Error with the last words of a program that failed. */
function run(command: string, args: string[], options: { cwd?: string } = {}): void {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    ...{ encoding: 'utf8', timeout: setUpWithinMs, ...options },
  });
  if (status !== 0) {
    const words = `${error?.message ?? ''} ${stdout} ${stderr}`.trim().split('\n').slice(-5).join(' ');
    throw new Error(`${command} ${args[0]} failed: ${words}`);
  }
}
