import type { Client } from '../clients/clients.ts';
import type { TokenRequest } from '../tokens/token.ts';
import { type AgentDeps, authenticate, findAgent } from './agent.ts';
import { allowedScopes } from './allowed-scopes.ts';
import type { Assertions } from './assertions.ts';
import type { AskedToken } from './exchange.ts';
import { RevocableRequest } from './revocable-request.ts';

export type OnBehalfOfDeps = AgentDeps & { assertions: Assertions };

/**
 * A request for an access token for the next API, on behalf of an assertion's user, perhaps by an agent: RFC 7523
 * section 2.1. @throws Fault `invalid_grant`, `invalid_scope`, `unauthorized_client`.
 */
export function onBehalfOfRequest(
  deps: OnBehalfOfDeps,
  client: Client,
  token: string,
  asked: AskedToken,
): TokenRequest {
  const { entra, tombstones, assertions } = deps;
  const { claims, traceId } = asked;
  const agent = findAgent(deps, client, asked);
  const { key, throttleKey, claims: told } = assertions.parse(client, token, ...(agent ? [agent.id] : []));
  const { scope, scopes } = allowedScopes(client, asked.scope);
  const person = `${told.oid}.${told.tid}`;
  const assertion = { token, issuedAtSeconds: told.iat };
  return new RevocableRequest(deps, {
    client,
    agent,
    scope,
    claims,
    traceId,
    tenantId: told.tid,
    person,
    assertion,
    partition: { key, kind: 'obo', throttleKey },
    async acquire() {
      await tombstones.refuseEnded(person, assertion);
      const as = agent && (await authenticate(deps, client, agent, traceId));
      return await entra.onBehalfOf(client, { assertion: token, tenantId: told.tid, scopes, claims, traceId, as });
    },
  });
}
