import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { Availability } from './availability.ts';
import { Timeout } from './redis-errors.ts';

const late = new Timeout('no response in time');
const unreached = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
const refused = new Error('WRONGPASS invalid username-password pair');

/** What Redis is silent for before the log has its line. */
const silenceMs = 20;

/** The reasons that the log gives for one outage, of which `outage` tells. */
async function reasonsOf(outage: (redis: Availability) => void, began?: (redis: Availability) => void) {
  const lines: string[] = [];
  const logger = createLogger({ level: 'info', service: 'test' }, { write: (line) => void lines.push(line) });
  const redis = new Availability(silenceMs, logger);
  began?.(redis);
  while (redis.silentMs < silenceMs) await delay(5);
  outage(redis);
  const told = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'redis.down');
  return told.map(({ reason }) => reason);
}

describe('the reason of redis.down', () => {
  it('is the timeout of the last command where its line comes with one that is not sent because of it', async () => {
    const reasons = await reasonsOf(
      (redis) => redis.failed(),
      (redis) => redis.failed(late),
    );
    assert.deepEqual(reasons, ['timeout']);
  });

  it('is what the connection says, before what a command said', async () => {
    const reasons = await reasonsOf(
      (redis) => {
        redis.noteTrouble(unreached);
        redis.failed();
      },
      (redis) => redis.failed(late),
    );
    assert.deepEqual(reasons.slice(-1), ['ECONNREFUSED']);
  });

  it('is named once more where it becomes known, and where Redis says more than the network', async () => {
    const reasons = await reasonsOf((redis) => {
      redis.failed();
      redis.failed();
      redis.failed(unreached);
      redis.failed(late);
      redis.failed(refused);
      redis.failed(refused);
    });
    assert.deepEqual(reasons, ['connecting', 'ECONNREFUSED', 'WRONGPASS']);
  });

  it('is not that of an outage before', async () => {
    const reasons = await reasonsOf(
      (redis) => redis.failed(),
      (redis) => {
        redis.failed(late);
        redis.replied();
      },
    );
    assert.deepEqual(reasons.slice(-1), ['connecting']);
  });
});
