import { z } from 'zod';
import { type GrantType, grantTypes } from '../clients/clients.ts';
import { absent, claims, optionalText, text } from '../input/parameters.ts';

/** RFC 8693 section 3. */
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';

const token = text(16_384);
const scope = optionalText(4_096);
/** Scopes, the API they belong to, or both: RFC 8693 section 2.1. */
const target = { scope, resource: scope, audience: scope };

/** The parameters of each grant, as their RFCs name them. */
export const grantSchemas = {
  [grantTypes.authorization_code]: z.object({
    code: token,
    redirect_uri: text(2_048),
    code_verifier: z.string().regex(/^[A-Za-z0-9\-._~]{43,128}$/, 'is not a PKCE verifier (RFC 7636 section 4.1)'),
    nonce: optionalText(512),
    scope,
  }),
  [grantTypes.token_exchange]: z.object({
    subject_token: token,
    subject_token_type: z.literal(accessTokenType, `must be ${accessTokenType}`),
    requested_token_type: z.literal([accessTokenType, ''], `must be ${accessTokenType}`).optional(),
    ...target,
    claims,
    actor_token: absent,
    actor_token_type: absent,
  }),
  [grantTypes.jwt_bearer]: z.object({
    assertion: token,
    requested_token_use: z.literal('on_behalf_of', 'must be on_behalf_of'),
    ...target,
    claims,
  }),
  [grantTypes.client_credentials]: z.object({ ...target, claims }),
} satisfies Record<GrantType, z.ZodType>;

/** RFC 7009 section 2.1, RFC 7662 section 2.1. */
export const tokenParameter = z.object({ token, token_type_hint: optionalText(64) });

/** RFC 7009 section 2.1, and why: the caller has a new session in the place of this one. */
export const revocationParameters = tokenParameter.extend({
  reason: z.literal(['sign_out', 'replaced', '']).optional(),
});

/** A person as Entra's directory names them; a guest by their home organisation. */
export const personParameters = z.object({ tid: z.guid('is not a GUID'), oid: z.guid('is not a GUID') });

/** Exactly one of `sid`, `subject_token`, or `tid` with `oid`: the sessions to end. */
export const endParameters = z
  .object({
    sid: text(512).optional(),
    iss: optionalText(512),
    subject_token: token.optional(),
    tid: z.guid('is not a GUID').optional(),
    oid: z.guid('is not a GUID').optional(),
  })
  .refine(
    ({ sid, subject_token, tid, oid }) =>
      [sid, subject_token, tid ?? oid].filter((one) => one !== undefined).length === 1 &&
      (tid === undefined) === (oid === undefined),
    { path: ['sid'], message: 'send exactly one of sid, subject_token, or tid with oid' },
  );
