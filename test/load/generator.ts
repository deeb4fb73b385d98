import { setPriority } from 'node:os';
import { text } from 'node:stream/consumers';
import { generate } from './generate.ts';
import { planSchema } from './plan.ts';

/** A generator process: a plan on its standard input, a line of progress a second, the part it saw as its last line. */

/** Where it may, it goes before others: a generator that is kept waiting makes a run invalid. */
const priority = -10;
try {
  setPriority(priority);
} catch {
  // Only root may; the schedule lag tells whether it was needed.
}
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const plan = planSchema.parse(JSON.parse(await text(process.stdin)));
say({ part: await generate(plan, (progress) => say({ progress })) });
