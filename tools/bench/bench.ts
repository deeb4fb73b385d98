import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { difference, median, ratio } from '../../services/load-generator/src/results/statistics.ts';
import { ablate, describeAblation } from './ablate.ts';
import { inProcess } from './in-process.ts';
import { createProgress } from './progress.ts';
import { rounds, type Slice, type Subject } from './slices.ts';
import { openSubjects } from './subjects.ts';
import { describeRow, isMet, type Row } from './table.ts';

const help = `npm run bench -- [words …] [--rounds N] [--json FILE]
npm run bench -- --ablate [--rounds N]

Measures what a token costs beside bare node:http, bare Express and MSAL Node with its DistributedCachePlugin, all in
one run: CPU per request, medians of interleaved rounds. The floor of a grant is node:http with the same
request and as long a response. Exit 0 only if every target is met.
  words        only the rows of the broker whose names have one, such as on-behalf-of or L1, beside Express and their floors
  --rounds N   rounds of half-second slices, default 14
  --json FILE  writes the figures there
  --ablate     measures instead what each trick of the broker saves a call; exit 0 only if each pays
`;

const { values, positionals: words } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '14' },
    json: { type: 'string' },
    ablate: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}
const roundCount = Number(values.rounds);
if (!Number.isInteger(roundCount) || roundCount < 1) {
  process.stderr.write('--rounds must be a whole number of at least 1\n');
  process.exit(2);
}
const connections = 32;
const say = (line: string) => process.stdout.write(`${line}\n`);
if (values.ablate) {
  const found = ablate(roundCount);
  for (const row of found) say(describeAblation(row));
  process.exit(found.every(({ pays }) => pays) ? 0 : 1);
}
const progress = createProgress(process.stderr);

await using subjects = await openSubjects(progress);
const whole = words.length === 0;
const isWanted = ({ name }: Subject) => whole || words.some((word) => name.includes(word));
const { system, hellos, traced, stock } = subjects;
const [ofMemory, ofRedis] = [subjects.ofMemory.filter(isWanted), subjects.ofRedis.filter(isWanted)];
const floors = subjects.floors.filter((_, i) => subjects.ofMemory[i] && isWanted(subjects.ofMemory[i]));
const all = [...hellos, ...ofMemory, ...ofRedis, ...floors, ...(whole ? [traced, ...stock] : [])];
say(`${cpus().length} cores, ${cpus()[0]?.model ?? ''}, node ${process.version}, ${connections} connections`);
for (const subject of all) await rounds([subject], { rounds: 1, connections, sliceMs: 1_500, progress() {} });
const slices = await rounds(all, {
  ...{ rounds: roundCount, connections, sliceMs: 500 },
  progress: (round) => progress(`round ${round + 1} of ${roundCount}`),
});
// A difference of two like numbers wants a quieter measure than a ratio of unlike ones: many short slices, side by side.
const pairs = await rounds([...ofMemory.slice(0, 1), traced], {
  ...{ rounds: whole ? roundCount * 6 : 0, connections, sliceMs: 250 },
  progress: (round) => progress(`telemetry, pair ${round + 1} of ${roundCount * 6}`),
});
progress('');
for (const [name, ofOne] of slices) say(describeSlices(name, ofOne));

const cpuOf = (results: Map<string, Slice[]>, name: string) =>
  (results.get(name) ?? []).map((one) => one.cpuUsPerRequest);
const titleOf = ({ name }: Subject) => (name === 'broker L1' ? 'L1 hit' : name.replace('broker ', ''));
const rows: Row[] = [
  ...ofMemory.map((one) => ratioRow(`${titleOf(one)} / hello-express`, '1', 1.5, [one.name, 'hello-express'])),
  ...ofMemory.map((one, i) =>
    ratioRow(`${titleOf(one)} / its floor`, '1, goal 1.7', 0, [one.name, floors[i]?.name ?? '']),
  ),
  ...ofRedis.map((one) => ratioRow(`${titleOf(one)} / hello-express`, 'told', 0, [one.name, 'hello-express'])),
];
if (whole)
  rows.push(
    ratioRow('stock / L1 hit', '2', -7, ['stock', 'broker L1']),
    ratioRow('stock without caller check / L1 hit', '2, told', 0, ['stock, no caller check', 'broker L1']),
    telemetryRow(cpuOf(pairs, 'broker L1, traced'), cpuOf(pairs, 'broker L1')),
    ...(await inProcess({
      redis: system.redis,
      keysDir: join(system.stateDir, 'sealing'),
      rounds: roundCount,
      progress,
    })),
  );
progress('');
say('');
for (const row of rows) say(describeRow(row));
if (values.json)
  writeFileSync(
    values.json,
    JSON.stringify({ node: process.version, rows, slices: Object.fromEntries(slices) }, null, 2),
  );
const judged = rows.filter((row) => row.limit !== 0);
say(`${judged.filter(isMet).length} of ${judged.length} targets met`);
process.exitCode = judged.every(isMet) ? 0 : 1;

function describeSlices(name: string, ofOne: Slice[]): string {
  const middle = (of: (one: Slice) => number) => median(ofOne.map(of));
  const failed = ofOne.reduce((sum, one) => sum + one.failed, 0);
  const cpu = middle((one) => one.cpuUsPerRequest).toFixed(0);
  const latency = `p50 ${middle((one) => one.p50Ms).toFixed(1)} ms, p99 ${middle((one) => one.p99Ms).toFixed(1)} ms`;
  return `${name.padEnd(24)} ${cpu.padStart(5)} us CPU a request, ${latency}${failed ? `, ${failed} FAILED` : ''}`;
}

function ratioRow(name: string, target: string, limit: number, [above, below]: [string, string]): Row {
  const [ofAbove, ofBelow] = [cpuOf(slices, above), cpuOf(slices, below)];
  const note = `${median(ofAbove).toFixed(0)} and ${median(ofBelow).toFixed(0)} us`;
  return { name, target, limit, ...ratio(ofAbove, ofBelow), note };
}

function telemetryRow(traced: number[], untraced: number[]): Row {
  const note = `${median(traced).toFixed(0)} minus ${median(untraced).toFixed(0)} us, pair by pair`;
  return { name: 'telemetry, us a request', target: '9', limit: 60, ...difference(traced, untraced), note };
}
