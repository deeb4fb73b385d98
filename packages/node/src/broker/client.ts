import { z } from 'zod';
import { Fault } from '../core/fault.ts';
import { createHttpClient, type HttpClient, laterFault, unavailable } from '../core/http-client.ts';
import type { Log } from '../core/log.ts';
import { createMountedFile } from '../core/mounted-file.ts';
import { accessTokenType, clientAssertionType, grantTypes, refreshTokenType } from '../core/oauth.ts';
import { tellOutages } from '../core/outages.ts';
import { toOurs } from '../core/telemetry/client-span.ts';
import { newTraceId } from '../core/telemetry/trace-context.ts';
import { brokerDeadlineMs } from '../lifetimes.ts';
import {
  type Ended,
  endedSchema,
  errorSchema,
  type Introspected,
  introspectionSchema,
  type ListedProcesses,
  type ProcessResult,
  processesSchema,
  processSchema,
  type TokenResult,
  type Trouble,
  tokenSchema,
  toProcessRefusal,
  toRefusal,
  toTrouble,
} from './results.ts';

export type {
  Ended,
  Interaction,
  Introspected,
  ListedProcesses,
  ProcessResult,
  Token,
  TokenResult,
  Trouble,
} from './results.ts';

export type BrokerOptions = {
  /** Where the broker is, e.g. `http://token-broker:8080`. */
  url: string;
  /** Your pod's ServiceAccount token (RFC 7523 section 2.2): the mounted file, or what gives it freshly read. */
  assertion: string | (() => Promise<string>);
  http?: HttpClient;
  /** Is told once that the broker is away, and once that it responds again. */
  log?: Pick<Log, 'info' | 'warn'>;
};

type Asked = { scopes: readonly string[]; claims?: string | undefined; traceId?: string | undefined };
type AskedProcess = Omit<Asked, 'claims'> & { sessionToken: string; client?: string | undefined };
/** The agent that acts, by client id; the broker has to know it as one of yours. */
type ByAgent = { agent?: string | undefined };
/** The user that belongs to an agent, by name or by object id. */
type AgentUser = { username: string; userId?: undefined } | { username?: undefined; userId: string };
type BrokerResponse = { kind: 'response'; ok: boolean; json: unknown };

/** The broker as its callers see it: an OAuth 2.0 server, whose every refusal is a value to decide by. */
export class BrokerClient {
  readonly #url: string;
  readonly #assertion: () => Promise<string>;
  readonly #send: HttpClient;

  constructor({ url, assertion, http = createHttpClient(), log }: BrokerOptions) {
    this.#url = url.replace(/\/$/, '');
    this.#assertion = typeof assertion === 'string' ? createMountedFile(assertion) : assertion;
    const send = throwingLater(http);
    this.#send = log ? tellOutages('token-broker', log, send) : send;
  }

  /** An access token for an API on behalf of the session's person. RFC 8693. */
  exchange({ sessionToken, ...asked }: Asked & { sessionToken: string }): Promise<TokenResult> {
    const subject = { subject_token: sessionToken, subject_token_type: accessTokenType };
    return this.#token({ grant_type: grantTypes.token_exchange, ...subject }, asked);
  }

  /** An access token for the next API, by the user's token that came in. RFC 7523 section 2.1; Learn: "On-Behalf-Of flow". */
  onBehalfOf({ userToken, ...asked }: Asked & ByAgent & { userToken: string }): Promise<TokenResult> {
    const subject = { assertion: userToken, requested_token_use: 'on_behalf_of' };
    return this.#token({ grant_type: grantTypes.jwt_bearer, ...subject }, asked);
  }

  /** An access token of your own app, or of an agent itself. RFC 6749 section 4.4. */
  appToken(asked: Asked & ByAgent): Promise<TokenResult> {
    return this.#token({ grant_type: grantTypes.client_credentials }, asked);
  }

  /** An access token of the user that belongs to an agent. Learn: "Agent's user account flow in agents". */
  agentUser({ username, userId, ...asked }: Asked & { agent: string } & AgentUser): Promise<TokenResult> {
    const user: Record<string, string> = username === undefined ? { user_id: userId } : { username };
    return this.#token({ grant_type: grantTypes.user_fic, ...user }, asked);
  }

  /**
   * Begins a process of the session's person for one of the broker's clients, by name; yours unless said. Its token keeps
   * acquiring access tokens in these scopes after the session has ended. RFC 8693 section 2.1.
   */
  async startProcess({ sessionToken, scopes, client, traceId }: AskedProcess): Promise<ProcessResult> {
    const form = {
      ...{ grant_type: grantTypes.token_exchange, requested_token_type: refreshTokenType, scope: scopes.join(' ') },
      ...{ subject_token: sessionToken, subject_token_type: accessTokenType },
      ...(client !== undefined && { audience: client }),
    };
    const response = await this.#post('/oauth2/token', form, traceId, brokerDeadlineMs.session);
    if (response.kind !== 'response') return response;
    if (!response.ok) return toProcessRefusal(response.json);
    const { data, error } = processSchema.safeParse(response.json);
    if (!data) return { kind: 'refused', error: 'unreadable', cause: error };
    return { kind: 'process', processToken: data.access_token, expiresInSeconds: data.expires_in };
  }

