import { Fault } from '@onbehalf/node/core/fault';
import { z } from 'zod';
import { type ApiOptions, apiSchema } from './api-options.ts';
import { toSection } from './sections.ts';

/** The agent that acts, and the name or the id of its user, where that one is to act. */
export type Acting = { agent?: string; username?: string; userId?: string };

export const badRequest = (sentence: string) => new Fault('invalid_request', sentence);

/** A caller could have the token sent to a host of its own. */
const overrideSchema = apiSchema.omit({ baseurl: true });

/**
 * The options of one request: the configured ones, and over them `optionsOverride.A.B=value` of its query. An app token
 * can only be asked for. @throws Fault `invalid_request` naming the option.
 */
export function readOptions(configured: ApiOptions, query: URLSearchParams): ApiOptions {
  const sent = toSection(query, '.').optionsoverride;
  if (sent === undefined) return configured;
  const { data: over, error } = overrideSchema.safeParse(sent);
  if (!over) throw toFault(error.issues[0]);
  return {
    ...configured,
    ...over,
    requestapptoken: configured.requestapptoken || over.requestapptoken,
    extraheaderparameters: { ...configured.extraheaderparameters, ...over.extraheaderparameters },
    extraqueryparameters: { ...configured.extraqueryparameters, ...over.extraqueryparameters },
    acquiretokenoptions: { ...configured.acquiretokenoptions, ...over.acquiretokenoptions },
  };
}

/** The message of an issue is a sentence, or what is to be said of the option. */
function toFault(issue: z.core.$ZodIssue | undefined): Fault {
  const { message } = (issue?.code === 'invalid_key' && issue.issues[0]) || { message: 'is not valid', ...issue };
  return badRequest(message.endsWith('.') ? message : `optionsOverride.${String(issue?.path[0])} ${message}.`);
}

const id = z.guid().refine((value) => /[1-9a-f]/i.test(value));

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
    if (!id.safeParse(value).success) throw badRequest(`${name} must be a non-empty GUID.`);
  };
  const [agent, username, userId] = [read('AgentIdentity'), read('AgentUsername'), read('AgentUserId')];
  if (!agent && (username || userId)) throw badRequest('AgentIdentity is missing: whose user is it?');
  if (!agent) return {};
  assertId('AgentIdentity', agent);
  if (username && username.length > 256) throw badRequest('AgentUsername may have 256 characters.');
  if (username) return { agent, username };
  // One without a value is no agent without a user: that would be somebody else.
  if (userId !== undefined) assertId('AgentUserId', userId);
  return userId === undefined ? { agent } : { agent, userId };
}
