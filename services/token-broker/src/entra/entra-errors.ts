import { ConfigError } from '@onbehalf/chassis/config/config';
import { Fault, type FaultCode, type FaultMembers } from '@onbehalf/chassis/fault';
import { z } from 'zod';
import { loopBackOffSeconds, throttleDefaultSeconds, transientBackOffSeconds } from '../lifetimes.ts';

/** The grants as Entra's token endpoint sees them; a token exchange is a refresh there. */
export type EntraGrant = 'authorization_code' | 'refresh_token' | 'on_behalf_of' | 'client_credentials';

/** What an answer of Entra means for us: a key of the table below. */
export type EntraClass = keyof typeof classes;

export const classes = {
  throttled: { code: 'throttled', says: 'Entra ID asks to wait.' },
  transient: { code: 'unavailable', says: 'Entra ID cannot answer now; try again.' },
  interaction: { code: 'interaction_required', says: 'Entra ID wants the person to do something.' },
  consent: { code: 'consent_required', says: 'Consent to these scopes is missing.' },
  sign_in: { code: 'login_required', says: 'The person has to sign in again.' },
  revoked: { code: 'invalid_grant', says: 'The account was revoked or disabled.' },
  assertion: { code: 'invalid_grant', says: 'Entra ID does not take this assertion.' },
  code: { code: 'invalid_grant', says: 'The authorization code cannot be used.' },
  credential: { code: 'server_error', says: 'Something went wrong on our side.' },
  scope: { code: 'invalid_scope', says: 'Entra ID does not know these scopes, or not together.' },
  configuration: { code: 'server_error', says: 'Something went wrong on our side.' },
} as const satisfies Record<string, { code: FaultCode; says: string }>;

/** Only numbers whose `error` and `suberror` mislead; Microsoft says the numbers are no API, so all else has a default. */
const numbers: [EntraClass, number[]][] = [
  ['throttled', [50196, 90055]],
  ['transient', [50033, 70012, 90006, 90012, 90024, 90033, 90090]],
  ['revoked', [50034, 50057, 50133, 50173]],
  ['assertion', [50013, 500131, 500133, 7000114]],
  ['code', [54005, 501481]],
  ['consent', [65001, 65004, 650051, 650052, 650056, 7000229, 90008, 90094, 90095]],
  ['scope', [28000, 28003, 70011, 650053, 650054, 650057]],
  ['configuration', [65002, 65005, 700016, 700025, 700038, 7000112]],
  ['interaction', [50055, 50072, 50074, 50076, 50078, 50079, 50097, 50105, 50129, 50131, 50158]],
  ['interaction', [53000, 53001, 53002, 53003, 53004, 530032, 700020]],
  ['sign_in', [50089, 70008, 70043, 700082]],
];
const classOfNumber = new Map(numbers.flatMap(([name, list]) => list.map((number) => [number, name] as const)));

/**
 * Numbers that speak of the credential a client showed, whatever `error` they come with: its secret, key, certificate or
 * time. Learn, "Microsoft Entra authentication and authorization error codes".
 */
const ofCredential = new Set([50012, 700024, 700026, 700027, 700030, 7000215, 7000216, 7000218, 7000222]);
/** These have a second meaning (the scope, a user's assertion), so they need the `error` `invalid_client` as well. */
const ofCredentialAsInvalidClient = new Set([50027, 50048, 70002, 700021, 700023]);
/**
 * No federated credential matches the assertion, or its issuer's keys cannot be had. For minutes after a change, and now
 * and then without one, single servers of Entra's say so of a credential that all others take.
 */
const ofFederation = /^(70021|7002\d{2,3}|50166|501661|90061)$/;

const classOfWord = new Map<string | undefined, EntraClass>(
  Object.entries({
    // suberror
    basic_action: 'interaction',
    additional_action: 'interaction',
    message_only: 'interaction',
    user_password_expired: 'interaction',
    consent_required: 'consent',
    bad_token: 'sign_in',
    token_expired: 'sign_in',
    // error
    interaction_required: 'interaction',
    login_required: 'sign_in',
    temporarily_unavailable: 'transient',
    server_error: 'transient',
    invalid_scope: 'scope',
    invalid_resource: 'scope',
  } as const),
);

/** What an `invalid_grant` that nothing above explains means: it depends on what was granted. */
const classOfGrant: Record<EntraGrant, EntraClass> = {
  authorization_code: 'code',
  refresh_token: 'sign_in',
  on_behalf_of: 'assertion',
  client_credentials: 'configuration',
};

/** Classes of what was shown with one grant. An `invalid_client` with such a number at another grant means the client. */
const grantOfClass: Partial<Record<EntraClass, EntraGrant>> = { assertion: 'on_behalf_of', code: 'authorization_code' };

/** An error answer of Entra's token endpoint; all but `error` may be missing or odd. */
const errorSchema = z.object({
  error: z.string().min(1),
  suberror: z.string().optional().catch(undefined),
  claims: z.string().optional().catch(undefined),
  error_codes: z.array(z.coerce.number().int()).default([]).catch([]),
  correlation_id: z.string().max(64).optional().catch(undefined),
});

export const tokenSchema = z.object({
  access_token: z.string().min(1),
  expires_in: z.coerce.number().int().positive(),
  refresh_in: z.coerce.number().int().positive().optional().catch(undefined),
  scope: z.string().optional(),
  id_token: z.string().optional().catch(undefined),
  refresh_token: z.string().optional().catch(undefined),
});

