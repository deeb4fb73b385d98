import { z } from 'zod';
import { badRequest } from './api-options.ts';

/** The agent that acts, and its user by name or id, where that one is to act. */
export type Acting = { agent?: string; agentUser?: { username: string } | { userId: string } };

const guid = z.guid().refine((value) => /[1-9a-f]/i.test(value));

/**
 * `AgentIdentity`, and `AgentUsername` or `AgentUserId`, of which the first wins, as at Microsoft's sidecar.
 * @throws Fault `invalid_request` naming the parameter.
 */
export function readAgent(query: URLSearchParams): Acting {
  const read = (name: string) => {
    const [first, ...more] = [...query].filter(([sent]) => sent.toLowerCase() === name.toLowerCase());
    if (more.length > 0) throw badRequest(`${name} may be sent once.`);
    return first?.[1].trim();
  };
  const assertId = (name: string, value: string) => {
    if (!guid.safeParse(value).success) throw badRequest(`${name} must be a non-empty GUID.`);
  };
  const [agent, username, userId] = [read('AgentIdentity'), read('AgentUsername'), read('AgentUserId')];
  if (!agent && (username || userId)) throw badRequest('AgentIdentity is missing: whose user is it?');
  if (!agent) return {};
  assertId('AgentIdentity', agent);
  if (username && username.length > 256) throw badRequest('AgentUsername may have 256 characters.');
  if (username) return { agent, agentUser: { username } };
  // One without a value is no agent without a user: that would be somebody else.
  if (userId !== undefined) assertId('AgentUserId', userId);
  return userId === undefined ? { agent } : { agent, agentUser: { userId } };
}
