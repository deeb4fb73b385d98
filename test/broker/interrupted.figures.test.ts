import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { readKeyRing } from '@onbehalf/node/core/keys/key-ring';
import { decodeJwt } from 'jose';
import { endingDueSeconds, upkeepMs } from '../../services/token-broker/src/lifetimes.ts';
import {
  accountName,
  createRedisKeys,
  type RedisKeys,
  readIndexKey,
} from '../../services/token-broker/src/store/redis-keys.ts';
import { record } from '../../tools/run/figures.ts';
import { openRedisClient, type RedisClient } from '../kit/redis/client.ts';
import { openRedisCluster } from '../kit/redis/cluster.ts';
import { openRedis, type Redis } from '../kit/redis/server.ts';
import { RedisTap } from '../kit/redis/tap.ts';
import { redisPassword } from '../kit/system/environments.ts';
import { openSystem } from '../kit/system/open.ts';
import { apiScope, consentedWeb, graphScope } from '../kit/system/registrations.ts';
import type { BrokerResponse, System } from '../kit/system/system.ts';

/** Brokers over a Redis whose doors count and shut; `masters` look past them. */
type House = AsyncDisposable & { system: System; tap: RedisTap; masters: RedisClient[] };

/** A person who is signed in on two devices, an assertion of theirs, and what audit lines call them. */
type Person = { sessions: [string, string]; assertion: string; account: string };

const withSid = { idToken: ['sid'], accessToken: [] };
/** How long Redis is away after the command that is the last to go through. */
const awayMs = 700;
/** Within this every broker has looked for what broke off, and done it, on a slow machine too. */
const sweptWithinMs = (endingDueSeconds + 1) * 1_000 + 4 * upkeepMs;
/** Kinds of keys that a person who left must not have. */
const kinds = ['session:*', 'account:*', 'obo:*', 'sid:*', 'ending:*'];

/** Puts a door before each node; clients of a cluster go where the nodes say they are. */
async function openDoors(tap: RedisTap, nodes: Redis[], clients: RedisClient[]): Promise<number[]> {
  const ports: number[] = [];
  for (const node of nodes) ports.push(await tap.open(node));
  if (nodes.length === 1) return ports;
  for (const [i, client] of clients.entries()) {
    await client.sendCommand(['CONFIG', 'SET', 'cluster-announce-port', `${ports[i]}`]);
  }
  for (const client of clients) {
    const told = async () => JSON.stringify(await client.sendCommand(['CLUSTER', 'SLOTS']));
    for (let slots = await told(); !ports.every((port) => slots.includes(`${port}`)); slots = await told())
      await delay(100);
  }
  return ports;
}

