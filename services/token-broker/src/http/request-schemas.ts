import { accessTokenType, grantTypes, refreshTokenType } from '@onbehalf/node/core/oauth';
import { z } from 'zod';
import type { GrantType } from '../clients/clients.ts';
import { absent, claims, optionalText, text } from '../input/parameters.ts';

const token = text(16_384);
const scope = optionalText(4_096);
/** Scopes, the API they belong to, or both: RFC 8693 section 2.1. */
const target = { scope, resource: scope, audience: scope };
const guid = z.guid('is not a GUID').toLowerCase();
/** Without a value it counts as absent (RFC 6749 section 3.1); the meta is what the OpenAPI document says of it. */
const optionalGuid = guid
  .meta({ format: undefined, pattern: '^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$' })
  .optional();
/** The agent that the client acts as, by client id. */
const agent = optionalGuid;

/** The parameters of each grant, as their RFCs name them. */
export const grantSchemas = {
  [grantTypes.authorization_code]: z.object({
    code: token,
    redirect_uri: text(2_048),
    code_verifier: z.string().regex(/^[A-Za-z0-9\-._~]{43,128}$/, 'is not a PKCE verifier (RFC 7636 section 4.1)'),
    nonce: optionalText(512),
    scope,
    agent: absent,
  }),
  [grantTypes.token_exchange]: z.object({
    subject_token: token,
    subject_token_type: z.literal(accessTokenType, `must be ${accessTokenType}`),
    requested_token_type: z
      .literal([accessTokenType, ''], `must be ${accessTokenType} or ${refreshTokenType}`)
      .optional(),
    ...target,
    claims,
    agent,
    actor_token: absent,
    actor_token_type: absent,
  }),
  [grantTypes.jwt_bearer]: z.object({
    assertion: token,
    requested_token_use: z.literal('on_behalf_of', 'must be on_behalf_of'),
    ...target,
    claims,
    agent,
  }),
  [grantTypes.client_credentials]: z.object({ ...target, claims, agent }),
  /** Without scopes, those of the process. */
  [grantTypes.refresh_token]: z.object({ refresh_token: token, ...target, claims, agent: absent }),
  /** Exactly one of `username` and `user_id`. */
  [grantTypes.user_fic]: z.object({
    agent: guid,
    username: optionalText(256),
    user_id: optionalGuid,
    ...target,
    claims,
  }),
} satisfies Record<GrantType, z.ZodType>;

/** Begins a process: `audience` is the client that is to use it, by name. RFC 8693 section 2.1. */
export const processSchema = grantSchemas[grantTypes.token_exchange].extend({
  requested_token_type: z.literal(refreshTokenType),
  scope: text(4_096),
  claims: absent,
  agent: absent,
});

/** RFC 7009 section 2.1, RFC 7662 section 2.1. */
export const tokenParameter = z.object({ token, token_type_hint: optionalText(64) });

/** RFC 7009 section 2.1, and why: the caller has a new session in the place of this one. */
export const revocationParameters = tokenParameter.extend({
  reason: z.literal(['sign_out', 'replaced', '']).optional(),
});

/** A person as Entra's directory names them; a guest by their home organisation. */
export const personParameters = z.object({ tid: z.guid('is not a GUID'), oid: z.guid('is not a GUID') });

/** A session, or a person as `personParameters` has them. */
export const processesParameters = z
  .object({
    subject_token: token.optional(),
    tid: z.guid('is not a GUID').optional(),
    oid: z.guid('is not a GUID').optional(),
  })
  .refine(
    ({ subject_token, tid, oid }) =>
      (tid === undefined) === (oid === undefined) && (subject_token === undefined) !== (oid === undefined),
    {
      path: ['subject_token'],
      message: 'send either subject_token, or tid with oid',
    },
  );

/** Exactly one of `sid`, `subject_token`, or `tid` with `oid` or `agent`: the sessions, or the agent's tokens, to end. */
export const endParameters = z
  .object({
    sid: text(512).optional(),
    iss: optionalText(512),
    subject_token: token.optional(),
    tid: z.guid('is not a GUID').optional(),
    oid: z.guid('is not a GUID').optional(),
    agent: guid.optional(),
  })
  .refine(
    ({ sid, subject_token, tid, oid, agent }) =>
      [sid, subject_token, oid, agent].filter((one) => one !== undefined).length === 1 &&
      (tid === undefined) === (oid === undefined && agent === undefined),
    { path: ['sid'], message: 'send exactly one of sid, subject_token, or tid with oid or agent' },
  );
