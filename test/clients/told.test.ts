import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Row, tableOf } from './told.ts';

const row = { client: 'MSAL Go', version: 'v1', at: 'emulator', flow: 'refreshes', result: 'passed' } satisfies Row;

describe('the table of clients', () => {
  it('tells what passed, what failed, and what did not run and why', () => {
    const rows = [
      row,
      { ...row, flow: 'acts', result: 'failed' },
      {
        ...row,
        client: 'Authlib',
        version: '–',
        result: "not run: there is no python3: install Debian's python3-venv",
      },
    ];
    assert.equal(
      tableOf(rows),
      `client   version  at        flow       result
Authlib  –        emulator  refreshes  not run: there is no python3: install Debian's python3-venv
MSAL Go  v1       emulator  acts       failed
MSAL Go  v1       emulator  refreshes  passed
3 flows of 2 clients, 2 failed or not run`,
    );
  });
});
