import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { until } from '../kit/until.ts';
import { type OwnRedis, openOwnRedis } from './own-redis.ts';
import { signInUrl } from './people.ts';
import { openTrials, type Trials, type Trouble } from './trial.ts';

const opened = new AsyncDisposableStack();
let system: System;
let trials: Trials;
/** The one that is in use, and the one that stands by. */
let master: OwnRedis;
let replica: OwnRedis;

before(async () => {
  master = opened.use(await openOwnRedis('outage-redis-master'));
  replica = opened.use(await openOwnRedis('outage-redis-replica', [], master.redis.password));
  const env = { web: { PUBLIC_RATE_BURST: '10000' } };
  system = opened.use(
    await openSystem({ frontend: true, name: 'outage-redis', brokers: 2, people: 200, redis: master.redis, env }),
  );
  trials = opened.use(await openTrials(system));
});
after(() => opened.disposeAsync());

const sessions = async () => ((await master.command('KEYS', `${system.redisPrefix}session:*`)) as string[]).length;
const use = (next: OwnRedis) => {
  master = next;
  system.relays.redis.aim(next.redis);
};

/** Lets the replica copy the master, until it has. */
async function follow(): Promise<void> {
  await replica.command('REPLICAOF', master.redis.host, String(master.redis.port));
  const isUp = async () => String(await replica.command('INFO', 'replication')).includes('master_link_status:up');
  await until(isUp, 'the replica follows');
}

/** Somebody comes back from Entra ID while nothing can be kept: refused, and the same answer is good afterwards. */
async function comeBack(): Promise<() => Promise<void>> {
  const visitor = system.visitor();
  const username = 'alice@contoso.test';
  await visitor.open(signInUrl(system, username, '/'));
  const { status, headers, url } = visitor.page;
  assert.deepEqual([status, url.pathname], [503, '/auth/callback'], visitor.words.slice(0, 200));
  assert.ok(Number(headers['retry-after']) >= 1);
  return async () => {
    while (visitor.page.status === 503) {
      await delay(100);
      await visitor.open(url);
    }
    assert.match(visitor.words, new RegExp(`You are signed in as ${username}`));
  };
}

/** While Redis is away memory serves: all but what a pod was never asked for, or has not looked up for ten seconds. */
const memoryServes = 0.95;

const troubles: Record<string, Omit<Trouble, 'meanwhile'>> = {
  'is stopped, and started again with its data': {
    strike: () => master.stop(),
    mend: async () => use(opened.use(await master.reopen())),
  },
  'answers nobody (SIGSTOP)': {
    strike: async () => master.signal('SIGSTOP'),
    mend: async () => master.signal('SIGCONT'),
  },
  'is full: maxmemory, noeviction': {
    strike: () => master.command('CONFIG', 'SET', 'maxmemory', '1'),
    mend: () => master.command('CONFIG', 'SET', 'maxmemory', '0'),
  },
  'takes no writes: READONLY': {
    strike: () => master.command('REPLICAOF', '127.0.0.1', '1'),
    mend: () => master.command('REPLICAOF', 'NO', 'ONE'),
  },
  'has another password, and its old one again': {
    strike: async () => {
      await master.command('CONFIG', 'SET', 'requirepass', 'another');
      system.relays.redis.cut();
      system.relays.redis.restore();
    },
    mend: () => master.command('CONFIG', 'SET', 'requirepass', String(master.redis.password)),
  },
  'dies, and its replica is promoted': {
    strike: async () => {
      await follow();
      // What is younger than replication's lag may be lost.
      await delay(1_000);
      master.signal('SIGKILL');
    },
    mend: async () => {
      await replica.command('REPLICAOF', 'NO', 'ONE');
      use(replica);
    },
  },
};

describe('a steady load', () => {
  for (const [what, trouble] of Object.entries(troubles)) {
    it(`signs nobody out, and is served again within 5 s: Redis ${what}`, async (context) => {
      const before = await sessions();
      let finish = async () => {};
      const meanwhile = async () => {
        finish = await comeBack();
      };
      await trials.pass({ servedShare: memoryServes, ...trouble, meanwhile }, context);
      await finish();
      assert.equal(await sessions(), before + 1);
    });
  }
});
