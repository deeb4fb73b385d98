import { Fault } from '@onbehalf/node/core/fault';
import type { Client } from '../clients/clients.ts';
import type { Entra } from '../entra/entra.ts';
import type { RedisKeys } from '../store/redis-keys.ts';
import type { TokenRequest } from '../tokens/token.ts';
import { allowedScopes } from './allowed-scopes.ts';
import type { AskedToken } from './exchange.ts';

type Deps = { entra: Entra; redisKeys: RedisKeys };

/** A request for a token of the app itself: RFC 6749 section 4.4. @throws Fault `invalid_scope`. */
export function appTokenRequest({ entra, redisKeys }: Deps, client: Client, asked: AskedToken): TokenRequest {
  const { scope, scopes } = allowedScopes(client, asked.scope);
  if (scopes.length !== 1 || !scope.endsWith('/.default')) {
    throw new Fault('invalid_scope', 'client_credentials takes exactly one scope: <resource>/.default.');
  }
  const key = redisKeys.app(client.name, client.tenantId);
  const { claims, traceId } = asked;
  return {
    client: client.name,
    partition: { key, kind: 'app', throttleKey: key },
    tenantId: client.tenantId,
    scope,
    claims,
    traceId,
    acquire: () => entra.appToken(client, { scopes, claims, traceId }),
  };
}