  /** An access token for the person of a process: in all its scopes, unless some are asked for. RFC 6749 section 6. */
  processToken({
    processToken,
    scopes = [],
    ...asked
  }: Partial<Asked> & { processToken: string }): Promise<TokenResult> {
    return this.#token({ grant_type: grantTypes.refresh_token, refresh_token: processToken }, { ...asked, scopes });
  }

  /** The living processes of the session's account: who has them, for what, and until when (epoch seconds). */
  async listProcesses(sessionToken: string, traceId?: string): Promise<ListedProcesses> {
    const response = await this.#ask('/processes/list', { subject_token: sessionToken }, traceId, processesSchema);
    return response.kind === 'response' ? { kind: 'processes', processes: response.json.processes } : response;
  }

  /** Whether a session lives, since and until when. RFC 7662. */
  async introspect(sessionToken: string, traceId?: string): Promise<Introspected> {
    const response = await this.#ask('/oauth2/introspect', { token: sessionToken }, traceId, introspectionSchema);
    if (response.kind !== 'response') return response;
    if (!response.json.active) return { kind: 'ended' };
    const { iat, idle_exp, absolute_exp } = response.json;
    return { kind: 'active', createdAt: iat, idleEndsAt: idle_exp, endsAt: absolute_exp };
  }

  /** Ends a session; an unknown one counts as ended. RFC 7009. */
  async revoke(
    sessionToken: string,
    traceId?: string,
    reason: 'sign_out' | 'replaced' = 'sign_out',
  ): Promise<{ kind: 'ended' } | Trouble> {
    const response = await this.#ask('/oauth2/revoke', { token: sessionToken, reason }, traceId, z.unknown());
    return response.kind === 'response' ? { kind: 'ended' } : response;
  }

  /** Ends every session of this session's person; 0 if this one has ended before. */
  revokeEverywhere(sessionToken: string, traceId?: string): Promise<Ended> {
    return this.#endSessions({ subject_token: sessionToken }, traceId);
  }

  /** Ends the sessions that came from this session at Entra. OpenID Connect Front-Channel Logout 1.0. */
  endBySid({ sid, iss }: { sid: string; iss?: string | undefined }, traceId?: string): Promise<Ended> {
    return this.#endSessions(iss === undefined ? { sid } : { sid, iss }, traceId);
  }

  async #endSessions(form: Record<string, string>, traceId: string | undefined): Promise<Ended> {
    const response = await this.#ask('/sessions/end', form, traceId, endedSchema);
    return response.kind === 'response' ? { kind: 'ended', sessions: response.json.ended } : response;
  }

  async #token(
    form: Record<string, string>,
    { scopes, claims, agent, traceId }: Asked & ByAgent,
  ): Promise<TokenResult> {
    const scope = scopes.join(' ');
    const request = { ...form, scope, ...(claims !== undefined && { claims }), ...(agent !== undefined && { agent }) };
    const response = await this.#post('/oauth2/token', request, traceId, brokerDeadlineMs.token);
    if (response.kind !== 'response') return response;
    if (!response.ok) return toRefusal(response.json, scopes);
    const { data, error } = tokenSchema.safeParse(response.json);
    if (!data) return { kind: 'refused', error: 'unreadable', cause: error };
    return { kind: 'token', accessToken: data.access_token, expiresInSeconds: data.expires_in };
  }

  async #ask<S extends z.ZodType>(
    path: string,
    form: Record<string, string>,
    traceId: string | undefined,
    schema: S,
  ): Promise<{ kind: 'response'; json: z.output<S> } | Trouble> {
    const response = await this.#post(path, form, traceId, brokerDeadlineMs.session);
    if (response.kind !== 'response') return response;
    if (!response.ok)
      return { kind: 'refused', error: errorSchema.safeParse(response.json).data?.error ?? 'unreadable' };
    const { success, data, error } = schema.safeParse(response.json);
    return success ? { kind: 'response', json: data } : { kind: 'refused', error: 'unreadable', cause: error };
  }

  async #post(
    path: string,
    form: Record<string, string>,
    traceId: string = newTraceId(),
    deadlineMs: number,
  ): Promise<BrokerResponse | Trouble> {
    try {
      const body = new URLSearchParams({ ...form, ...(await clientAssertion(this.#assertion)) });
      const response = await toOurs(traceId, (traced) => {
        const headers = { accept: 'application/json', ...traced };
        return this.#send(`${this.#url}${path}`, { method: 'POST', headers, body }, { deadlineMs });
      });
      const json: unknown = await response.json().catch((cause) => {
        throw unavailable(cause);
      });
      return { kind: 'response', ok: response.ok, json };
    } catch (error) {
      return toTrouble(error);
    }
  }
}

/** The same client; a response that says "not now" is a Fault too. */
function throwingLater(http: HttpClient): HttpClient {
  return async (...asked) => {
    const response = await http(...asked);
    const later = laterFault(response);
    if (!later) return response;
    await response.body?.cancel();
    throw later;
  };
}

/** How you prove yourself to the broker: your ServiceAccount token, freshly read. RFC 7523 section 2.2. */
export async function clientAssertion(read: () => Promise<string>) {
  const assertion = await read().catch((cause) => {
    throw new Fault('server_error', 'Something went wrong on our side.', { cause });
  });
  return { client_assertion_type: clientAssertionType, client_assertion: assertion };
}