export type HttpAnswer = {
  status: number;
  headers: Record<string, string>;
  body: unknown;
  requestId: string | undefined;
};

export type Refusal = {
  class: EntraClass;
  /**
   * False when no rule named this answer and the default was taken. That of an `invalid_client` is `credential`: it may
   * be the credential or the request, and only another credential's success tells which.
   */
  known: boolean;
  members: FaultMembers;
  retryAfterSeconds: number | undefined;
};

/** Judges a token answer by status and body before anyone believes it. Undefined: it is a token. */
export function refusalOf(answer: HttpAnswer, grant: EntraGrant, nowMs: number): Refusal | undefined {
  const { status, headers, body } = answer;
  if (status >= 200 && status < 300 && tokenSchema.safeParse(body).success) return undefined;
  const error = errorSchema.safeParse(body).data;
  const codes = error?.error_codes ?? [];
  const retryAfterSeconds = parseRetryAfter(headers['retry-after'], nowMs);
  const found = classOf(status, error, codes, grant);
  return {
    class: found ?? defaultOf(error?.error, grant),
    known: found !== undefined,
    retryAfterSeconds,
    members: {
      ...(error?.suberror && { suberror: error.suberror }),
      ...(error?.claims && { claims: error.claims }),
      ...(codes.length > 0 && { error_codes: codes }),
      ...(error?.correlation_id && { correlation_id: error.correlation_id }),
    },
  };
}

/** Whether a refusal of the class `credential` may be one server's alone, so that asking again helps. */
export function mayPass({ members }: Refusal): boolean {
  return members.error_codes?.some((code) => ofFederation.test(String(code))) ?? false;
}

/** No answer at all: refused, reset, or not in time. */
export function noAnswer(): Refusal {
  return { class: 'transient', known: true, members: {}, retryAfterSeconds: undefined };
}

/** Answers that ask to wait, each counted by itself: an outage before makes a first loop no second one. */
export type Pause = 'throttled' | 'loop' | 'transient';

/** Which pause an answer asks for; undefined for all other answers. */
export function pauseOf({ class: name, members }: Refusal): Pause | undefined {
  if (name === 'throttled') return members.error_codes?.includes(50196) ? 'loop' : 'throttled';
  return name === 'transient' ? 'transient' : undefined;
}

/** How long a pause lasts, in seconds; `times` counts its answers in a row, from 1. */
export function backOffSeconds(refusal: Refusal, times: number): number {
  if (refusal.retryAfterSeconds !== undefined) return refusal.retryAfterSeconds;
  const pause = pauseOf(refusal);
  if (pause === 'throttled') return throttleDefaultSeconds;
  const { first, longest } = pause === 'loop' ? loopBackOffSeconds : transientBackOffSeconds;
  return Math.min(first * 2 ** (times - 1), longest);
}

/** The answer our own caller gets. */
export function faultOf(refusal: Refusal, scope?: string, retryAfterSeconds?: number): Fault {
  const { code, says } = classes[refusal.class];
  const internal = code === 'server_error';
  return new Fault(code, says, {
    ...(internal ? { cause: causeOf(refusal), correlation_id: refusal.members.correlation_id } : refusal.members),
    ...(refusal.class === 'consent' && { scope }),
    ...(pauseOf(refusal) && { retryAfterSeconds: retryAfterSeconds ?? backOffSeconds(refusal, 1) }),
  });
}

/** What the log is told of a refusal that is ours to mend. */
function causeOf({ class: name, members }: Refusal): ConfigError {
  return new ConfigError(`Entra ID refuses us: class ${name}, AADSTS ${members.error_codes?.join(' ') ?? 'unknown'}`);
}

function classOf(
  status: number,
  error: z.output<typeof errorSchema> | undefined,
  codes: number[],
  grant: EntraGrant,
): EntraClass | undefined {
  if (status === 429) return 'throttled';
  if (status >= 500 || error === undefined) return 'transient';
  const invalidClient = error.error === 'invalid_client';
  if (codes.some((code) => ofCredential.has(code) || ofFederation.test(String(code)))) return 'credential';
  // On a code grant 70008 speaks of the code, not of a refresh token.
  const ofNumber = codes
    .map((code) => (code === 70008 && grant === 'authorization_code' ? 'code' : classOfNumber.get(code)))
    .find((name) => name !== undefined && !(invalidClient && (grantOfClass[name] ?? grant) !== grant));
  return (
    ofNumber ??
    (invalidClient && codes.some((code) => ofCredentialAsInvalidClient.has(code)) ? 'credential' : undefined) ??
    (error.claims ? 'interaction' : undefined) ??
    classOfWord.get(error.suberror) ??
    // Without a number it is the word of RFC 6749 section 5.2.
    (invalidClient && codes.length === 0 ? 'credential' : undefined) ??
    // A provider that widens no grant by refresh (RFC 6749 section 6) widens it where the person agrees.
    (error.error === 'invalid_scope' && grant === 'refresh_token' ? 'consent' : undefined) ??
    classOfWord.get(error.error)
  );
}

function defaultOf(error: string | undefined, grant: EntraGrant): EntraClass {
  if (error === 'invalid_client') return 'credential';
  return error === 'invalid_grant' ? classOfGrant[grant] : 'configuration';
}

/** RFC 9110 section 10.2.3: seconds or a date. */
function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const seconds = /^\d{1,6}$/.test(value.trim()) ? Number(value) : (Date.parse(value) - nowMs) / 1_000;
  return Number.isFinite(seconds) ? Math.min(Math.max(1, Math.ceil(seconds)), 3_600) : undefined;
}
