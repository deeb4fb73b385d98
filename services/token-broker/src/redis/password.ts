import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { findReason } from '@onbehalf/node/core/reason';
import type { RedisClientOptions } from 'redis';
import { redisFilesMs } from '../lifetimes.ts';

type Provider = Extract<
  NonNullable<RedisClientOptions['credentialsProvider']>,
  { type: 'streaming-credentials-provider' }
>;
export type RedisCredentials = Provider & {
  /** Signs in anew on every open connection: Redis has said that one is not signed in. */
  renew?(): void;
};
type Listener = Parameters<Provider['subscribe']>[0];
type PasswordOptions = {
  username?: string | undefined;
  /** The password as it is now; a mounted file's. */
  password: () => Promise<string>;
  logger: Logger;
};

/**
 * A user with a password that may change while we run. Each connection signs in by what the password is then; when it
 * changes, open connections sign in again, and stay as they are where Redis does not know it yet.
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
  // A file that is away keeps its last content: there is nothing to tell.
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
    // The client puts words of its own before those of Redis.
    onReAuthenticationError: (error) => {
      const reason = /\b[A-Z]{6,20}\b/.exec(error.message)?.[0] ?? findReason(error);
      logger.error({ event: 'redis.reauthentication_failed', reason, error });
    },
    renew() {
      // Every command of a busy connection says so.
      if (performance.now() - renewedAtMs >= redisFilesMs) quietly(renew)();
    },
  };
}
