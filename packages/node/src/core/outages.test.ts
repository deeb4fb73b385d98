import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Fault } from './fault.ts';
import { logTo } from './log.fake.ts';
import { tellOutages } from './outages.ts';

it('tells once that a dependency is away and once that it is back', async () => {
  const lines: Record<string, unknown>[] = [];
  const log = logTo((line) => lines.push(line));
  let answer = async (word: string) => word;
  const ask = tellOutages('the oracle', log, (word: string) => answer(word));
  const failing = (fault: Fault) => {
    answer = async () => {
      throw fault;
    };
    return assert.rejects(ask(''), fault);
  };

  assert.equal(await ask('yes'), 'yes');
  assert.deepEqual(lines, []);
  await failing(new Fault('unavailable', 'Away.', { cause: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }) }));
  await failing(new Fault('unavailable', 'Away.'));
  await failing(new Fault('invalid_token', 'Bad.'));
  answer = async (word) => word;
  assert.deepEqual([await ask('yes'), await ask('yes')], ['yes', 'yes']);
  assert.deepEqual(
    lines.map(({ level, event, dependency, reason }) => [level, event, dependency, reason]),
    [
      ['warn', 'dependency.down', 'the oracle', 'ECONNREFUSED'],
      ['info', 'dependency.up', 'the oracle', undefined],
    ],
  );
});
