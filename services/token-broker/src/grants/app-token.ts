import { Fault } from '@onbehalf/node/core/fault';
import type { Client } from '../clients/clients.ts';
import type { TokenRequest } from '../tokens/token.ts';
import { type AgentDeps, agentRequest, authenticate, findAgent } from './agent.ts';
import { allowedScopes } from './allowed-scopes.ts';
import type { AskedToken } from './exchange.ts';

/**
 * A request for a token of the app itself, or of an agent itself: RFC 6749 section 4.4.
 * @throws Fault `invalid_scope`, `unauthorized_client`.
 */
export function appTokenRequest(deps: AgentDeps, client: Client, asked: AskedToken): TokenRequest {
  const { entra, redisKeys } = deps;
  const agent = findAgent(deps, client, asked);
  const { scope, scopes } = allowedScopes(client, asked.scope);
  if (scopes.length !== 1 || !scope.endsWith('/.default')) {
    throw new Fault('invalid_scope', 'client_credentials takes exactly one scope: <resource>/.default.');
  }
  const { claims, traceId } = asked;
  const acquire = async () => {
    const as = agent && (await authenticate(deps, client, agent, traceId));
    return await entra.appToken(client, { scopes, claims, traceId, as });
  };
  if (agent) return agentRequest(deps, client, agent, { scope, claims, traceId, acquire });
  const key = redisKeys.app(client.name, client.tenantId);
  return {
    client: client.name,
    partition: { key, kind: 'app', throttleKey: key },
    tenantId: client.tenantId,
    ...{ scope, claims, traceId, acquire },
  };
}
