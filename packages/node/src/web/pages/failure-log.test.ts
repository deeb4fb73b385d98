import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '../../core/fault.ts';
import { logTo } from '../../core/log.fake.ts';
import { FailureLog } from './failure-log.ts';

function open() {
  const lines: Record<string, unknown>[] = [];
  const logger = logTo((line) => void lines.push(line));
  const clock = { ms: 0 };
  return { lines, clock, log: new FailureLog(logger, () => clock.ms) };
}
const away = new Fault('unavailable', 'Later.', { cause: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }) });

describe('a failure that a person saw', () => {
  it('is a warning with its reference, its reason and its route, whatever the level of its Fault', () => {
    const { lines, log } = open();
    log.fault(away, 'GET /', 'r1');
    const [{ level, event, trace_id, error_code, route, error } = {}] = lines;
    assert.deepEqual(
      [level, event, trace_id, error_code, route],
      ['warn', 'request.failed', 'r1', 'unavailable', 'GET /'],
    );
    assert.equal((error as { code: string }).code, 'ECONNREFUSED');
  });

  it('is an error where we are broken, and no warning where the address is of nothing', () => {
    const { lines, log } = open();
    log.fault(new Fault('server_error', 'x'), 'GET /', 'r1');
    log.fault(new Fault('not_found', 'x'), 'GET /', 'r2');
    assert.deepEqual(
      lines.map(({ level }) => level),
      ['error', 'info'],
    );
  });

  it('is in a list in a flood, which is a line a second: no reference is without', async () => {
    const { lines, log } = open();
    const references = Array.from({ length: 500 }, (_, place) => `r${place}`);
    for (const reference of references) log.fault(away, 'GET /', reference);
    assert.equal(lines.length, 100);
    const endMs = performance.now() + 5_000;
    while (lines.at(-1)?.event !== 'requests.failed' && performance.now() < endMs) await delay(20);
    const { trace_ids, count, error_code } = lines.at(-1) ?? {};
    assert.deepEqual([lines.length, count, error_code], [101, 400, 'unavailable']);
    const found = [...lines.map(({ trace_id }) => trace_id), ...(trace_ids as string[])];
    assert.ok(references.every((reference) => found.includes(reference)));
  });

  it('has lines of its own again after a while', () => {
    const { lines, log, clock } = open();
    for (let times = 0; times < 120; times += 1) log.fault(away, 'GET /', 'r');
    clock.ms = 1_000;
    for (let times = 0; times < 120; times += 1) log.fault(away, 'GET /', 'r');
    assert.equal(lines.length, 110);
  });
});