async function openHouse(name: string, nodes: Redis[]): Promise<House> {
  const opened = new AsyncDisposableStack();
  const tap = opened.use(new RedisTap());
  const clients = await Promise.all(nodes.map((node) => openRedisClient(node)));
  opened.defer(() => {
    for (const client of clients) client.destroy();
  });
  const [port] = await openDoors(tap, nodes, clients);
  const password = nodes[0]?.password;
  const system = opened.use(
    await openSystem({
      ...{ name, brokers: 2, people: 150 },
      seed: (usual) => consentedWeb(usual, [apiScope, graphScope], { optionalClaims: withSid }),
      redisEnv: async (stateDir) => ({
        REDIS_URL: `redis://127.0.0.1:${port}`,
        REDIS_MODE: nodes.length > 1 ? 'cluster' : 'standalone',
        ...(password && (await redisPassword(stateDir, password))),
      }),
    }),
  );
  const masters = nodes.length > 1 ? clients.slice(0, 3) : clients;
  return { system, tap, masters, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

const houses = [
  [
    'Redis',
    async (opened: AsyncDisposableStack) => [
      opened.use(await openRedis({ cacheDir: '.cache', logDir: 'out/broker-interrupted-redis' })),
    ],
  ],
  [
    'Redis Cluster',
    async (opened: AsyncDisposableStack) => opened.use(await openRedisCluster('out/broker-interrupted-cluster')).nodes,
  ],
] as const;

for (const [where, nodesOf] of houses) {
  describe(`a sign-out everywhere that breaks off, on ${where}`, () => {
    const opened = new AsyncDisposableStack();
    let house: House;
    let redisKeys: RedisKeys;
    let people = 0;

    before(async () => {
      house = opened.use(
        await openHouse(`broker-interrupted-${where.toLowerCase().replace(' ', '-')}`, await nodesOf(opened)),
      );
      const ring = readKeyRing(join(house.system.stateDir, 'sealing'));
      redisKeys = createRedisKeys(readIndexKey(ring), house.system.redisPrefix);
    });
    after(() => opened.disposeAsync());

    async function signIn(): Promise<Person> {
      const { system } = house;
      const name = `load${String(++people).padStart(5, '0')}`;
      const sessions: [string, string] = [await system.signIn(name, 1), await system.signIn(name, 1)];
      const assertion = String((await system.exchange(1, sessions[0])).body.access_token);
      assert.equal((await system.onBehalfOf(1, assertion)).status, 200);
      const { oid, tid } = decodeJwt<{ oid: string; tid: string }>(assertion);
      return { sessions, assertion, account: accountName(redisKeys, `${oid}.${tid}`) };
    }
    const signOut = (broker: number, { sessions: [token] }: Person) =>
      house.system.post(broker, '/sessions/end', { subject_token: token });

    async function keys(pattern = '*'): Promise<string[]> {
      const { masters, system } = house;
      const found = masters.map((master) => master.sendCommand(['KEYS', `${system.redisPrefix}${pattern}`]));
      return ((await Promise.all(found)) as unknown as string[][]).flat();
    }
    /** Whether the brokers' logs tell of a person's end. */
    async function isTold({ account }: Person): Promise<boolean> {
      const logs = await Promise.all(house.system.brokers.map(({ child }) => readFile(child.logFile, 'utf8')));
      const lines = logs.join('\n').split('\n');
      return lines.some((line) => line.includes('"event":"audit.sessions_ended"') && line.includes(account));
    }
    /** Leaves it to the brokers, and looks past them whether they did it. */
    async function untilSwept(): Promise<void> {
      const endMs = performance.now() + sweptWithinMs;
      while (performance.now() < endMs && (await kept()) > 0) await delay(100);
    }
    /** Counts a person's live sessions and good assertions, at a broker that had no part in the end. */
    async function outlived({ sessions, assertion }: Person): Promise<number> {
      let answers: BrokerResponse[] = [];
      // A cluster's nodes come back one by one.
      await house.system.until(async () => {
        answers = await Promise.all([
          ...sessions.map((token) => house.system.exchange(1, token)),
          house.system.onBehalfOf(1, assertion),
        ]);
        return answers.every(({ status }) => status !== 503);
      });
      return answers.filter(({ body }) => body.error !== 'invalid_grant').length;
    }
    /** Whether a broker reaches every node: those of a cluster come back one by one. */
    async function answers(broker: number): Promise<boolean> {
      const tokens = Array.from({ length: 24 }, () => randomBytes(32).toString('base64url'));
      const asked = await Promise.all(
        tokens.map((token) => house.system.post(broker, '/oauth2/introspect', { token })),
      );
      return asked.every(({ status }) => status === 200);
    }

    /** How many keys of people who are to leave Redis still has. */
    const kept = async () => (await Promise.all(kinds.map(keys))).flat().length;

    /**
     * Breaks one off after every command that it takes. `ready` waits for the broker that is asked and gives its number,
     * `strike` happens after the last command that goes through. Then nobody asks again, or the token is shown, or
     * another broker is asked, in turn. Gives how many ends are in no log, and how many of these had made their last step
     * when it was struck.
     */
    async function breakOff(
      how: 'Redis lost' | 'broker killed',
      ready: () => Promise<number>,
      strike: (broker: number) => void,
    ): Promise<{ untold: number; done: number }> {
      const { tap, system } = house;
      const counts = { early: 0, commands: 0 };
      const gone: Person[] = [];
      const done: Person[] = [];
      for (let cut = 1, status: number | undefined; status !== 200 || counts.commands === cut - 1; cut += 1) {
        const person = await signIn();
        const broker = await ready();
        let isOnMark = false;
        tap.after(cut, ([, ...words]) => {
          counts.commands = cut;
          isOnMark = words.some((word) => word.includes(':session:{'));
          strike(broker);
        });
        // A killed broker's connection breaks with it.
        status = (await signOut(broker, person).catch(() => undefined))?.status;
        tap.after(Number.POSITIVE_INFINITY, () => {});
        if (isOnMark && (await keys('session:*')).length === 0) done.push(person);
        assert.ok(status === undefined || status === 200 || status === 503, `${status}`);
        await system.until(() => answers(1));
        const nobody = cut % 4 === (where === 'Redis' ? 0 : 2);
        if (nobody && status !== 200) await untilSwept();
        // A logged end has left nothing but its mark: whether that is gone is what an answer that was lost leaves open.
        if ((await isTold(person)) && (await kept()) > (await keys('session:*')).length) counts.early += 1;
        const begun = nobody ? (await kept()) === 0 : (await outlived(person)) < 3;
        if (!begun || (!nobody && cut % 2 === 0)) {
          await system.until(async () => (await signOut(1, person)).status === 200);
        }
        // By message at once; by the next look of a broker whose message was lost.
        await system.until(async () => (await outlived(person)) === 0);
        await system.until(async () => (await kept()) === 0);
        gone.push(person);
      }
      const left = (await Promise.all(gone.map(outlived))).reduce((sum, one) => sum + one, 0);
      record(`sign-out broken off after each command, ${how}, on ${where}: commands`, counts.commands);
      record(
        `sign-out broken off after each command, ${how}, on ${where}: sessions and assertions that outlived it`,
        left,
      );
      record(`sign-out broken off after each command, ${how}, on ${where}: logged too early`, counts.early);
      const toldOf = async (some: Person[]) => (await Promise.all(some.map(isTold))).filter(Boolean).length;
      return { untold: gone.length - (await toldOf(gone)), done: done.length - (await toldOf(done)) };
    }

    it('by a lost Redis, after each of its commands, is completed, and logged only then', async () => {
      const ready = async () => {
        await house.system.until(() => answers(0));
        return 0;
      };
      const { untold } = await breakOff('Redis lost', ready, () => house.tap.shut(awayMs));
      assert.equal(untold, 0, `${untold} ends are in no log`);
    });

    it('by a killed broker, after each of its commands, is completed, and logged only then', async () => {
      const { system } = house;
      const start = async () => system.brokers.push(await system.startBroker()) - 1;
      let coming = start();
      const ready = async () => {
        const broker = await coming;
        await system.until(() => answers(broker));
        return broker;
      };
      try {
        const { untold, done } = await breakOff('broker killed', ready, (broker) => {
          system.brokers[broker]?.child.process.kill('SIGKILL');
          coming = start();
        });
        // A broker that is killed between its last step and the line cannot write it.
        assert.equal(untold - done, 0, `${untold} ends are in no log, ${done} of them done`);
      } finally {
        // One that is still starting would outlive the system.
        await coming;
      }
    });

    it('leaves no key without an end', async () => {
      const ttls = await Promise.all(
        house.masters.map(async (master) =>
          Promise.all(((await master.sendCommand(['KEYS', '*'])) as unknown as string[]).map((key) => master.ttl(key))),
        ),
      );
      record(
        `keys without an end after sign-outs that broke off, on ${where}`,
        ttls.flat().filter((ttl) => ttl === -1).length,
      );
    });
  });
}
