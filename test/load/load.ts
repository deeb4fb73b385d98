import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { readContext } from './context.ts';
import { merge } from './merge.ts';
import { choose, helpText, loadOf, type Options, readOptions } from './options.ts';
import { performAll } from './perform.ts';
import type { Progress } from './plan.ts';
import { renderReport } from './report.ts';
import { type Result, resultSchema, type ScenarioRun, worstOf } from './result.ts';
import { Unsafe } from './safety.ts';
import { scenarios } from './scenarios.ts';
import { selfTest, selfTestLeastMs } from './self-test.ts';
import { createTelling, describeRun } from './telling.ts';

const exitCodes = { pass: 0, fail: 1, invalid: 2 } as const;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Runs what was chosen, one after the other, and puts the result together. */
async function runAll(options: Options, args: readonly string[]): Promise<Result> {
  const chosen = choose(scenarios, options);
  const telling = createTelling();
  const context = readContext({ ...options, target: options.url ?? 'local', args });
  telling.say('self-test', 'measuring a server that stalls for a second');
  const selfTestP99Ms = await selfTest(options.quick ? 4 : 10);
  telling.end();
  say(`self-test: p99 ${selfTestP99Ms.toFixed(0)} ms of a server that stalls for 1 s, at least ${selfTestLeastMs}`);
  if (selfTestP99Ms < selfTestLeastMs)
    throw new Unsafe('The generator does not keep its schedule: nothing was measured.');
  const runs: ScenarioRun[] = [];
  for (const scenario of chosen) {
    const { load, scaled } = loadOf(scenario, options, cpus().length);
    for (let repeat = 1; repeat <= options.repeat; repeat += 1) {
      const performing = {
        ...{ load, repeat, seed: options.seed, scaled, quick: options.quick },
        say: (doing: string) => telling.say(scenario.name, doing),
        tell: (progress: Progress) => telling.tell(scenario.name, load.durationSeconds, progress),
      };
      for await (const run of performAll(scenario, performing)) {
        telling.end();
        say(describeRun(run, options.quick));
        runs.push(run);
      }
    }
  }
  return { version: 1, verdict: worstOf(runs.map(({ verdict }) => verdict)), context, selfTestP99Ms, runs };
}

async function main(args: readonly string[]): Promise<void> {
  const options = readOptions(args);
  if (options.help) return say(helpText(scenarios));
  const measured = options.merge
    ? merge(await Promise.all(options.names.map(readResult)))
    : await runAll(options, args);
  const bench = options.bench && JSON.parse(await readFile(options.bench, 'utf8'));
  const result = resultSchema.parse({ ...measured, ...(bench && { bench }) });
  const json = JSON.stringify(result);
  const { startedAt, commit } = result.context;
  const folder = join('out', 'load', `${startedAt.slice(0, 19).replaceAll(':', '')}-${commit}`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'result.json'), json);
  if (options.json) await writeFile(options.json, json);
  const page = renderReport(result, options.baseline ? await readResult(options.baseline) : undefined);
  await writeFile(join(folder, 'report.html'), page);
  if (options.html) await writeFile(options.html, page);
  const verdicts = result.runs.map(({ verdict }) => verdict);
  say(`${verdicts.filter((one) => one === 'pass').length} of ${verdicts.length} runs pass: ${folder}/report.html`);
  process.exitCode = exitCodes[result.verdict];
}

/** A result from a file; a log's last line that is one will do. */
async function readResult(file: string): Promise<Result> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  const found = lines.map((line) => line.trim()).findLast((line) => line.startsWith('{"version"'));
  return resultSchema.parse(JSON.parse(found ?? lines.join('\n')));
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Unsafe ? error.message : error instanceof Error ? error.stack : error}\n`);
  process.exitCode = exitCodes.invalid;
});
