import { existsSync, globSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort, isFree } from '../test/kit/ports.ts';
import { openSystem, type SystemOptions } from '../test/kit/system/open.ts';
import { namespace } from '../test/kit/system/registrations.ts';
import type { System } from '../test/kit/system/system.ts';
import { checkJourney } from './check-journey.ts';
import { readOwnApp, tellOwnApp, withOwnApp } from './demo/own-app.ts';
import { type OwnClient, readers, readOwnClient, withOwnClient, writeOwnEnvironment } from './demo/own-client.ts';
import { Panel } from './demo/panel.ts';
import { listPeople } from './demo/people.ts';
import { choosePorts } from './demo/ports.ts';
import { Reviver } from './demo/revive.ts';
import { tour } from './demo/tour.ts';
import { restartPrograms } from './restart.ts';
import { openWatch } from './run/watch.ts';

const help = `npm run demo                  everything on this machine: Redis, emulator, the three services, trace viewer
npm run demo -- --check       the same, then one journey through the front door, then exit 0 or 1
npm run demo -- --script outage  breaks one part after another, and checks what must happen; then exit 0 or 1
npm run demo -- --any-port    on free ports instead of the usual ones; in place of a taken one comes the next
npm run demo -- --watch       a saved file restarts its service; one of chassis or packages restarts all
npm run demo -- --inspect=<service>  a debugger can attach to that service; its port is printed
npm run demo -- --app http://localhost:4000  puts an app of yours behind the frontend, with its sign-in; or a folder of files
npm run demo -- --client my-web --redirect http://localhost:4000/auth/callback
                              registers an app of yours at Entra and at the broker, and writes the environment it needs to
                              .cache/demo/my-web.env, or to --env <file>; docs/your-own-app.md

Ctrl-C ends it and leaves nothing running. Logs: out/demo/.`;

/** A newcomer waits so long at most for the address, once the packages are there. */
const startsWithinMs = 60_000;
/** Node's own, to which .vscode/launch.json attaches. */
const usualDebuggerPort = 9229;
/** A script that asks the demo's Redis, so that nobody has to copy a password. Gives how to call it. */
async function writeRedisCli({ redis, stateDir }: System): Promise<string> {
  const { command, env } = redis.cli ?? { command: 'redis-cli', env: {} };
  const user = redis.username ? ` --user ${redis.username}` : '';
  const set = Object.entries({ ...env, ...(redis.password && { REDISCLI_AUTH: redis.password }) });
  const exported = set.map(([name, value]) => `export ${name}='${value}'\n`).join('');
  const path = join(stateDir, 'redis-cli');
  await writeFile(path, `#!/bin/sh\n${exported}exec '${command}' -h ${redis.host} -p ${redis.port}${user} "$@"\n`, {
    mode: 0o700,
  });
  return path;
}

async function introduce(system: System, panel: string): Promise<void> {
  const { web, viewerUrl: viewer, redis, logDir, broker, stateDir, emulator } = system;
  const cli = await writeRedisCli(system);
  for (const name of readers) await system.cluster.mountToken({ namespace, name, audience: 'token-broker' });
  const lines = [
    `Open ${web}`,
    '',
    '  Sign in as one of these; nobody has a password:',
    ...listPeople().map((person) => `    ${person}`),
    '',
    ...(viewer ? [`  Traces:  ${viewer}`] : []),
    `  Break:   ${panel}`,
    `  Logs:    ${logDir}/`,
    `  Broker:  ${broker}, its callers' tokens in ${stateDir}/service-accounts/`,
    `  Entra:   ${emulator.admin}/state, its admin API: services/entra-emulator/README.md`,
    `  Redis:   ${cli} --scan${redis.logFile ? ' (in memory only: it ends with the demo)' : ''}`,
    '',
    'Ctrl-C ends everything.',
  ];
  console.log(`\n${lines.join('\n')}`);
}

async function introduceOwn(own: OwnClient, system: System): Promise<void> {
  const lines = await writeOwnEnvironment(own, system);
  const file = relative('.', own.envFile);
  const intro = `\n${own.name} is registered. What it needs is in ${file}:\n`;
  // Node reads NODE_EXTRA_CA_CERTS before --env-file.
  const start = `\n  Start yours with it: (set -a; . ./${file}; exec node app.js)`;
  console.log([intro, ...lines.map((line) => `  ${line}`), start].join('\n'));
}

