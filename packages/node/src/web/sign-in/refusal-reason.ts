import { toGuid } from '../../core/telemetry/trace-context.ts';

/** Why Entra refused, for the log: words and numbers, never its text. */
export type RefusalReason = { class: string; refusal: string; aadsts?: number[]; correlation_id: string };

/** The broker's classes, as far as an OAuth or OpenID Connect error word tells. */
const classes: Record<string, string> = {
  access_denied: 'consent',
  consent_required: 'consent',
  interaction_required: 'interaction',
  login_required: 'sign_in',
  account_selection_required: 'interaction',
  invalid_grant: 'code',
  invalid_scope: 'scope',
  invalid_resource: 'scope',
  temporarily_unavailable: 'transient',
  server_error: 'transient',
};

const wordShape = /^[a-z_]{1,40}$/;
const numberShape = /\bAADSTS(\d{4,9})\b/g;
const mostNumbers = 4;

/**
 * The reason of an error response. At the redirect the numbers stand in `error_description`; at the token endpoint in
 * `error_codes`. Anybody can write a redirect, so nothing else of it is taken.
 */
export function refusalReason(
  word: string,
  { description = '', codes }: { description?: string | undefined; codes?: unknown },
  traceId: string,
): RefusalReason {
  const refusal = wordShape.test(word) ? word : 'other';
  const told = Array.isArray(codes)
    ? codes
    : [...description.matchAll(numberShape)].map(([, number]) => Number(number));
  const aadsts = told.filter((one): one is number => Number.isSafeInteger(one)).slice(0, mostNumbers);
  const named = classes[refusal] ?? 'configuration';
  return { class: named, refusal, ...(aadsts.length > 0 && { aadsts }), correlation_id: toGuid(traceId) };
}
