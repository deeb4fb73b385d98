import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { startChild } from './child.ts';

const sentenceOf = async (name: string, lines: string[]) => {
  const program = `console.error(${JSON.stringify(lines.join('\n'))}); process.exit(1)`;
  const logFile = join('out', 'child', `${name}.log`);
  const start = { name, command: process.execPath, args: ['-e', program], env: {}, logFile };
  const reason = await startChild({ ...start, ready: async () => false }).catch((error: Error) => error.message);
  return typeof reason === 'string' ? reason : assert.fail('it did not end');
};

it('tells of a program that ended its last lines, each whole, or the beginning of one that is too long', async () => {
  const long = `first ${'x'.repeat(500)} last`;
  assert.match(
    await sentenceOf('short', [long, 'the port is taken', 'good-bye']),
    /saying: the port is taken good-bye/,
  );
  assert.match(await sentenceOf('long', ['before', long]), /saying: first x+(?!.*last)/);
});
