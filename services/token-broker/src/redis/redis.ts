import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '@onbehalf/chassis/fault';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { secondsSince } from '@onbehalf/chassis/telemetry/measures';
import { inSpan } from '@onbehalf/chassis/telemetry/tracing';
import { SpanKind } from '@opentelemetry/api';
import { channelReopenMs, heartbeatMs, redisRetryAfterSeconds, redisSilenceMs } from '../lifetimes.ts';
import { measure } from '../signals.ts';
import { LocalChannel } from '../store/channel.ts';
import { type Channel, StoreFull } from '../store/store.ts';
import { openerOf, type RedisClient, type RedisOptions } from './clients.ts';
import { reasonOf } from './reason.ts';
import { createRights, refusalOf } from './rights.ts';

export type Redis = AsyncDisposable & {
  /** Runs one command on the node that holds `key`. Bulk replies are Buffers. @throws Fault `unavailable`. */
  command(key: string | undefined, args: (string | Buffer)[]): Promise<unknown>;
  readonly channel: Channel;
  /** @throws Fault `unavailable` while Redis refuses something that the broker needs: see `createRights`. */
  permitted(): Promise<void>;
};

/**
 * Connects in the background and heals for ever: nobody waits for Redis to come up. A command has one deadline, and
 * after a silent one the rest are refused at once until the server answers again. The channel counts as up only while
 * our own heartbeat comes back through it, whatever broke it.
 */
export function connectRedis(options: RedisOptions, channel: string, logger: Logger): Redis {
  const { commandTimeoutMs } = options;
  const silenceMs = commandTimeoutMs + redisSilenceMs;
  const closing = new AbortController();
  const hub = new LocalChannel();
  let frozenUntilMs = 0;
  let repliedMs = performance.now();
  let reachable = true;
  /** What the client last met with while nothing could be asked. */
  let trouble: unknown;
  let toldReason = '';

  // One lost command, or one node of many, is no outage; a store that answers nobody is.
  const report = (up: boolean, error: unknown = trouble) => {
    if (up) {
      repliedMs = performance.now();
      trouble = undefined;
    }
    const reason = up ? '' : reasonOf(error);
    // What Redis itself says tells more than that it was away before, and anything more than nothing.
    const tellsMore = reason !== toldReason && (isVerdict(error) || toldReason === reasonOf(undefined));
    const isNews = up !== reachable || (!up && tellsMore);
    if (!isNews || (!up && performance.now() - repliedMs < silenceMs)) return;
    reachable = up;
    toldReason = reason;
    if (up) logger.info({ event: 'redis.up' }, 'Redis answers again');
    else logger.error({ event: 'redis.down', reason, error }, 'Redis does not answer');
  };
  const { open, close } = openerOf(options);
  const onTrouble = (error?: unknown) => {
    trouble = error ?? trouble;
  };

  const commands = open({ onDown: onTrouble, onReady: () => rights.doubt() });

  /** One command as span and measurement; neither holds more of it than its first word. */
  async function command(key: string | undefined, args: (string | Buffer)[]): Promise<unknown> {
    const name = String(args[0]);
    const operation = operationOf(name, key);
    const startedAtMs = performance.now();
    const done = (outcome: string) =>
      measure('onbehalf.cache.operation.duration', secondsSince(startedAtMs), {
        'onbehalf.cache.operation': operation,
        'onbehalf.cache.outcome': outcome,
      });
    const attributes = { 'db.system.name': 'redis', 'db.operation.name': name };
    // A script that is not loaded yet is no failure: it is sent.
    const work = () => send(key, args).catch((error) => (isUnknownScript(error) ? error : Promise.reject(error)));
    try {
      // Taking and giving back a lease is housekeeping; who waits for one is seen waiting.
      const reply =
        operation === 'lease' ? await work() : await inSpan(name, work, { kind: SpanKind.CLIENT, attributes });
      if (reply instanceof Error) throw reply;
      done(reads.has(name) ? (reply === null ? 'miss' : 'hit') : 'ok');
      return reply;
    } catch (error) {
      done(failureOf(error));
      throw error;
    }
  }

  async function send(key: string | undefined, args: (string | Buffer)[]): Promise<unknown> {
    if (!commands.isReady || performance.now() < frozenUntilMs) {
      report(false);
      throw away(trouble);
    }
    try {
      const reply = await within(commandTimeoutMs, commands.send(key, args));
      report(true);
      return reply;
    } catch (error) {
      if (error instanceof Timeout) {
        // A server that answers nobody is asked again in a while; in a cluster the other nodes may be fine.
        const silent = performance.now() - repliedMs >= commandTimeoutMs;
        if (silent && options.mode !== 'cluster') frozenUntilMs = performance.now() + commandTimeoutMs * 2;
      } else if (isFull(error)) throw away(new StoreFull('Redis takes nothing more', { cause: error }));
      else if (isRefusal(error)) {
        // It answers; only it does not let us.
        report(true);
        rights.doubt();
        throw away(error);
      } else if (isReply(error)) throw error;
      if (isSignedOut(error)) options.credentials?.renew?.();
      report(false, error);
      throw away(error);
    }
  }

  const me = randomUUID();
  const onMessage = (message: string) => {
    const kind = message.slice(0, 2);
    const rest = message.slice(2);
    if (kind === 'i:') hub.invalidate(rest);
    else if (kind === 'w:') hub.release(rest);
    else if (kind === 'h:' && rest === me) {
      heardMs = performance.now();
      hub.up();
    }
  };
  let heardMs = performance.now();
  // A message may have been lost ever since the last one that came.
  const deaf = () => hub.down(Date.now() - (performance.now() - heardMs));
  let subscribed: Promise<unknown> = Promise.resolve();
  let subscriber = openSubscriber();

  function openSubscriber(): RedisClient {
    const onDown = (error?: unknown) => {
      onTrouble(error);
      deaf();
    };
    const client = open({ onDown, onReady: () => {} });
    subscribed = client.subscribe(channel, onMessage);
    subscribed.catch((error) => {
      if (isRefusal(error)) rights.doubt();
      deaf();
    });
    return client;
  }

  const settled = () => within(commandTimeoutMs, subscribed);
  const rights = createRights({ command: send, events: hub, channel, subscribed: settled, logger });

  async function beat(): Promise<void> {
    while (!closing.signal.aborted) {
      const silentMs = performance.now() - heardMs;
      if (silentMs > 2 * heartbeatMs) deaf();
      if (silentMs > channelReopenMs) {
        heardMs = performance.now();
        subscriber.destroy();
        subscriber = openSubscriber();
      }
      await command(undefined, ['PUBLISH', channel, `h:${me}`]).catch(() => {});
      void rights.look();
      await delay(hub.downSinceMs === undefined ? heartbeatMs : heartbeatMs / 5, undefined, {
        signal: closing.signal,
      }).catch(() => {});
    }
  }
  const beating = beat();

  return {
    command,
    channel: hub,
    permitted: rights.permitted,
    async [Symbol.asyncDispose]() {
      closing.abort();
      await beating;
      subscriber.destroy();
      commands.destroy();
      close();
    },
  };
}

