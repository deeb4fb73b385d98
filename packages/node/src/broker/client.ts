import { z } from 'zod';
import { Fault } from '../core/fault.ts';
import { createHttpClient, type HttpClient, laterFault, unavailable } from '../core/http-client.ts';
import type { Log } from '../core/log.ts';
import { createMountedFile } from '../core/mounted-file.ts';
import { accessTokenType, clientAssertionType, grantTypes } from '../core/oauth.ts';
import { tellOutages } from '../core/outages.ts';
import { toOurs } from '../core/telemetry/client-span.ts';
import { newTraceId } from '../core/telemetry/trace-context.ts';
import { brokerDeadlineMs } from '../lifetimes.ts';

export type BrokerOptions = {
  /** Where the broker is, e.g. `http://token-broker:8080`. */
  url: string;
  /** Your pod's ServiceAccount token (RFC 7523 section 2.2): the mounted file, or what gives it freshly read. */
  assertion: string | (() => Promise<string>);
  http?: HttpClient;
  /** Is told once that the broker is away, and once that it answers again. */
  log?: Pick<Log, 'info' | 'warn'>;
};

/** No answer now: the broker or what it needs is away or asks for patience, or it does not know you. */
export type Trouble =
  | { kind: 'unavailable' | 'throttled'; retryAfterSeconds: number; cause?: unknown }
  /** Your registration at the broker is wrong: its OAuth error word, or `unreadable`. No person can do anything. */
  | { kind: 'refused'; error: string; cause?: unknown };

/** What the person must do before there is a token. */
export type Interaction =
  /** Sign in with these claims, and ask for the token with them. */
  | { kind: 'interaction_required'; claims: string | undefined }
  /** Consent to these scopes; if `adminOnly`, an administrator. */
  | { kind: 'consent_required'; scopes: string[]; adminOnly: boolean }
  | { kind: 'login_required' };

export type Token = { kind: 'token'; accessToken: string; expiresInSeconds: number };
/** `ended`: the session, or the token that was shown, is over. */
export type TokenResult = Token | Interaction | { kind: 'ended' } | Trouble;
/** Times in epoch seconds. */
export type Introspected =
  | { kind: 'active'; createdAt: number; idleEndsAt: number; endsAt: number }
  | { kind: 'ended' }
  | Trouble;
export type Ended = { kind: 'ended'; sessions: number } | Trouble;

type Asked = { scopes: readonly string[]; claims?: string | undefined; traceId?: string | undefined };
type Answer = { kind: 'answer'; ok: boolean; json: unknown };

const tokenSchema = z.object({
  access_token: z.string().min(1),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.number().default(0),
});
const errorSchema = z.object({
  error: z.string().regex(/^[a-z_]{1,40}$/),
  claims: z.string().optional().catch(undefined),
  scope: z.string().optional(),
  error_codes: z.array(z.number()).default([]),
});
const introspectionSchema = z.discriminatedUnion('active', [
  z.object({ active: z.literal(true), iat: z.number(), idle_exp: z.number(), absolute_exp: z.number() }),
  z.object({ active: z.literal(false) }),
]);
const endedSchema = z.object({ ended: z.int().min(0) });

/** AADSTS numbers by which Entra asks for an administrator's consent. */
const adminConsentCodes = [90_008, 90_094, 90_095];

/** The broker as its callers see it: an OAuth 2.0 server, whose every refusal is a value to decide by. */
export class BrokerClient {
  readonly #url: string;
  readonly #assertion: () => Promise<string>;
  readonly #send: HttpClient;

  constructor({ url, assertion, http = createHttpClient(), log }: BrokerOptions) {
    this.#url = url.replace(/\/+$/, '');
    this.#assertion = typeof assertion === 'string' ? createMountedFile(assertion) : assertion;
    const send = answering(http);
    this.#send = log ? tellOutages('token-broker', log, send) : send;
  }

  /** An access token for an API on behalf of the session's person. RFC 8693. */
  exchange({ sessionToken, ...asked }: Asked & { sessionToken: string }): Promise<TokenResult> {
    const subject = { subject_token: sessionToken, subject_token_type: accessTokenType };
    return this.#token({ grant_type: grantTypes.token_exchange, ...subject }, asked);
  }

  /** An access token for the next API, by the user's token that came in. RFC 7523 section 2.1; Learn: "On-Behalf-Of flow". */
  onBehalfOf({ userToken, ...asked }: Asked & { userToken: string }): Promise<TokenResult> {
    const subject = { assertion: userToken, requested_token_use: 'on_behalf_of' };
    return this.#token({ grant_type: grantTypes.jwt_bearer, ...subject }, asked);
  }

  /** An access token of your own app. RFC 6749 section 4.4. */
  appToken(asked: Asked): Promise<TokenResult> {
    return this.#token({ grant_type: grantTypes.client_credentials }, asked);
  }

