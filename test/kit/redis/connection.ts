import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { createLogger, type Logger } from '@onbehalf/chassis/telemetry/logger';
import type { RedisOptions } from '../../../services/token-broker/src/redis/clients.ts';
import { passwordCredentials, type RedisCredentials } from '../../../services/token-broker/src/redis/password.ts';
import { connectRedis, type Redis } from '../../../services/token-broker/src/redis/redis.ts';

type Line = { level: string; event: string; reason?: string; refused?: string[]; msg: string };

/** The broker's connection to a Redis, and what it says of it. */
export type RedisConnection = AsyncDisposable & {
  connection: Redis;
  lines: string[];
  said(): Line[];
  /** Waits for the latest line of an event. */
  until(event: string): Promise<Line>;
  /** Waits until it says that Redis is down for this reason: on a busy machine it may say first that nothing came. */
  down(reason: RegExp): Promise<void>;
  /** Waits until the channel is up. */
  heard(): Promise<void>;
};

const withinMs = 15_000;

/** Opens the broker's connection; `options` may need its logger. */
export function openRedisConnection(
  options: RedisOptions | ((logger: Logger) => RedisOptions),
  channel = 'p:events',
): RedisConnection {
  const lines: string[] = [];
  const logger = createLogger({ level: 'debug', service: 'test' }, { write: (line) => void lines.push(line) });
  const connection = connectRedis(typeof options === 'function' ? options(logger) : options, channel, logger);
  const said = () => lines.map((line) => JSON.parse(line) as Line);
  const wait = async <T>(what: string, find: () => T | undefined): Promise<T> => {
    for (const endMs = performance.now() + withinMs; ; await delay(10)) {
      const found = find();
      if (found !== undefined) return found;
      assert.ok(performance.now() < endMs, `${what}: ${lines.join('')}`);
    }
  };
  return {
    ...{ connection, lines, said },
    until: (event) => wait(`${event} is not said`, () => said().findLast((one) => one.event === event)),
    async down(reason) {
      const isIt = (one: Line) => one.event === 'redis.down' && reason.test(`${one.reason}`);
      await wait(`${reason} is not said`, () => said().find(isIt));
    },
    heard: () =>
      wait('nothing is heard', () => (connection.channel.downSinceMs === undefined ? null : undefined)).then(() => {}),
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  };
}

/** A user whose password does not change. */
export function passwordOf(password: string, username?: string): (logger: Logger) => RedisCredentials {
  return (logger) => passwordCredentials({ username, password: async () => password, logger });
}
