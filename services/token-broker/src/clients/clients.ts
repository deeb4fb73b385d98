import { guid, isManyTenants, tenant } from '@onbehalf/node/core/keys/authority';
import { grantTypes } from '@onbehalf/node/core/oauth';
import { parseJsonConfig } from '@onbehalf/node/core/parse-config';
import { z } from 'zod';

export type GrantType = (typeof grantTypes)[keyof typeof grantTypes];

const path = z.string().min(1);

/** How the broker authenticates as this client at Entra. Files are mounted and read again when they change. */
const credential = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('federated'), file: path.optional() }),
  z.strictObject({
    type: z.literal('certificate'),
    /** PEM with the certificate, its chain and its key in any order, or a PFX, binary or in base64. */
    file: path,
    /** The private key, if it has a file of its own. */
    keyFile: path.optional(),
    /** The password of an encrypted key or PFX. */
    passwordFile: path.optional(),
    /** Also sends the chain, for an application that trusts a subject name and issuer. */
    sendX5c: z.boolean().optional(),
  }),
  z.strictObject({ type: z.literal('secret'), file: path }),
]);

/** How a client without a ServiceAccount authenticates here. Files are mounted and read again when they change. */
const authentication = z.discriminatedUnion('type', [
  /** RFC 6749 section 2.3.1: the content of the file, in the header or in the body. */
  z.strictObject({ type: z.literal('client_secret'), file: path }),
  /** RFC 7523 section 2.2: a JWT that the client signs. The file has the public keys, as JWKS or PEM. */
  z.strictObject({ type: z.literal('private_key_jwt'), file: path }),
]);

/** In any cloud, and by the id of its app: Entra ID takes either. */
const ofTokenExchange = /AzureADTokenExchange|fb60f99c-7a34-4190-8149-302f77469936/i;

/** What sessions may hand to jobs that go on without them. */
const processes = z.strictObject({
  /** The clients that may be given one, by name; each has the grant refresh_token. */
  clients: z.array(z.string()).min(1),
  /** How long one lives, however much it is used: Entra ID's refresh tokens live for 90 days. */
  lifeSeconds: z.number().int().min(60).max(7_776_000),
});

const client = z
  .strictObject({
    tenantId: tenant,
    clientId: guid,
    /** ServiceAccounts that may use this client: `system:serviceaccount:<namespace>:<name>`. */
    subjects: z
      .array(
        z
          .string()
          .regex(/^system:serviceaccount:[a-z0-9.-]+:[a-z0-9.-]+$/, 'must be system:serviceaccount:<namespace>:<name>'),
      )
      .default([]),
    /** None by default. Any one of several is enough, so that a new secret or key can overlap with the old one. */
    authentication: z.array(authentication).max(8).optional(),
    /** Tried in this order. */
    credentials: z.array(credential).min(1),
    grants: z.array(z.enum(grantTypes)).min(1),
    /** All scopes that the client may request, spelled as in the request. */
    scopes: z.array(z.string().regex(/^\S+$/, 'must be one scope')).default([]),
    /** The agents that the client may act as, by client id: the app registration is their blueprint. */
    agents: z.array(guid).optional(),
    /** The processes that its sessions may begin: none unless said. */
    processes: processes.optional(),
    redirectUris: z.array(z.url({ protocol: /^https?$/ })).default([]),
    permissions: z.array(z.enum(['operator'])).default([]),
  })
  .refine((c) => c.subjects.length > 0 || (c.authentication?.length ?? 0) > 0, {
    path: ['subjects'],
    message: 'are required, unless the client has authentication',
  })
  .refine((c) => !c.grants.includes(grantTypes.authorization_code) || c.redirectUris.length > 0, {
    path: ['redirectUris'],
    message: 'are required for authorization_code',
  })
  .refine(
    (c) => !isManyTenants(c.tenantId) || !(c.grants.includes(grantTypes.client_credentials) || c.agents?.length),
    {
      path: ['tenantId'],
      message: 'must be one tenant for client_credentials and for agents',
    },
  )
  .refine((c) => !c.agents?.length || !c.scopes.some((scope) => ofTokenExchange.test(scope)), {
    path: ['scopes'],
    message: 'must not be of the token exchange: by such a token anybody is the agent',
  })
  .refine((c) => !c.grants.includes(grantTypes.user_fic) || c.agents?.length, {
    path: ['agents'],
    message: 'are required for user_fic',
  });

/** `clients.json`: the clients, their app registrations, grants and scopes. */
export const clientsSchema = z
  .record(z.string().regex(/^[a-z0-9-]{1,40}$/, 'must be a name of a-z, 0-9 and -'), client)
  .refine((all) => Object.keys(all).length > 0, 'must name at least one client')
  .superRefine((all, context) => {
    for (const [name, { processes }] of Object.entries(all)) {
      const wrong = processes?.clients.find((one) => !all[one]?.grants.includes(grantTypes.refresh_token));
      const path = [name, 'processes', 'clients'];
      if (wrong !== undefined)
        context.addIssue({ code: 'custom', path, message: 'must be clients with refresh_token' });
    }
  });

export type Credential = z.output<typeof credential>;
export type Authentication = z.output<typeof authentication>;
export type Client = z.output<typeof client> & { name: string };

/** The configured clients, by name and by the ServiceAccounts that may use them. */
export type Clients = { byName: ReadonlyMap<string, Client>; bySubject: ReadonlyMap<string, Client[]> };

/** Parses a `clients.json`. @throws ConfigError naming every fault. */
export function parseClients(text: string): Clients {
  const parsed = Object.entries(parseJsonConfig(clientsSchema, text, 'CLIENTS_FILE'));
  const clients = parsed.map(([name, fields]): Client => ({ name, ...fields }));
  const bySubject = new Map<string, Client[]>();
  for (const one of clients) {
    for (const subject of one.subjects) bySubject.set(subject, [...(bySubject.get(subject) ?? []), one]);
  }
  return { byName: new Map(clients.map((one) => [one.name, one])), bySubject };
}
