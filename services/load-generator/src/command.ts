import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createConsoleOutput, describeRun } from './console-output.ts';
import { merge } from './judging/merge.ts';
import type { Scenario } from './judging/scenario.ts';
import { choose, helpText, loadOf, type Options, readOptions } from './options.ts';
import { performAll, performRemote } from './perform.ts';
import { hlogName, toCsv, toHlog } from './report/raw.ts';
import { renderReport } from './report/report.ts';
import { readContext } from './results/context.ts';
import { type Result, resultSchema, type ScenarioRun, worstOf } from './results/result.ts';
import { RunClock } from './run-clock.ts';
import { scenarios } from './scenarios/scenarios.ts';
import type { Progress } from './sending/plan.ts';
import { selfTest, selfTestLeastMs } from './sending/self-test.ts';
import { openEndpoint } from './target/endpoint.ts';
import { openRemote, podOf, type Remote } from './target/remote.ts';
import { Unsafe } from './target/safety.ts';
import type { OpenStage } from './target/stage.ts';

const exitCodes = { pass: 0, fail: 1, invalid: 2 } as const;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Runs what was chosen, one after the other; after each run all that was measured so far. */
async function* runAll(options: Options, { args, env, openStage }: Command): AsyncGenerator<Result> {
  const chosen = choose(scenarios, options);
  if (options.url && options.names.length === 0) throw new Unsafe('--url needs the name of a scenario.');
  const foreign = chosen.some(({ remote }) => remote?.foreign);
  if (foreign !== (options.endpoint !== undefined) || (foreign && chosen.length > 1))
    throw new Unsafe('The scenario endpoint and --endpoint FILE go together, without another scenario.');
  const own = options.url && chosen.find(({ remote }) => !remote);
  if (own) throw new Unsafe(`The scenario ${own.name} has to start what it loads: leave out --url.`);
  const clock = new RunClock(plannedSeconds(chosen, options));
  const output = createConsoleOutput(clock);
  const target = await openTarget(options, openStage);
  const context = readContext({ ...options, target: typeof target === 'function' ? 'local' : target.url, args });
  const selfTestP99Ms = await testItself(options, output);
  const runs: ScenarioRun[] = [];
  for (const scenario of chosen) {
    const { load, scaled } = loadOf(scenario, options, cpus().length);
    const { seed, quick } = options;
    const speaking = {
      say: (doing: string) => output.say(scenario.name, doing),
      tell: (progress: Progress) => output.tell(scenario.name, load.durationSeconds, progress),
    };
    for (let repeat = 1; repeat <= options.repeat; repeat += 1) {
      const performing = { load, repeat, seed, scaled, quick };
      const performed =
        typeof target === 'function'
          ? performAll(scenario, performing, speaking, target)
          : [
              await performRemote(
                scenario,
                target,
                { ...podOf(env), startAtMs: options['start-at'], replicas: options.replicas },
                performing,
                speaking,
              ),
            ];
      for await (const run of performed) {
        output.end();
        clock.end();
        say(describeRun(run, quick));
        runs.push(run);
        yield { version: 1, verdict: worstOf(runs.map(({ verdict }) => verdict)), context, selfTestP99Ms, runs };
      }
    }
  }
}

/** For how long each run that was chosen sends, in their order. */
function plannedSeconds(chosen: readonly Scenario[], options: Options): number[] {
  return chosen.flatMap((scenario) => {
    const { load } = loadOf(scenario, options, cpus().length);
    const variants =
      options.url || options.endpoint
        ? [load]
        : scenario.variants(load).map((variant) => ({ ...load, ...variant.load }));
    return Array.from({ length: options.repeat }, () => variants.map(({ durationSeconds }) => durationSeconds)).flat();
  });
}

