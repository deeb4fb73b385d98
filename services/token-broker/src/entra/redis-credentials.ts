import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { createMountedFile } from '@onbehalf/node/core/mounted-file';
import { newTraceId } from '@onbehalf/node/core/telemetry/trace-context';
import { decodeJwt } from 'jose';
import type { Client } from '../clients/clients.ts';
import type { Config } from '../config.ts';
import { redisTokenRetryMs } from '../lifetimes.ts';
import { passwordCredentials, type RedisCredentials } from '../redis/password.ts';
import type { Entra } from './entra.ts';

/**
 * The broker's credentials for Redis; undefined if Redis needs none.
 * @throws Error if the file of the password cannot be read.
 */
export async function openRedisCredentials(
  auth: Config['redis']['auth'],
  entra: Entra,
  logger: Logger,
): Promise<RedisCredentials | undefined> {
  switch (auth.type) {
    case 'none':
      return undefined;
    case 'entra':
      return entraCredentials(entra, auth, logger);
    case 'password': {
      const { username, passwordFile } = auth;
      const password = createMountedFile(passwordFile);
      await password();
      return passwordCredentials({ username, password, logger });
    }
  }
}

/** The resource of Azure Managed Redis: Learn, "Use Microsoft Entra for cache authentication". */
const scope = 'https://redis.azure.com/.default';

/** Entra ID refused a token for Redis; `code` has the class of the refusal, e.g. `ENTRA_CREDENTIAL`. */
class NoRedisToken extends Error {
  override name = 'NoRedisToken';
  readonly code: string;

  constructor(refusalClass: string) {
    super('Entra ID gives no token for Redis');
    this.code = `ENTRA_${refusalClass.toUpperCase()}`;
  }
}

type Identity = { clientId: string; tenantId: string };
type Listener = Parameters<RedisCredentials['subscribe']>[0];
type Held = { credentials: { username: string; password: string }; renewAtMs: number };

/**
 * Signs in to Redis with Entra ID: the user name is the object id of the identity, the password an access token that is
 * renewed well before it expires. The token is kept in memory and acquired without a lease: acquiring it must not need
 * Redis.
 */
export function entraCredentials(entra: Entra, identity: Identity, logger: Logger): RedisCredentials {
  const token = new RedisToken(entra, identity);
  return {
    type: 'streaming-credentials-provider',
    subscribe: (listener) => subscribe(token, listener, logger),
    onReAuthenticationError: (error) => logger.error({ event: 'redis.reauthentication_failed', error }),
  };
}

/** The access token for Redis. All connections of the pod share it. */
class RedisToken {
  readonly #entra: Entra;
  readonly #client: Client;
  #held: Held | undefined;
  #acquiring: Promise<Held> | undefined;

  constructor(entra: Entra, { clientId, tenantId }: Identity) {
    this.#entra = entra;
    this.#client = {
      ...{ clientId, tenantId, name: 'redis', credentials: [{ type: 'federated' }], scopes: [scope] },
      ...{ subjects: [], grants: [], redirectUris: [], permissions: [] },
    };
  }

  /** @throws NoRedisToken if Entra ID refuses it. */
  async current(): Promise<Held> {
    if (this.#held && Date.now() < this.#held.renewAtMs) return this.#held;
    this.#acquiring ??= this.#acquire().finally(() => {
      this.#acquiring = undefined;
    });
    return await this.#acquiring;
  }

  async #acquire(): Promise<Held> {
    const outcome = await this.#entra.appToken(this.#client, { scopes: [scope], traceId: newTraceId() });
    if (outcome.kind === 'refused') throw new NoRedisToken(outcome.refusal.class);
    const { oid, sub } = decodeJwt<{ oid?: string }>(outcome.accessToken);
    const credentials = { username: oid ?? String(sub), password: outcome.accessToken };
    this.#held = { credentials, renewAtMs: (outcome.issuedAtSeconds + outcome.expiresInSeconds * 0.7) * 1_000 };
    return this.#held;
  }
}

/** Gives one connection the token, and each renewed token until the subscription is disposed of. */
async function subscribe(
  token: RedisToken,
  listener: Listener,
  logger: Logger,
): Promise<[Held['credentials'], { dispose(): void }]> {
  let timer: NodeJS.Timeout;
  const renewAfter = (waitMs: number) => {
    timer = setTimeout(renew, Math.max(waitMs, redisTokenRetryMs)).unref();
  };
  const renew = async () => {
    let waitMs = redisTokenRetryMs;
    try {
      const { credentials, renewAtMs } = await token.current();
      listener.onNext(credentials);
      waitMs = renewAtMs - Date.now();
    } catch (error) {
      logger.warn({ event: 'redis.token_failed', error });
    }
    renewAfter(waitMs);
  };
  const first = await token.current();
  renewAfter(first.renewAtMs - Date.now());
  return [first.credentials, { dispose: () => clearTimeout(timer) }];
}
