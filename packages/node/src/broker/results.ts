import { z } from 'zod';
import { Fault } from '../core/fault.ts';
import { unavailable } from '../core/http-client.ts';

/** What Entra ID said with its refusal, where it did: AADSTS numbers, and the id that its log has. */
type FromEntra = { errorCodes?: number[]; correlationId?: string };

/** No response now: the broker or what it needs is away or asks for patience, or it does not know you. */
export type Trouble =
  | { kind: 'unavailable' | 'throttled'; retryAfterSeconds: number; cause?: unknown }
  /** Your registration at the broker is wrong: its OAuth error word, or `unreadable`. No person can do anything. */
  | ({ kind: 'refused'; error: string; cause?: unknown } & FromEntra);

/** What the person must do before there is a token. */
export type Interaction = FromEntra &
  /** Sign in with these claims, and ask for the token with them. */
  (
    | { kind: 'interaction_required'; claims: string | undefined }
    /** Consent to these scopes; if `adminOnly`, an administrator. */
    | { kind: 'consent_required'; scopes: string[]; adminOnly: boolean }
    | { kind: 'login_required' }
  );

export type Token = { kind: 'token'; accessToken: string; expiresInSeconds: number };
/** `ended`: the session, or the token that was shown, is over. */
export type TokenResult = Token | Interaction | ({ kind: 'ended' } & FromEntra) | Trouble;
/** Times in epoch seconds. */
export type Introspected =
  | { kind: 'active'; createdAt: number; idleEndsAt: number; endsAt: number }
  | { kind: 'ended' }
  | Trouble;
export type Ended = { kind: 'ended'; sessions: number } | Trouble;

/** `processToken` is for the job alone: who has it, and is the client that it was begun for, acts for the person. */
export type ProcessResult =
  | { kind: 'process'; processToken: string; expiresInSeconds: number }
  | { kind: 'ended' }
  | Trouble;
type ListedProcess = { client: string; startedBy: string; scopes: string[]; createdAt: number; endsAt: number };
export type ListedProcesses = { kind: 'processes'; processes: ListedProcess[] } | Trouble;

export const processSchema = z.object({ access_token: z.string().min(1), expires_in: z.number() });
export const processesSchema = z.object({
  processes: z.array(
    z
      .object({ client_id: z.string(), started_by: z.string(), scope: z.string(), iat: z.number(), exp: z.number() })
      .transform(({ client_id: client, started_by: startedBy, scope, iat: createdAt, exp: endsAt }) => ({
        ...{ client, startedBy, scopes: scope.split(' '), createdAt, endsAt },
      })),
  ),
});

export const tokenSchema = z.object({
  access_token: z.string().min(1),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.number().default(0),
});
export const errorSchema = z.object({
  error: z.string().regex(/^[a-z_]{1,40}$/),
  claims: z.string().optional().catch(undefined),
  scope: z.string().optional(),
  error_codes: z.array(z.number()).default([]),
  correlation_id: z.guid().optional().catch(undefined),
});
export const introspectionSchema = z.discriminatedUnion('active', [
  z.object({ active: z.literal(true), iat: z.number(), idle_exp: z.number(), absolute_exp: z.number() }),
  z.object({ active: z.literal(false) }),
]);
export const endedSchema = z.object({ ended: z.int().min(0) });

/** AADSTS numbers by which Entra asks for an administrator's consent. */
const adminConsentCodes = [90_008, 90_094, 90_095];

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

/** The trouble that a Fault is. @throws what is no Fault. */
export function toTrouble(error: unknown): Trouble {
  if (!(error instanceof Fault)) throw error;
  const { cause, code, retryAfterSeconds = 0 } = error;
  if (code === 'unavailable' || code === 'throttled') return { kind: code, retryAfterSeconds, cause };
  return { kind: 'refused', error: 'server_error', cause };
}

/** What the broker asks for in place of a token. */
export function toRefusal(json: unknown, scopes: readonly string[]): TokenResult {
  const { data, error: cause } = errorSchema.safeParse(json);
  if (!data) return { kind: 'refused', error: 'unreadable', cause };
  const { error_codes: errorCodes, correlation_id: correlationId } = data;
  const told = { ...(errorCodes.length > 0 && { errorCodes }), ...(correlationId && { correlationId }) };
  switch (data.error) {
    case 'interaction_required':
      return { kind: 'interaction_required', claims: data.claims, ...told };
    case 'consent_required': {
      const adminOnly = errorCodes.some((code) => adminConsentCodes.includes(code));
      const asked = data.scope?.split(' ').filter(Boolean) ?? [];
      return { kind: 'consent_required', scopes: asked.length > 0 ? asked : [...scopes], adminOnly, ...told };
    }
    case 'login_required':
      return { kind: 'login_required', ...told };
    case 'invalid_grant':
      return { kind: 'ended', ...told };
    default:
      return { kind: 'refused', error: data.error, ...told };
  }
}

/** What the broker says in place of a process: the session is over, or the client may not. */
export function toProcessRefusal(json: unknown): ProcessResult {
  const { data, error: cause } = errorSchema.safeParse(json);
  if (!data) return { kind: 'refused', error: 'unreadable', cause };
  return data.error === 'invalid_grant' ? { kind: 'ended' } : { kind: 'refused', error: data.error };
}
