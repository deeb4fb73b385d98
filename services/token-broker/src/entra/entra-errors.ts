import { ConfigError } from '@onbehalf/node/core/config-error';
import { Fault, type FaultCode, type FaultMembers } from '@onbehalf/node/core/fault';
import { parseRetryAfter } from '@onbehalf/node/core/retry-after';
import { z } from 'zod';
import { loopBackOffSeconds, throttleDefaultSeconds, transientBackOffSeconds } from '../lifetimes.ts';

/** The grants as Entra's token endpoint sees them; a token exchange is a refresh there. */
export type EntraGrant = 'authorization_code' | 'refresh_token' | 'on_behalf_of' | 'client_credentials' | 'user_fic';

/** How the broker handles a response of Entra: a key of the table below. */
export type EntraClass = keyof typeof classes;

export const classes = {
  throttled: { code: 'throttled', description: 'Entra ID asks to wait.' },
  transient: { code: 'unavailable', description: 'Entra ID cannot respond now; try again.' },
  interaction: { code: 'interaction_required', description: 'Entra ID wants the person to do something.' },
  consent: { code: 'consent_required', description: 'Consent to these scopes is missing.' },
  sign_in: { code: 'login_required', description: 'The person has to sign in again.' },
  revoked: { code: 'invalid_grant', description: 'The account was revoked or disabled.' },
  assertion: { code: 'invalid_grant', description: 'Entra ID does not take this assertion.' },
  code: { code: 'invalid_grant', description: 'The authorization code cannot be used.' },
  credential: { code: 'server_error', description: 'Something went wrong on our side.' },
  scope: { code: 'invalid_scope', description: 'Entra ID does not know these scopes, or not together.' },
  configuration: { code: 'server_error', description: 'Something went wrong on our side.' },
} as const satisfies Record<string, { code: FaultCode; description: string }>;

/** Only numbers whose `error` and `suberror` mislead. Microsoft may change numbers, so all others have a default. */
const numbers: [EntraClass, number[]][] = [
  ['throttled', [50196, 90055]],
  ['transient', [50033, 70012, 90006, 90012, 90024, 90033, 90090]],
  ['revoked', [50034, 50057, 50133, 50173]],
  ['assertion', [50013, 500131, 500133, 7000114]],
  ['code', [54005, 501481]],
  ['consent', [65001, 65004, 650051, 650052, 650056, 7000229, 90008, 90094, 90095]],
  ['scope', [28000, 28003, 70011, 650053, 650054, 650057]],
  ['configuration', [65002, 65005, 82001, 82002, 700016, 700025, 700038, 7000112]],
  ['interaction', [50055, 50072, 50074, 50076, 50078, 50079, 50097, 50105, 50129, 50131, 50158]],
  ['interaction', [53000, 53001, 53002, 53003, 53004, 530032, 700020]],
  ['sign_in', [50089, 70008, 70043, 700082]],
];
const classByNumber = new Map(numbers.flatMap(([name, list]) => list.map((number) => [number, name] as const)));

/**
 * These numbers mean the client's credential (its secret, key, certificate or time) with any `error`.
 * Learn, "Microsoft Entra authentication and authorization error codes".
 */
const credentialNumbers = new Set([50012, 700024, 700026, 700027, 700030, 7000215, 7000216, 7000218, 7000222]);
/** These mean the credential only with the `error` `invalid_client`, else the scope or a user's assertion. */
const credentialNumbersOfInvalidClient = new Set([50027, 50048, 70002, 700021, 700023]);
/**
 * No federated credential matches the assertion, or Entra cannot fetch the keys of its issuer. For minutes after a
 * change, and sometimes without one, single servers of Entra refuse a credential that all others accept.
 */
const federationNumbers = /^(70021|7002\d{2,3}|50166|501661|90061)$/;

