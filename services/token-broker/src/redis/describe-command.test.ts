import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isQuiet } from './describe-command.ts';

describe('a command leaves a span', () => {
  const rows: [command: string, script: string | undefined, key: string, quiet: boolean][] = [
    ['MGET', undefined, 'ob:v1:throttle:{a}:b', true],
    ['GET', undefined, 'ob:v1:ended:{a}', true],
    ['SMEMBERS', undefined, 'ob:v1:endings', true],
    ['SET', undefined, 'ob:v1:signin:{a}', true],
    ['SET', undefined, 'ob:v1:issued:{a}', true],
    ['EVALSHA', 'renew-lease', 'ob:v1:lease:{a}:b', true],
    ['EVALSHA', 'release-lease', 'ob:v1:lease:{a}:b', true],
    ['EVALSHA', 'take-lease', 'ob:v1:lease:{a}:b', false],
    ['SET', undefined, 'ob:v1:throttle:{a}:b', false],
    ['SET', undefined, 'ob:v1:session:{a}', false],
    ['EVALSHA', 'replace', 'ob:v1:ended:{a}', false],
    ['GET', undefined, 'ob:v1:session:{a}', false],
    ['HGET', undefined, 'ob:v1:account:{a}', false],
    ['PUBLISH', undefined, '', false],
  ];
  for (const [command, script = '', key, quiet] of rows)
    it(`${quiet ? 'only where it fails' : 'always'}: ${command} ${script} ${key}`, () =>
      assert.equal(isQuiet(command, script || undefined, key), quiet));
});