  /** Whether a session lives, since and until when. RFC 7662. */
  async introspect(sessionToken: string, traceId?: string): Promise<Introspected> {
    const answer = await this.#ask('/oauth2/introspect', { token: sessionToken }, traceId, introspectionSchema);
    if (answer.kind !== 'answer') return answer;
    if (!answer.json.active) return { kind: 'ended' };
    const { iat, idle_exp, absolute_exp } = answer.json;
    return { kind: 'active', createdAt: iat, idleEndsAt: idle_exp, endsAt: absolute_exp };
  }

  /** Ends a session; an unknown one counts as ended. RFC 7009. */
  async revoke(
    sessionToken: string,
    traceId?: string,
    reason: 'sign_out' | 'replaced' = 'sign_out',
  ): Promise<{ kind: 'ended' } | Trouble> {
    const answer = await this.#ask('/oauth2/revoke', { token: sessionToken, reason }, traceId, z.unknown());
    return answer.kind === 'answer' ? { kind: 'ended' } : answer;
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
    const answer = await this.#ask('/sessions/end', form, traceId, endedSchema);
    return answer.kind === 'answer' ? { kind: 'ended', sessions: answer.json.ended } : answer;
  }

  async #token(form: Record<string, string>, { scopes, claims, traceId }: Asked): Promise<TokenResult> {
    const scope = scopes.join(' ');
    const request = { ...form, scope, ...(claims !== undefined && { claims }) };
    const answer = await this.#post('/oauth2/token', request, traceId, brokerDeadlineMs.token);
    if (answer.kind !== 'answer') return answer;
    if (!answer.ok) return toRefusal(answer.json, scopes);
    const { data, error } = tokenSchema.safeParse(answer.json);
    if (!data) return { kind: 'refused', error: 'unreadable', cause: error };
    return { kind: 'token', accessToken: data.access_token, expiresInSeconds: data.expires_in };
  }

  async #ask<S extends z.ZodType>(
    path: string,
    form: Record<string, string>,
    traceId: string | undefined,
    schema: S,
  ): Promise<{ kind: 'answer'; json: z.output<S> } | Trouble> {
    const answer = await this.#post(path, form, traceId, brokerDeadlineMs.session);
    if (answer.kind !== 'answer') return answer;
    if (!answer.ok) return { kind: 'refused', error: errorSchema.safeParse(answer.json).data?.error ?? 'unreadable' };
    const { success, data, error } = schema.safeParse(answer.json);
    return success ? { kind: 'answer', json: data } : { kind: 'refused', error: 'unreadable', cause: error };
  }

  async #post(
    path: string,
    form: Record<string, string>,
    traceId: string = newTraceId(),
    deadlineMs: number,
  ): Promise<Answer | Trouble> {
    try {
      const body = new URLSearchParams({ ...form, ...(await clientAssertion(this.#assertion)) });
      const response = await toOurs(traceId, (traced) => {
        const headers = { accept: 'application/json', ...traced };
        return this.#send(`${this.#url}${path}`, { method: 'POST', headers, body }, { deadlineMs });
      });
      const json: unknown = await response.json().catch((cause) => {
        throw unavailable(cause);
      });
      return { kind: 'answer', ok: response.ok, json };
    } catch (error) {
      return toTrouble(error);
    }
  }
}

/** The same client; a response that says "not now" is a Fault too. */
function answering(http: HttpClient): HttpClient {
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

/** The Fault of trouble, for who shows it to a caller. */
export function troubleFault(trouble: Trouble): Fault {
  switch (trouble.kind) {
    case 'unavailable':
      return unavailable(trouble.cause, trouble.retryAfterSeconds);
    case 'throttled':
      return new Fault('throttled', 'Too many requests at once, try again.', {
        cause: trouble.cause,
        retryAfterSeconds: trouble.retryAfterSeconds,
      });
    case 'refused': {
      // The word is an OAuth error code, never text of a person's.
      const cause = trouble.cause ?? Object.assign(new Error('refused by the broker'), { code: trouble.error });
      return new Fault('server_error', 'Something went wrong on our side.', { cause });
    }
  }
}

function toTrouble(error: unknown): Trouble {
  if (!(error instanceof Fault)) throw error;
  const { cause, code, retryAfterSeconds = 0 } = error;
  if (code === 'unavailable' || code === 'throttled') return { kind: code, retryAfterSeconds, cause };
  return { kind: 'refused', error: 'server_error', cause };
}

function toRefusal(json: unknown, scopes: readonly string[]): TokenResult {
  const { data, error: cause } = errorSchema.safeParse(json);
  if (!data) return { kind: 'refused', error: 'unreadable', cause };
  switch (data.error) {
    case 'interaction_required':
      return { kind: 'interaction_required', claims: data.claims };
    case 'consent_required': {
      const adminOnly = data.error_codes.some((code) => adminConsentCodes.includes(code));
      const asked = data.scope?.split(' ').filter(Boolean) ?? [];
      return { kind: 'consent_required', scopes: asked.length > 0 ? asked : [...scopes], adminOnly };
    }
    case 'login_required':
      return { kind: 'login_required' };
    case 'invalid_grant':
      return { kind: 'ended' };
    default:
      return { kind: 'refused', error: data.error };
  }
}
