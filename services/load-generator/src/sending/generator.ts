import { createInterface } from 'node:readline';
import { generate } from './generate.ts';
import { planSchema, startSchema } from './plan.ts';

/**
 * A generator process. On its standard input: a plan, then, once it has said that it is ready, the time to start. On its
 * output: a line of progress a second, and last the part it saw.
 */

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const input = createInterface(process.stdin)[Symbol.asyncIterator]();
const read = async (): Promise<unknown> => JSON.parse((await input.next()).value ?? 'null');
const begin = async () => {
  say({ ready: true });
  return startSchema.parse(await read()).startAtMs;
};
const part = await generate(planSchema.parse(await read()), begin, (progress) => say({ progress }));
say({ part });
process.stdin.destroy();
