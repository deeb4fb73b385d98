import { Fault } from '@onbehalf/node/core/fault';
import { toOurs } from '@onbehalf/node/core/telemetry/client-span';
import { z } from 'zod';
import { brokerDeadlineMs } from '../lifetimes.ts';
import { maxClaimsLength } from './challenge.ts';
import { createFlights } from './flights.ts';
import { laterFault, type Upstream, unavailable } from './http-client.ts';

/** What a person must do at Entra before a token can be acquired. */
export type StepUp = {
  kind: 'claims' | 'consent' | 'sign_in';
  claims?: string | undefined;
  scopes?: string[] | undefined;
  /** Only an administrator can consent. */
  adminOnly?: boolean;
};

/** The result of an exchange: a token, a step-up that the person must do first, or an ended session. */
export type Acquired = { kind: 'token'; accessToken: string } | { kind: 'step_up'; stepUp: StepUp } | { kind: 'ended' };

type Exchange = { token: string; scopes: string[]; claims?: string | undefined };

const livingSchema = z.object({
  active: z.literal(true),
  iat: z.number(),
  idle_exp: z.number(),
  absolute_exp: z.number(),
});
const introspectionSchema = z.discriminatedUnion('active', [livingSchema, z.object({ active: z.literal(false) })]);
const endedSchema = z.object({ ended: z.int().min(0) });
const tokenSchema = z.object({ access_token: z.string().min(1), token_type: z.string().regex(/^bearer$/i) });
const errorSchema = z.object({
  error: z.string(),
  claims: z.string().max(maxClaimsLength).optional().catch(undefined),
  scope: z.string().optional(),
  error_codes: z.array(z.number()).default([]),
});

/** AADSTS numbers by which Entra asks for an administrator's consent. */
const adminConsentCodes = [90_008, 90_094, 90_095];

const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** How we authenticate to the broker: our ServiceAccount token, freshly read. RFC 7523 section 2.2. */
export async function clientAssertion(read: () => Promise<string>) {
  const assertion = await read().catch((cause) => {
    throw new Fault('server_error', 'Something went wrong on our side.', { cause });
  });
  return { client_assertion_type: assertionType, client_assertion: assertion };
}

type BrokerOptions = {
  url: string;
  upstream: Upstream;
  /** Our ServiceAccount token, freshly read. */
  assertion: () => Promise<string>;
};

/**
 * The broker as its callers see it: an OAuth 2.0 server. Every method throws Fault `unavailable` or `throttled` while
 * it cannot respond, `server_error` if it does not know us.
 */
export class Broker {
  readonly #options: BrokerOptions;
  /** A page may call an API hundreds of times at once, each with the same token; the broker limits its calls. */
  readonly #exchanges = createFlights<Acquired>();

  constructor(options: BrokerOptions) {
    this.#options = options;
  }

  /** Whether a session lives, since and until when (epoch seconds); undefined once it has ended. RFC 7662. */
  async introspect(token: string, traceId: string) {
    const response = parse(introspectionSchema, await this.#session('/oauth2/introspect', traceId, { token }));
    if (!response.active) return undefined;
    return { createdAt: response.iat, idleEndsAt: response.idle_exp, endsAt: response.absolute_exp };
  }

  /** Ends a session; an unknown one counts as ended. RFC 7009. */
  async revoke(token: string, traceId: string): Promise<void> {
    await this.#session('/oauth2/revoke', traceId, { token }).finally(() => this.#exchanges.leave(token));
  }

  /** Ends every session of this session's person. Returns their number: 0 if this one has ended before. */
  revokeEverywhere(token: string, traceId: string): Promise<number> {
    return this.#endSessions(traceId, { subject_token: token }).finally(() => this.#exchanges.leave(token));
  }

  /** Ends the sessions that came from this session at Entra. Returns their number. */
  endBySid(sid: string, iss: string | undefined, traceId: string): Promise<number> {
    return this.#endSessions(traceId, iss === undefined ? { sid } : { sid, iss });
  }

  /**
   * An access token for an API on behalf of the session's person; equal requests of a session at the same time share one
   * exchange. RFC 8693.
   */
  exchange({ token, scopes, claims }: Exchange, traceId: string): Promise<Acquired> {
    const names = [scopes.join(' '), ...(claims === undefined ? [] : [claims])];
    return this.#exchanges.join(token, names, () => this.#exchangeAlone({ token, scopes, claims }, traceId));
  }

  async #exchangeAlone({ token, scopes, claims }: Exchange, traceId: string): Promise<Acquired> {
    const form = { grant_type: tokenExchange, subject_token: token, subject_token_type: accessTokenType };
    const request = { ...form, scope: scopes.join(' '), ...(claims !== undefined && { claims }) };
    const { ok, json } = await this.#post('/oauth2/token', traceId, request, brokerDeadlineMs.token);
    if (ok) return { kind: 'token', accessToken: parse(tokenSchema, json).access_token };
    const response = parse(errorSchema, json);
    switch (response.error) {
      case 'interaction_required':
        return { kind: 'step_up', stepUp: { kind: 'claims', claims: response.claims ?? claims } };
      case 'consent_required': {
        const adminOnly = response.error_codes.some((code) => adminConsentCodes.includes(code));
        const asked = response.scope?.split(' ').filter(Boolean) ?? [];
        return { kind: 'step_up', stepUp: { kind: 'consent', scopes: asked.length > 0 ? asked : scopes, adminOnly } };
      }
      case 'login_required':
        return { kind: 'step_up', stepUp: { kind: 'sign_in' } };
      case 'invalid_grant':
        return { kind: 'ended' };
      default:
        throw refused(json);
    }
  }

  async #endSessions(traceId: string, form: Record<string, string>): Promise<number> {
    return parse(endedSchema, await this.#session('/sessions/end', traceId, form)).ended;
  }

  async #session(path: string, traceId: string, form: Record<string, string>): Promise<unknown> {
    const { ok, json } = await this.#post(path, traceId, form, brokerDeadlineMs.session);
    if (!ok) throw refused(json);
    return json;
  }

  async #post(path: string, traceId: string, form: Record<string, string>, deadlineMs: number) {
    const { assertion, upstream, url } = this.#options;
    const body = new URLSearchParams({ ...form, ...(await clientAssertion(assertion)) });
    const response = await toOurs(traceId, (traced) => {
      const headers = { accept: 'application/json', ...traced };
      return upstream(`${url}${path}`, { method: 'POST', headers, body }, { deadlineMs });
    });
    const later = laterFault(response);
    if (later) await response.body?.cancel();
    if (later) throw later;
    const json: unknown = await response.json().catch((cause) => {
      throw unavailable(cause);
    });
    return { ok: response.ok, json };
  }
}

/** A refusal that no person can do anything about: our registration at the broker is wrong. */
function refused(json: unknown): Fault {
  const word = errorSchema.safeParse(json).data?.error ?? 'unreadable';
  // The word is an OAuth error code, never text of a person's.
  const cause = Object.assign(new Error('refused by the broker'), { code: word.slice(0, 40) });
  return new Fault('server_error', 'Something went wrong on our side.', { cause });
}

function parse<S extends z.ZodType>(schema: S, json: unknown): z.output<S> {
  const { success, data, error } = schema.safeParse(json);
  if (!success) throw new Fault('server_error', 'Something went wrong on our side.', { cause: error });
  return data;
}