function progress(program: string, ms: number, detail: string): void {
  console.log(`✔ ${program.padEnd(16)}${(ms / 1_000).toFixed(1).padStart(5)} s  ${detail}`);
}

/** Options for Node.js that let a debugger attach to one service. @throws Error where there is no such service. */
async function inspectorOf(service: string): Promise<Record<string, string[]>> {
  if (!existsSync(`services/${service}/src/main.ts`)) {
    const services = globSync('services/*/src/main.ts').map((path) => path.split('/')[1]);
    throw new Error(`There is no service ${service} to inspect: ${services.sort().join(', ')}.`);
  }
  const port = (await isFree(usualDebuggerPort)) ? usualDebuggerPort : await freePort();
  console.log(`debugger of ${service}: 127.0.0.1:${port}`);
  return { [service]: [`--inspect=127.0.0.1:${port}`] };
}

async function restartOnSave(system: System, signal: AbortSignal): Promise<void> {
  using watch = openWatch(['services']);
  const stopped = aborted(signal).then(() => undefined);
  for (;;) {
    const paths = await Promise.race([watch.saved(), stopped]);
    if (!paths) return;
    await restartPrograms(system, paths, console.log);
  }
}

const options = {
  check: { type: 'boolean' },
  script: { type: 'string' },
  'any-port': { type: 'boolean' },
  watch: { type: 'boolean' },
  inspect: { type: 'string' },
  app: { type: 'string' },
  client: { type: 'string' },
  redirect: { type: 'string', multiple: true },
  env: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** What web-frontend is told of the app behind it. @throws Error in a sentence for a wrong one. */
async function environmentOf(app: ReturnType<typeof readOwnApp>, walked: boolean): Promise<SystemOptions['env']> {
  if (app && walked) throw new Error('--check and --script walk the sample pages, not --app.');
  return app && (await withOwnApp(app)).env;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options });
  if (values.help) return console.log(help);
  if (values.script !== undefined && values.script !== 'outage') throw new Error('There is one script: outage.');
  const own = readOwnClient(values);
  const ownSystem = own && withOwnClient(own);
  const app = readOwnApp(values.app);
  const appEnv = await environmentOf(app, Boolean(values.check || values.script));

  const ending = new AbortController();
  // The launcher passes on what the terminal already sent, so each signal may come twice.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ending.abort());
  let death: string | undefined;
  let reviver: Reviver | undefined;
  const onDeath = async (sentence: string, name: string) => {
    if (ending.signal.aborted || (await reviver?.revive(name, sentence))) return;
    death ??= sentence;
    ending.abort();
  };

  const startedAtMs = performance.now();
  const ports = await choosePorts({ anyPort: values['any-port'] ?? false, print: console.log });
  await using system = await openSystem({
    frontend: true,
    name: 'demo',
    redisPrefix: 'ob:v1:',
    ...ownSystem,
    // A crowd is one person here, and this process sends it, which also has the relay before Redis.
    env: {
      broker: { SESSION_RATE: '1000', REDIS_COMMAND_TIMEOUT_MS: '1000', METRICS_ENABLED: 'true' },
      ...ownSystem?.env,
      ...appEnv,
    },
    ports,
    ...(values.inspect !== undefined && { nodeOptions: await inspectorOf(values.inspect) }),
    progress,
    onDeath,
    signal: ending.signal,
  });
  reviver = values.check ? undefined : new Reviver(system, console.log);
  tellStart(performance.now() - startedAtMs, values.check);
  const walk = values.check ? checkJourney : values.script ? tour : undefined;
  if (walk) {
    const stopped = aborted(ending.signal).then(() => {
      throw new Error(death ?? 'Stopped before it was over.');
    });
    await Promise.race([walk(system, progress), stopped]);
  } else {
    await using panel = new Panel(system);
    if (own) await introduceOwn(own, system);
    if (app) console.log(`\n${tellOwnApp(app)}`);
    await introduce(system, await panel.listen(ports.panel));
    if (values.watch) await restartOnSave(system, ending.signal);
    await aborted(ending.signal);
    console.log('\nending …');
  }
  if (death) throw new Error(death);
}

/** @throws Error if the demo is checked and took too long. */
function tellStart(startedInMs: number, check = false): void {
  console.log(`started in ${(startedInMs / 1_000).toFixed(1)} s`);
  if (check && startedInMs > startsWithinMs) throw new Error(`It must start within ${startsWithinMs / 1_000} s.`);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

await main().catch((error: unknown) => {
  console.error(`✖ ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
});
