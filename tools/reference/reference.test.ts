import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { configurationFile, configurationPage } from './configuration.ts';
import { errorsFile, errorsPage } from './errors.ts';

describe('the reference', () => {
  it('of the environment is what the schemas say: node tools/reference/write.ts', () => {
    assert.equal(readFileSync(configurationFile, 'utf8'), configurationPage());
  });

  it('of errors is what the table of Faults says: node tools/reference/write.ts', () => {
    assert.equal(readFileSync(errorsFile, 'utf8'), errorsPage());
  });
});
