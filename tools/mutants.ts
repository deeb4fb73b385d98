import { parseArgs } from 'node:util';
import { openRedis } from '../test/kit/redis/server.ts';
import { reasonOf, staleEntries } from './mutants/equivalents.ts';
import { eachOf } from './mutants/gate.ts';
import { type Mutant, mutantsOf } from './mutants/mutations/mutants.ts';
import { openProgram } from './mutants/mutations/program.ts';
import { promisedRooms } from './mutants/rooms.ts';
import { count, emptyRow, tableOf } from './mutants/table.ts';
import { createReach } from './mutants/trials/reach.ts';
import { openRecord } from './mutants/trials/record.ts';
import { openSurvivors } from './mutants/trials/survivors.ts';
import { Trials } from './mutants/trials/trials.ts';

const out = 'out/mutants';
const recordFile = 'tools/mutants/record.txt';
const help = `npm run mutants                 changes the rooms that implement promises, one thing at a time, and runs
                                the tests that reach each change until one fails
npm run mutants -- <words> …    only the rooms whose path holds one of the words
npm run mutants -- --minutes 3  stops by then; the next run goes on where this one stopped
npm run mutants -- --tests 2    asks no more than the two nearest test files: quicker, and more survives
npm run mutants -- --all        asks also what tools/mutants/record.txt knows
npm run mutants -- --beside     asks only the test file beside each room
npm run mutants -- --at-once 2  runs so many test files at once; 4 if not told, for many a test waits for a timer

Prints by room how many changes a test killed, the compiler refuses, nothing can see (docs/threat-model.md says why),
and survived. tools/mutants/record.txt keeps which were killed or refused, until their room changes; it is written every
minute and is to be committed. out/mutants keeps which tests a survivor has passed, until one changes. Exit code 1 if
one survived or was not tried, or if one that was argued is no mutant any more.`;

/** @throws Error where the words or the minutes are none, or an equivalent is stale. */
async function main(): Promise<void> {
  const { values, positionals: words } = parseArgs({
    options: {
      minutes: { type: 'string', default: '600' },
      tests: { type: 'string', default: '100' },
      all: { type: 'boolean', default: false },
      beside: { type: 'boolean', default: false },
      'at-once': { type: 'string', default: '4' },
      help: { type: 'boolean', short: 'h' },
    },
    allowPositionals: true,
  });
  if (values.help) return console.log(help);
  const rooms = promisedRooms().filter((room) => words.length === 0 || words.some((word) => room.includes(word)));
  if (rooms.length === 0) throw new Error(`There is no room of ${words.join(', ')}.`);
  const untilMs = Date.now() + numberOf('minutes', values) * 60_000;

  using program = openProgram();
  const mutants = rooms.flatMap((room) => mutantsOf(room, program));
  const stale = staleEntries(rooms, mutants);
  if (stale.length > 0) throw new Error(`No mutants any more, see tools/mutants/equivalents.ts:\n${stale.join('\n')}`);

  await using redis = await openRedis({ cacheDir: '.cache', logDir: out });
  const password = redis.password ? `${redis.username ?? ''}:${encodeURIComponent(redis.password)}@` : '';
  process.env.REDIS_URL = `redis://${password}${redis.host}:${redis.port}`;
  const record = openRecord(recordFile, mutants, values.all);
  const survivors = openSurvivors(`${out}/survivors.jsonl`, values.all);
  const atOnce = numberOf('at-once', values);
  const asked = { tests: numberOf('tests', values), beside: values.beside, atOnce };
  const trials = new Trials({ program, reach: createReach(), record, survivors }, promisedRooms(), asked);

  const rows = new Map(rooms.map((room) => [room, emptyRow(room)]));
  const toTry: Mutant[] = [];
  for (const mutant of mutants) {
    const known = reasonOf(mutant) ? 'equivalent' : record.find(mutant);
    if (known) count(rows, mutant, known);
    else toTry.push(mutant);
  }
  const tell = progressOf(toTry.length);
  const saving = setInterval(() => record.save(), 60_000);
  try {
    const left = await eachOf(toTry, { ...asked, untilMs }, async (mutant) => {
      count(rows, mutant, await trials.attempt(mutant));
      tell();
    });
    for (const mutant of left) count(rows, mutant, 'left');
  } finally {
    clearInterval(saving);
    record.save();
  }
  console.log(`\n${tableOf([...rows.values()])}`);
  if ([...rows.values()].some((row) => row.survived.length + row.left > 0)) process.exitCode = 1;
}

function numberOf<Name extends string>(name: Name, values: Record<Name, string>): number {
  const number = Number(values[name]);
  if (!(number > 0)) throw new Error(`--${name} takes a number.`);
  return number;
}

/** Tells every ten seconds, to whoever waits, how far it is. */
function progressOf(all: number): () => void {
  const startedAtMs = Date.now();
  let [done, toldAtMs] = [0, startedAtMs];
  return () => {
    done += 1;
    if (Date.now() - toldAtMs < 10_000) return;
    toldAtMs = Date.now();
    const minutesLeft = ((all - done) * (toldAtMs - startedAtMs)) / done / 60_000;
    console.log(`${done} of ${all} tried, about ${Math.ceil(minutesLeft)} min left`);
  };
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
