import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { findReason } from '@onbehalf/node/core/reason';
import type { RedisClientOptions } from '@redis/client';
import { redisFilesMs } from '../lifetimes.ts';

type Provider = Extract<
  NonNullable<RedisClientOptions['credentialsProvider']>,
  { type: 'streaming-credentials-provider' }
>;
export type RedisCredentials = Provider & {
  /** Authenticates all open connections again, after Redis replied that one is not authenticated. */
  renew?(): void;
};
type Listener = Parameters<Provider['subscribe']>[0];
type PasswordOptions = {
  username?: string | undefined;
  /** Reads the current password, from a mounted file. */
  password: () => Promise<string>;
  logger: Logger;
};

/**
 * A user with a password that may change while the broker runs. Each new connection uses the current password. When it
 * changes, open connections authenticate again; they stay authenticated if Redis does not know the new password yet.
 */
export function passwordCredentials({ username, password, logger }: PasswordOptions): RedisCredentials {
  const listeners = new Set<Listener>();
  let known: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  const credentials = async () => ({ ...(username !== undefined && { username }), password: await password() });
  let renewedAtMs = Number.NEGATIVE_INFINITY;
  const renew = async () => {
    renewedAtMs = performance.now();
    const now = await credentials();
    known = now.password;
    for (const listener of listeners) listener.onNext(now);
  };
  const look = async () => {
    if ((await password()) === known) return;
    logger.info({ event: 'redis.password_changed' }, 'Signing in to Redis with the new password');
    await renew();
  };
  // If the file is away, its last content stays in use.
  const quietly = (work: () => Promise<void>) => () => void work().catch(() => {});
  return {
    type: 'streaming-credentials-provider',
    async subscribe(listener) {
      const now = await credentials();
      known ??= now.password;
      listeners.add(listener);
      timer ??= setInterval(quietly(look), redisFilesMs).unref();
      const dispose = () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      };
      return [now, { dispose }];
    },
    // The message starts with words of the client library; the code of Redis comes after them.
    onReAuthenticationError: (error) => {
      const reason = /\b[A-Z]{6,20}\b/.exec(error.message)?.[0] ?? findReason(error);
      logger.error({ event: 'redis.reauthentication_failed', reason, error });
    },
    renew() {
      // Each command of a busy connection gets that reply.
      if (performance.now() - renewedAtMs >= redisFilesMs) quietly(renew)();
    },
  };
}
