import { Fault } from '@onbehalf/node/core/fault';
import type { Client } from '../clients/clients.ts';
import type { Acquired, AgentUser, AsAgent, Entra, Refused } from '../entra/entra.ts';
import type { TokenRequest } from '../tokens/token.ts';
import type { Tokens } from '../tokens/tokens.ts';
import { allowedScopes } from './allowed-scopes.ts';
import type { AskedToken } from './exchange.ts';
import { type Agent, type RevocableDeps, RevocableRequest } from './revocable-request.ts';

export type AgentDeps = RevocableDeps & { entra: Entra; tokens: Tokens };

/** The scope of a token that is a credential of another app. Learn, "Agent OAuth flows". */
const exchangeScope = 'api://AzureADTokenExchange/.default';

/** The agent that a request names. @throws Fault `unauthorized_client` if the client may not act as it. */
export function findAgent({ redisKeys }: RevocableDeps, client: Client, { agent: id }: AskedToken): Agent | undefined {
  if (id === undefined) return undefined;
  if (client.agents?.includes(id))
    return { id, name: `${id}.${client.tenantId}`, key: redisKeys.agent(client.name, id) };
  throw new Fault('unauthorized_client', 'The client is not configured for this agent.');
}

type OfAgent = Pick<TokenRequest, 'scope' | 'claims' | 'traceId'> & {
  acquire: () => Promise<Acquired | Refused>;
  isCredential?: boolean;
  throttleKey?: string;
};

/** A request for a token of an agent itself; those that are its credentials stand beside it. */
export function agentRequest(
  deps: RevocableDeps,
  client: Client,
  agent: Agent,
  { throttleKey = agent.key, ...asked }: OfAgent,
): TokenRequest {
  const partition = { key: agent.key, kind: 'agent', throttleKey } as const;
  return new RevocableRequest(deps, { ...asked, client, agent, partition, tenantId: client.tenantId });
}

/** The agent as the client of a request: its blueprint's token for it is acquired once for all pods. @throws Fault. */
export async function authenticate(deps: AgentDeps, client: Client, agent: Agent, traceId: string): Promise<AsAgent> {
  const { entra, tokens, redisKeys } = deps;
  const request = agentRequest(deps, client, agent, {
    ...{ scope: `${exchangeScope} ${agent.id}`, claims: undefined, traceId, isCredential: true },
    throttleKey: redisKeys.app(client.name, client.tenantId),
    acquire: () => entra.appToken(client, { scopes: [exchangeScope], fmiPath: agent.id, traceId }),
  });
  return { agent: agent.id, assertion: (await tokens.get(request)).record.accessToken };
}

/**
 * A request for a token of the user that belongs to an agent. Learn, "Agent's user account flow in agents".
 * @throws Fault `unauthorized_client`, `invalid_scope`.
 */
export function agentUserRequest(
  deps: AgentDeps,
  client: Client,
  asked: AskedToken & { agent: string; user: AgentUser },
): TokenRequest {
  const { entra, tokens, redisKeys } = deps;
  const { claims, traceId, user } = asked;
  const agent = findAgent(deps, client, asked) as Agent;
  const { scope, scopes } = allowedScopes(client, asked.scope);
  const id = 'username' in user ? undefined : user.userObjectId;
  const key = redisKeys.agent(client.name, agent.id, 'username' in user ? user.username.toLowerCase() : id);
  return new RevocableRequest(deps, {
    ...{ client, agent, scope, claims, traceId, tenantId: client.tenantId },
    ...{ partition: { key, kind: 'agent', throttleKey: key }, person: id && `${id}.${client.tenantId}` },
    async acquire() {
      const as = await authenticate(deps, client, agent, traceId);
      // The agent's own token for the exchange, by which it acts as its user.
      const acquire = () => entra.appToken(client, { scopes: [exchangeScope], as, traceId });
      const own = { scope: exchangeScope, claims: undefined, traceId, isCredential: true, acquire };
      const { record } = await tokens.get(agentRequest(deps, client, agent, own));
      return await entra.agentUser(client, { scopes, claims, traceId, as, assertion: record.accessToken, user });
    },
  });
}
