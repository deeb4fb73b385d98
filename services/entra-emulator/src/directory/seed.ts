import { guid } from '@onbehalf/node/core/keys/authority';
import { z } from 'zod';
import { readJson } from '../read-json.ts';

const text = z.string().min(1);
const texts = z.array(text).default([]);

const tenantSchema = z.strictObject({ tid: guid, domain: text, name: text });

export const userSchema = z.strictObject({
  oid: guid,
  /** A tenant's id or domain. */
  tid: text,
  upn: text,
  name: text,
  groups: texts,
  /** App roles by value; a token carries those that its application declares for users. */
  roles: texts,
  disabled: z.boolean().default(false),
  /** An agent's user: the one agent that may act as it. It signs in nowhere. */
  identityParentId: guid.optional(),
  /** A guest's account in their home tenant; `oid` and `tid` are those of the tenant that they visit. */
  home: z.strictObject({ oid: guid, tid: guid }).optional(),
});

const optionalClaimsSchema = z.strictObject({ idToken: texts, accessToken: texts });

/** An app registration with its service principal; the words are those of Entra's manifest where it has one. */
export const appSchema = z.strictObject({
  /** The short name for the seed, the admin API and injected faults. */
  name: text,
  displayName: text,
  appId: guid,
  spId: guid,
  tid: text,
  signInAudience: z.enum(['AzureADMyOrg', 'AzureADMultipleOrgs']).default('AzureADMyOrg'),
  identifierUri: text.optional(),
  /** False refuses every token, also to the agents of a blueprint. */
  accountEnabled: z.boolean().default(true),
  /** A template of agents: it holds their credential. */
  isAgentIdentityBlueprint: z.boolean().default(false),
  /** An agent: the client id of the one blueprint that may act as it. */
  agentIdentityBlueprintId: guid.optional(),
  secrets: z.array(z.strictObject({ value: text, expires: z.iso.datetime().optional() })).default([]),
  /** PEM; the word `generated` makes a new pair, which is written to the state directory. */
  certificates: texts,
  /** Without an issuer, every issuer the emulator is told to trust. */
  federated: z.array(z.strictObject({ issuer: text.optional(), subject: text, audience: text })).default([]),
  /** Redirect URIs of a confidential client (the platform "Web"). */
  redirectUris: texts,
  /** Redirect URIs of a page that redeems its codes itself (the platform "Single-page application"). */
  spaRedirectUris: texts,
  /** Redirect URIs of a program on a person's machine (the platform "Mobile and desktop applications"). */
  publicRedirectUris: texts,
  /** The device code grant needs no credential ("Allow public client flows"). */
  isFallbackPublicClient: z.boolean().default(false),
  frontChannelLogoutUri: z.url().optional(),
  /** Delegated permissions this API offers. */
  scopes: z.array(z.strictObject({ value: text, description: text })).default([]),
  appRoles: z
    .array(z.strictObject({ value: text, allowedMemberTypes: z.array(z.enum(['User', 'Application'])) }))
    .default([]),
  /** App roles of other APIs that an administrator granted this app. */
  granted: z.array(z.strictObject({ resource: text, roles: z.array(text) })).default([]),
  /** The scopes of the registration: `/.default` means these in a user's consent. */
  requiredScopes: texts,
  /** Clients that need no consent for these scopes of this API. */
  preAuthorized: z.array(z.strictObject({ client: text, scopes: z.array(text) })).default([]),
  knownClientApplications: texts,
  /** Scopes an administrator consented to for everyone. */
  adminConsent: texts,
  optionalClaims: optionalClaimsSchema.default({ idToken: [], accessToken: [] }),
  /** Conditional Access in front of this API: `mfa` requires a step-up, `block` refuses everybody. */
  policy: z.enum(['none', 'mfa', 'block']).default('none'),
  /** Takes part in Continuous Access Evaluation. */
  cae: z.boolean().default(false),
  requirePkce: z.boolean().default(false),
});

export const seedSchema = z.strictObject({
  tenants: z.array(tenantSchema).min(1),
  users: z.array(userSchema),
  /** Users for load: `<prefix>00001@<domain>` and so on. */
  generate: z.array(z.strictObject({ prefix: text, n: z.int().positive(), tid: text })).default([]),
  apps: z.array(appSchema).min(1),
  /** `user` is a UPN, or its beginning followed by `*`. */
  consents: z.array(z.strictObject({ user: text, client: text, scopes: z.array(text) })).default([]),
});

export type Seed = z.output<typeof seedSchema>;
export type Tenant = z.output<typeof tenantSchema>;
export type User = z.output<typeof userSchema>;
export type App = z.output<typeof appSchema>;
/** What kind of client a redirect URI is registered for; `spa` and `public` hold no credential. */
export type Platform = 'web' | 'spa' | 'public';

/** The seed that comes with the emulator: Contoso and Fabrikam, five people and two guests, the applications of Onbehalf. */
export const builtInSeed = readJson('seed.json', import.meta.url);

/** Object ids of the users of `generate` begin so. */
const generatedOid = '10ad';

/** Whether this is one of the people of `generate`. */
export const isGenerated = ({ oid }: User): boolean => oid.startsWith(generatedOid);

/** The users of `generate`; their object ids count up, so a restart gives the same people. */
export function generatedUsers({ generate, tenants }: Pick<Seed, 'generate' | 'tenants'>): User[] {
  return generate.flatMap(({ prefix, n, tid }, group) => {
    const domain = tenants.find((tenant) => tenant.tid === tid)?.domain ?? tid;
    return Array.from({ length: n }, (_, index) => {
      const number = String(index + 1).padStart(5, '0');
      const oid = `${generatedOid}${String(group).padStart(4, '0')}-7e57-4000-8000-${String(index + 1).padStart(12, '0')}`;
      const upn = `${prefix}${number}@${domain}`;
      return { oid, tid, upn, name: `${prefix} ${number}`, groups: [], roles: [], disabled: false };
    });
  });
}
