import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { secondsSince } from '@onbehalf/node/core/telemetry/measures';
import { inSpan, inSpanIfFailed } from '@onbehalf/node/core/telemetry/tracing';
import type { Attributes } from '@opentelemetry/api';
import { redisSilenceMs } from '../lifetimes.ts';
import { measure } from '../signals.ts';
import { type Channel, StoreFull } from '../store/store.ts';
import { Availability } from './availability.ts';
import { createOpener, type RedisClient, type RedisOptions } from './clients.ts';
import { within } from './deadline.ts';
import { describeCommand, isQuiet, reads, serverOf } from './describe-command.ts';
import {
  isFull,
  isRefusal,
  isReply,
  isSignedOut,
  isUnknownScript,
  Timeout,
  toOutcome,
  unavailable,
} from './redis-errors.ts';
import { Rights } from './rights.ts';
import { scriptName } from './scripts.ts';
import { Subscription } from './subscription.ts';

export type Redis = AsyncDisposable & {
  /** Runs one command on the node that holds `key`. Bulk replies are Buffers. @throws Fault `unavailable`. */
  command(key: string | undefined, args: (string | Buffer)[]): Promise<unknown>;
  readonly channel: Channel;
  /** @throws Fault `unavailable` while Redis refuses something that the broker needs: see `Rights`. */
  permitted(): Promise<void>;
};

/** Opens a connection. `channelName`: the channel between pods. */
export function connectRedis(options: RedisOptions, channelName: string, logger: Logger): Redis {
  return new Connection(options, channelName, logger);
}

/**
 * A connection that opens in the background and heals for ever: nobody waits for Redis to come up. A command has one
 * deadline. After a command without a response, all others are refused at once until the server responds again.
 */
class Connection implements Redis {
  readonly #options: RedisOptions;
  readonly #availability: Availability;
  readonly #close: () => void;
  readonly #commands: RedisClient;
  readonly #subscription: Subscription;
  readonly #rights: Rights;
  readonly #server: Attributes;
  #frozenUntilMs = 0;

  constructor(options: RedisOptions, channelName: string, logger: Logger) {
    this.#options = options;
    this.#server = serverOf(options);
    this.#availability = new Availability(options.commandTimeoutMs + redisSilenceMs, logger);
    const { open, close } = createOpener(options);
    this.#close = close;
    const onTrouble = (error?: unknown) => this.#availability.noteTrouble(error);
    this.#commands = open({ onDown: onTrouble, onReady: () => this.#rights.doubt() });
    this.#subscription = new Subscription({
      name: channelName,
      open,
      publish: (message) => this.command(undefined, ['PUBLISH', channelName, message]),
      onRefused: () => this.#rights.doubt(),
      onTrouble,
      onBeat: () => void this.#rights.look(),
    });
    this.#rights = new Rights({
      command: (key, args) => this.#send(key, args),
      channel: this.#subscription.channel,
      channelName,
      subscribed: () => within(options.commandTimeoutMs, this.#subscription.subscribed),
      logger,
    });
  }

  get channel(): Channel {
    return this.#subscription.channel;
  }

  permitted(): Promise<void> {
    return this.#rights.permitted();
  }

  /** One command as span and measurement; neither holds more of it than its name, its script's and the kind of its key. */
  async command(key: string | undefined, args: (string | Buffer)[]): Promise<unknown> {
    const name = String(args[0]);
    const operation = toOperation(name, key);
    const startedAtMs = performance.now();
    const done = (outcome: string) =>
      measure('onbehalf.cache.operation.duration', secondsSince(startedAtMs), {
        'onbehalf.cache.operation': operation,
        'onbehalf.cache.outcome': outcome,
      });
    const script = scriptName(args[1]);
    // A script that is not loaded yet is no failure: it is sent.
    const work = () => this.#send(key, args).catch((error) => (isUnknownScript(error) ? error : Promise.reject(error)));
    try {
      const { name: words, options } = describeCommand(this.#server, name, script, key);
      const traced = isQuiet(name, script, key) ? inSpanIfFailed : inSpan;
      const reply = await traced(words, work, options);
      if (reply instanceof Error) throw reply;
      done(reads.has(name) ? (reply === null ? 'miss' : 'hit') : 'ok');
      return reply;
    } catch (error) {
      done(toOutcome(error));
      throw error;
    }
  }

  async #send(key: string | undefined, args: (string | Buffer)[]): Promise<unknown> {
    if (!this.#commands.isReady || performance.now() < this.#frozenUntilMs) {
      const { trouble } = this.#availability;
      this.#availability.failed();
      throw unavailable(trouble);
    }
    try {
      const reply = await within(this.#options.commandTimeoutMs, this.#commands.send(key, args));
      this.#availability.replied();
      return reply;
    } catch (error) {
      throw this.#toFailure(error);
    }
  }

  /** What a failed command throws; notes what the error says of Redis. */
  #toFailure(error: unknown): unknown {
    const { commandTimeoutMs, mode, credentials } = this.#options;
    if (error instanceof Timeout) {
      // A server that is silent is asked again in a while; in a cluster the other nodes may be fine.
      const isSilent = this.#availability.silentMs >= commandTimeoutMs;
      if (isSilent && mode !== 'cluster') this.#frozenUntilMs = performance.now() + commandTimeoutMs * 2;
    } else if (isFull(error)) {
      return unavailable(new StoreFull('Redis takes nothing more', { cause: error }));
    } else if (isRefusal(error)) {
      // Redis responds, and does not permit the command.
      this.#availability.replied();
      this.#rights.doubt();
      return unavailable(error);
    } else if (isReply(error)) return error;
    if (isSignedOut(error)) credentials?.renew?.();
    this.#availability.failed(error);
    return unavailable(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subscription[Symbol.asyncDispose]();
    this.#commands.destroy();
    this.#close();
  }
}

function toOperation(name: string, key = ''): string {
  if (name === 'PUBLISH') return 'publish';
  if (key.includes('lease:')) return 'lease';
  if (key.includes('session:')) return 'session';
  return reads.has(name) ? 'read' : 'write';
}