const reads = new Set(['MGET', 'GET', 'HGET', 'HMGET', 'SMEMBERS']);

function operationOf(name: string, key = ''): string {
  if (name === 'PUBLISH') return 'publish';
  if (key.includes('lease:')) return 'lease';
  if (key.includes('session:')) return 'session';
  return reads.has(name) ? 'read' : 'write';
}

function isUnknownScript(error: unknown): error is Error {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

function failureOf(error: unknown): string {
  const { cause } = error as Error;
  if (isReply(error) || isRefusal(cause)) return 'refused';
  if (cause instanceof StoreFull) return 'full';
  return cause instanceof Timeout ? 'timeout' : 'down';
}

class Timeout extends Error {}

/**
 * Rejects when a command has waited so long for its answer. The lateness may be our own: the client writes when this
 * turn of the event loop has ended, which may take as long where hundreds ask at once, so the time begins then; and an
 * answer that has arrived meanwhile is read before the verdict. By hand: Promise.race and its clean-up would be a
 * tenth of what a read costs.
 */
function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const expire = () => setImmediate(reject, new Timeout('no answer in time'));
    const written = setImmediate(() => {
      timer = setTimeout(expire, ms);
    });
    const settling =
      <V>(settle: (value: V) => void) =>
      (value: V) => {
        clearImmediate(written);
        clearTimeout(timer);
        settle(value);
      };
    work.then(settling(resolve), settling(reject));
  });
}

/** Redis refused this command (e.g. a script to load): the connection is fine. */
function isReply(error: unknown): boolean {
  return error instanceof Error && /^(NOSCRIPT|WRONGTYPE|ERR) /.test(error.message);
}

/** Redis does not let us: a matter of its configuration or ours. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && refusalOf(error) !== undefined;
}

/** Redis does not take this connection for one of ours any more. */
function isSignedOut(error: unknown): boolean {
  return error instanceof Error && /^(NOAUTH|WRONGPASS) /.test(error.message);
}

/** Redis' own word, such as `WRONGPASS …`, or ours on its answer, and not that of the way to it. */
function isVerdict(error: unknown): boolean {
  return error instanceof Error && /^[A-Z_]{3,30} /.test(error.message);
}

/** `maxmemory` is reached and nothing may be evicted. */
function isFull(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('OOM ');
}

function away(cause?: unknown): Fault {
  return new Fault('unavailable', 'The session store does not answer; try again.', {
    cause,
    retryAfterSeconds: redisRetryAfterSeconds,
  });
}