const classByWord = new Map<string | undefined, EntraClass>(
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

/** The class of an `invalid_grant` without a known number or suberror. */
const classByGrant: Record<EntraGrant, EntraClass> = {
  authorization_code: 'code',
  refresh_token: 'sign_in',
  on_behalf_of: 'assertion',
  client_credentials: 'configuration',
  user_fic: 'assertion',
};

/** Classes of few grants. An `invalid_client` with such a number at another grant means the client. */
const grantsByClass: Partial<Record<EntraClass, EntraGrant[]>> = {
  assertion: ['on_behalf_of', 'user_fic'],
  code: ['authorization_code'],
};

/** An error response of Entra's token endpoint; all but `error` may be missing or malformed. */
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

export type HttpResponse = {
  status: number;
  headers: Record<string, string>;
  body: unknown;
  requestId: string | undefined;
};

export type Refusal = {
  class: EntraClass;
  /**
   * False if no rule matches and the class is the default. For `invalid_client` the default is `credential`: the cause
   * may be the credential or the request, and only a success with another credential shows which.
   */
  known: boolean;
  members: FaultMembers;
  retryAfterSeconds: number | undefined;
};

/** Classifies a token response by status and body. Undefined if it is a token. */
export function parseRefusal(response: HttpResponse, grant: EntraGrant, nowMs: number): Refusal | undefined {
  const { status, headers, body } = response;
  if (status >= 200 && status < 300 && tokenSchema.safeParse(body).success) return undefined;
  const error = errorSchema.safeParse(body).data;
  const codes = error?.error_codes ?? [];
  const retryAfterSeconds = parseRetryAfter(headers['retry-after'], nowMs);
  const found = classify(status, error, codes, grant);
  return {
    class: found ?? defaultClass(error?.error, grant),
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

/** Whether only one server of Entra may have refused the credential, so that a retry helps. */
export function mayBeTransient({ members }: Refusal): boolean {
  return members.error_codes?.some((code) => federationNumbers.test(String(code))) ?? false;
}

/** The refusal for a connection that was refused or reset, or a response that came too late. */
export function noResponse(): Refusal {
  return { class: 'transient', known: true, members: {}, retryAfterSeconds: undefined };
}

/** Refusals that ask to wait, each kind counted alone: after an outage the first loop still counts as the first. */
export type Pause = 'throttled' | 'loop' | 'transient';

/** Undefined if the refusal does not ask to wait. */
export function findPause({ class: name, members }: Refusal): Pause | undefined {
  if (name === 'throttled') return members.error_codes?.includes(50196) ? 'loop' : 'throttled';
  return name === 'transient' ? 'transient' : undefined;
}

/** The length of a pause in seconds; `times` counts the refusals of this kind in a row, from 1. */
export function backOffSeconds(refusal: Refusal, times: number): number {
  if (refusal.retryAfterSeconds !== undefined) return refusal.retryAfterSeconds;
  const pause = findPause(refusal);
  if (pause === 'throttled') return throttleDefaultSeconds;
  const { first, longest } = pause === 'loop' ? loopBackOffSeconds : transientBackOffSeconds;
  return Math.min(first * 2 ** (times - 1), longest);
}

/** The error response for the broker's own caller. */
export function toEntraFault(refusal: Refusal, scope?: string, retryAfterSeconds?: number): Fault {
  const { code, description } = classes[refusal.class];
  const internal = code === 'server_error';
  return new Fault(code, description, {
    ...(internal ? { cause: toCause(refusal), correlation_id: refusal.members.correlation_id } : refusal.members),
    ...(refusal.class === 'consent' && { scope }),
    ...(findPause(refusal) && { retryAfterSeconds: retryAfterSeconds ?? backOffSeconds(refusal, 1) }),
  });
}

/** For the log: a refusal that the operator has to fix. */
function toCause({ class: name, members }: Refusal): ConfigError {
  return new ConfigError(`Entra ID refuses us: class ${name}, AADSTS ${members.error_codes?.join(' ') ?? 'unknown'}`);
}

function classify(
  status: number,
  error: z.output<typeof errorSchema> | undefined,
  codes: number[],
  grant: EntraGrant,
): EntraClass | undefined {
  if (status === 429) return 'throttled';
  if (status >= 500 || error === undefined) return 'transient';
  const invalidClient = error.error === 'invalid_client';
  // The agent's credential was good a moment before: this user does not trust the agent.
  if (grant === 'user_fic' && codes.some((code) => federationNumbers.test(String(code)))) return 'assertion';
  if (codes.some((code) => credentialNumbers.has(code) || federationNumbers.test(String(code)))) return 'credential';
  // At the code grant 70008 means that the code expired, else the refresh token.
  const numbered = codes
    .map((code) => (code === 70008 && grant === 'authorization_code' ? 'code' : classByNumber.get(code)))
    .find((name) => name !== undefined && !(invalidClient && grantsByClass[name]?.includes(grant) === false));
  return (
    numbered ??
    (invalidClient && codes.some((code) => credentialNumbersOfInvalidClient.has(code)) ? 'credential' : undefined) ??
    (error.claims ? 'interaction' : undefined) ??
    classByWord.get(error.suberror) ??
    // Without a number `invalid_client` means what RFC 6749 section 5.2 says.
    (invalidClient && codes.length === 0 ? 'credential' : undefined) ??
    // A refresh cannot add scopes (RFC 6749 section 6); the person can, by consent.
    (error.error === 'invalid_scope' && grant === 'refresh_token' ? 'consent' : undefined) ??
    classByWord.get(error.error)
  );
}

function defaultClass(error: string | undefined, grant: EntraGrant): EntraClass {
  if (error === 'invalid_client') return 'credential';
  return error === 'invalid_grant' ? classByGrant[grant] : 'configuration';
}