/** A generator that would not show a stall measures nothing. @throws Unsafe if this one would not. */
async function testItself({ quick }: Options, output: ReturnType<typeof createConsoleOutput>): Promise<number> {
  output.say('self-test', 'measuring a server that stalls for a second');
  const p99Ms = await selfTest(quick ? 4 : 10);
  output.end();
  say(`self-test: p99 ${p99Ms.toFixed(0)} ms of a server that stalls for 1 s, at least ${selfTestLeastMs}`);
  if (p99Ms < selfTestLeastMs) throw new Unsafe('The generator does not keep its schedule: nothing was measured.');
  return p99Ms;
}

async function openTarget(options: Options, openStage: OpenStage | undefined): Promise<Remote | OpenStage> {
  if (options.endpoint) return await openEndpoint(options.endpoint, options['allow-host']);
  return options.url ? await openRemote(options) : (openStage ?? refuseToStart());
}

function refuseToStart(): never {
  throw new Unsafe('Only npm run load starts brokers: name one that runs by --url.');
}

/** The command line, the environment, and what starts brokers, where that can be done. */
type Command = { args: readonly string[]; env: NodeJS.ProcessEnv; openStage: OpenStage | undefined };

/**
 * Runs one command line of the load generator. Gives the exit code: 0 pass, 1 fail, 2 invalid or refused.
 * `openStage` starts what is loaded; without it, only a broker that runs already can be.
 */
export async function runCommand(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  openStage?: OpenStage,
): Promise<number> {
  try {
    return await run({ args, env, openStage });
  } catch (error) {
    const words = error instanceof Unsafe ? error.message : error instanceof Error ? error.stack : error;
    process.stderr.write(`${words}\n`);
    return exitCodes.invalid;
  }
}

async function run(command: Command): Promise<number> {
  const options = readOptions(command.args);
  if (options.help) {
    say(helpText(scenarios));
    return exitCodes.pass;
  }
  const bench = options.bench && JSON.parse(await readFile(options.bench, 'utf8'));
  const all = options.merge ? [merge(await Promise.all(options.names.map(readResult)))] : runAll(options, command);
  let result: Result | undefined;
  for await (const measured of all) {
    result = resultSchema.parse({ ...measured, ...(bench && { bench }) });
    await keep(result, options);
  }
  if (!result) throw new Error('No scenario has anything to run.');
  tellResult(result, options);
  return exitCodes[result.verdict];
}

const folderOf = ({ context: { startedAt, commit } }: Result) =>
  join('out', 'load', `${startedAt.slice(0, 19).replaceAll(':', '')}-${commit}`);

/** Leaves a result in its folder and where it was asked for: of a set that is interrupted, what was measured. */
async function keep(result: Result, options: Options): Promise<void> {
  const folder = options.url ? undefined : folderOf(result);
  if (folder) await mkdir(folder, { recursive: true });
  const places = (name: string, asked: string | undefined) =>
    [asked, folder && join(folder, name)].filter((path) => path !== undefined);
  for (const path of places('result.json', options.json)) await writeFile(path, JSON.stringify(result));
  if (folder) {
    await writeFile(join(folder, 'seconds.csv'), toCsv(result));
    for (const run of result.runs) await writeFile(join(folder, hlogName(run)), toHlog(run));
  }
  const pages = places('report.html', options.html);
  if (pages.length === 0) return;
  const page = await renderPage(result, options);
  for (const path of pages) await writeFile(path, page);
}

/** Of a pod the result is the last line of the log. */
function tellResult(result: Result, { url }: Options): void {
  const passed = result.runs.filter(({ verdict }) => verdict === 'pass').length;
  say(url ? JSON.stringify(result) : `${passed} of ${result.runs.length} runs pass: ${folderOf(result)}/report.html`);
}

async function renderPage(result: Result, { baseline }: Options): Promise<string> {
  return renderReport(result, baseline ? await readResult(baseline) : undefined);
}

/** A result from a file; a log's last line that is one will do. */
async function readResult(file: string): Promise<Result> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  const found = lines.map((line) => line.trim()).findLast((line) => line.startsWith('{"version"'));
  return resultSchema.parse(JSON.parse(found ?? lines.join('\n')));
}
