import { createMountedFile } from '@onbehalf/chassis/config/mounted-file';
import { newTraceId } from '@onbehalf/chassis/telemetry/correlation';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
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

type Credentials = { username: string; password: string };

/**
 * Signs in to Redis with Entra ID: the user name is the object id of the identity, the password an access token that is
 * renewed well before it expires. The token is kept in memory and acquired without a lease: acquiring it must not need
 * Redis.
 */
export function entraCredentials(
  entra: Entra,
  identity: { clientId: string; tenantId: string },
  logger: Logger,
): RedisCredentials {
  const client: Client = {
    clientId: identity.clientId,
    tenantId: identity.tenantId,
    name: 'redis',
    subjects: [],
    credentials: [{ type: 'federated' }],
    grants: [],
    scopes: [scope],
    redirectUris: [],
    permissions: [],
  };
  let held: { credentials: Credentials; renewAtMs: number } | undefined;
  let acquiring: Promise<typeof held> | undefined;

  async function acquire() {
    const outcome = await entra.appToken(client, { scopes: [scope], traceId: newTraceId() });
    if (outcome.kind === 'refused') throw new NoRedisToken(outcome.refusal.class);
    const { oid, sub } = decodeJwt<{ oid?: string }>(outcome.accessToken);
    const credentials = { username: oid ?? String(sub), password: outcome.accessToken };
    held = { credentials, renewAtMs: (outcome.issuedAtSeconds + outcome.expiresInSeconds * 0.7) * 1_000 };
    return held;
  }

  /** All connections of the pod share one token. */
  async function current() {
    if (held && Date.now() < held.renewAtMs) return held;
    acquiring ??= acquire().finally(() => {
      acquiring = undefined;
    });
    return await acquiring;
  }

  return {
    type: 'streaming-credentials-provider',
    async subscribe(listener) {
      const first = await current();
      let timer: NodeJS.Timeout;
      const renew = async () => {
        let waitMs = redisTokenRetryMs;
        try {
          const next = await current();
          if (next) {
            listener.onNext(next.credentials);
            waitMs = next.renewAtMs - Date.now();
          }
        } catch (error) {
          logger.warn({ event: 'redis.token_failed', error });
        }
        timer = setTimeout(renew, Math.max(waitMs, redisTokenRetryMs)).unref();
      };
      timer = setTimeout(renew, Math.max((first?.renewAtMs ?? 0) - Date.now(), redisTokenRetryMs)).unref();
      return [first?.credentials ?? {}, { dispose: () => clearTimeout(timer) }];
    },
    onReAuthenticationError: (error) => logger.error({ event: 'redis.reauthentication_failed', error }),
  };
}
