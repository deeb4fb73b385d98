import { randomBytes } from 'node:crypto';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { readKeyRing } from '@onbehalf/node/core/keys/key-ring';
import { median, ratio } from '../../services/load-generator/src/results/statistics.ts';
import { passwordCredentials } from '../../services/token-broker/src/redis/password.ts';
import { connectRedis } from '../../services/token-broker/src/redis/redis.ts';
import { RedisStore } from '../../services/token-broker/src/redis/redis-store.ts';
import { LocalChannel } from '../../services/token-broker/src/store/channel.ts';
import { createL1 } from '../../services/token-broker/src/store/memory-cache.ts';
import { createRedisKeys } from '../../services/token-broker/src/store/redis-keys.ts';
import { createSealing } from '../../services/token-broker/src/store/sealing.ts';
import type { Store } from '../../services/token-broker/src/store/store.ts';
import { Refusals } from '../../services/token-broker/src/tokens/refusals.ts';
import type { TokenRecord, TokenRequest } from '../../services/token-broker/src/tokens/token.ts';
import { Tokens } from '../../services/token-broker/src/tokens/tokens.ts';
import type { Redis } from '../../test/kit/redis/server.ts';
import { openStockCache } from './stock-cache.ts';
import type { Row } from './table.ts';

const concurrency = 64;
const users = 1_000;
const manyUsers = 200_000;
/** As long as Entra's access tokens for one API are. */
const accessToken = `eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.${'x'.repeat(1_700)}.${'y'.repeat(342)}`;

/** CPU of this process per operation, in microseconds. */
async function cost(operations: number, operation: (i: number) => Promise<unknown>): Promise<number> {
  let next = 0;
  const began = process.cpuUsage();
  const worker = async () => {
    while (next < operations) await operation(next++);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  const used = process.cpuUsage(began);
  return (used.user + used.system) / operations;
}

function createBench(store: Store, sealing: ReturnType<typeof createSealing>) {
  const logger = createLogger({ level: 'silent', service: 'bench' });
  const redisKeys = createRedisKeys(sealingKeys.index, 'bench:');
  const options = { maxBytes: 2 ** 31, maxUnverifiedMs: 60_000, channel: store.channel, nowMs: Date.now };
  const l1 = createL1<TokenRecord>(options, (record) => record.accessToken.length + record.scope.length);
  const refusals = new Refusals(store, redisKeys, sealing, Date.now);
  const tokens = new Tokens({ store, l1, refusals, redisKeys, sealing, logger, nowMs: Date.now });
  const keys: string[] = [];
  // As the broker does: the key is kept, the request made for each call.
  const requestOf = (n: number): TokenRequest => {
    const key = keys[n] ?? redisKeys.app('bench', String(n));
    keys[n] = key;
    return {
      client: 'bench',
      partition: { key, kind: 'app', throttleKey: key },
      tenantId: 'bench',
      scope,
      claims: undefined,
      traceId: '0'.repeat(32),
      acquire: acquireOwn,
    };
  };
  return {
    get: (n: number) => tokens.get(requestOf(n)),
    forget: (n: number) => l1.withdraw(requestOf(n).partition.key),
    l1,
  };
}

const scope = 'api://bench/access_as_user';

/** Each user's own string, as each token is in production. */
const acquireOwn: TokenRequest['acquire'] = async () => ({
  kind: 'token',
  accessToken: Buffer.from(accessToken).toString(),
  scope,
  issuedAtSeconds: Math.floor(Date.now() / 1_000),
  expiresInSeconds: 86_400,
  refreshInSeconds: undefined,
  msal: '',
  account: undefined,
});

/** A store that keeps nothing, where only memory is measured. */
function emptyStore(): Store {
  const nothing = { version: undefined, msal: undefined, records: [] };
  const answers = {
    readRecord: undefined,
    get: undefined,
    getBoth: [],
    readPartition: nothing,
    takeLease: { fence: 1 },
    writeToken: 'written',
  };
  const channel = new LocalChannel();
  channel.up();
  const methods = Object.entries(answers).map(([name, answer]) => [name, async () => answer]);
  return { ...Object.fromEntries(methods), releaseLease: async () => {}, channel } as unknown as Store;
}

let sealingKeys: { index: NonNullable<ReturnType<typeof readKeyRing>['index']> };

type Setup = { redis: Redis; keysDir: string; rounds: number; progress(what: string): void };

/** What hits cost inside one process: the rows of the report that HTTP would blur. */
export async function inProcess({ redis, keysDir, rounds, progress }: Setup): Promise<Row[]> {
  const ring = readKeyRing(keysDir);
  if (!ring.index) throw new Error('the key ring has no index');
  sealingKeys = { index: ring.index };
  const sealing = createSealing(() => ring);
  progress('L1 with one user and with 200,000');
  const ofMemory = await measureL1(sealing, rounds);
  progress('L2 against stock, one process each');
  return [...ofMemory, await measureL2(redis, sealing, rounds)];
}

type Sealing = ReturnType<typeof createSealing>;

async function measureL1(sealing: Sealing, rounds: number): Promise<Row[]> {
  const [few, many] = [createBench(emptyStore(), sealing), createBench(emptyStore(), sealing)];
  await few.get(0);
  const heapBefore = heapBytes();
  for (let n = 0; n < manyUsers; n += 1) await many.get(n);
  const order = Uint32Array.from({ length: 100_000 }, () => Math.floor(Math.random() * manyUsers));
  const one: number[] = [];
  const all: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    one.push(await cost(100_000, () => few.get(0)));
    all.push(await cost(100_000, (i) => many.get(order[i] ?? 0)));
  }
  const held = many.l1.bytes / manyUsers;
  const grown = Math.round((heapBytes() - heapBefore) / manyUsers);
  return [
    {
      ...{ name: 'L1 hit, 200,000 users / 1 user', target: '4', limit: 5, ...ratio(all, one) },
      note: `${usOf(one)} and ${usOf(all)} us`,
    },
    {
      ...{ name: 'L1 bytes per token, as bounded', target: '7', limit: 3_072, value: held, low: held, high: held },
      note: `heap grew by ${grown} bytes a user, the bench's own key included`,
    },
  ];
}

async function measureL2(redis: Redis, sealing: Sealing, rounds: number): Promise<Row> {
  const channel = `bench:${randomBytes(4).toString('hex')}`;
  await using connection = await connect(redis, channel);
  const l2 = createBench(new RedisStore(connection, channel), sealing);
  for (let n = 0; n < users; n += 1) await l2.get(n);
  await using stock = await openStockCache(redis, { users, scope, accessToken });
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    ours.push(
      await cost(4_000, (i) => {
        l2.forget(i % users);
        return l2.get(i % users);
      }),
    );
    theirs.push(await cost(2_000, (i) => stock.get(i % users)));
  }
  return {
    ...{ name: 'stock / L2 hit', target: '3', limit: -7, ...ratio(theirs, ours) },
    note: `${usOf(theirs)} and ${usOf(ours)} us`,
  };
}

async function connect({ host, port, password }: Redis, channel: string) {
  const logger = createLogger({ level: 'silent', service: 'bench' });
  const credentials =
    password === undefined ? undefined : passwordCredentials({ password: async () => password, logger });
  const url = `redis://${host}:${port}`;
  const options = { url, mode: 'standalone' as const, credentials, commandTimeoutMs: 250 };
  const connection = connectRedis(options, channel, logger);
  while (connection.channel.downSinceMs !== undefined) await new Promise((resolve) => setTimeout(resolve, 10));
  return connection;
}

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

function usOf(values: number[]): string {
  return median(values).toFixed(1);
}
