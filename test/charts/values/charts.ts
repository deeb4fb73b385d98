import { z } from 'zod';
import { alertGroups } from '../alert-rules.ts';
import { devGlobalValues, globalValues } from './global.ts';
import { keyVault, networkPolicy, serviceValues } from './service.ts';
import {
  anything,
  configMapFile,
  dnsName,
  guid,
  image,
  list,
  optional,
  origin,
  resources,
  scope,
  secretFile,
  secretKey,
  secretName,
  section,
  text,
  url,
  whole,
  words,
} from './words.ts';

const apiName = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/);
const clientName = z.string().regex(/^[a-z0-9-]{1,40}$/);

const hop = '(loopback|linklocal|uniquelocal|[0-9a-fA-F.:]+(/[1-9][0-9]{0,2})?)';

const headerName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/);

const webFrontend = section({
  ...serviceValues,
  entra: section({ clientId: optional(guid) }),
  session: section({ existingSecret: secretName }),
  broker: section({ url: optional(url) }),
  apis: z.record(
    apiName,
    section({
      url: optional(url),
      scopes: list(scope).min(1),
      routes: list(
        z.strictObject({
          methods: list(z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])).min(1),
          path: z.string().regex(/^\//),
          scopes: list(scope).min(1).optional(),
          encodedSlashes: z.boolean().optional(),
        }),
      ),
      silenceSeconds: optional(whole(1, 3_600)),
      allowRequestHeaders: list(headerName),
      allowResponseHeaders: list(headerName),
    }),
  ),
  upstreams: z.record(
    apiName,
    section({
      host: z.string().regex(/^[a-z0-9.-]+(:\d{1,5})?$/),
      path: z.string().regex(/^\//),
      url: origin,
      folder: z.string().regex(/^\//),
      require: z.enum(['none', 'session']),
      pass: z.enum(['token', 'identity', 'none']),
      api: apiName,
      identityHeaders: z.boolean(),
      encodedSlashes: z.boolean(),
      silenceSeconds: whole(1, 3_600),
      idleSeconds: whole(1, 86_400),
      contentSecurityPolicy: z.string(),
      peer: anything,
    }),
  ),
  verify: section({ enabled: z.boolean(), from: list(anything) }),
  cookie: section({ sameSite: optional(z.enum(['lax', 'strict'])) }),
  signInScopes: list(scope),
  responseMode: optional(z.enum(['query', 'form_post'])),
  trustedProxies: optional(z.string().regex(new RegExp(`^${hop}([\\s,]+${hop})*$`))),
  publicRate: section({ perSecond: optional(whole(1, 100_000)), burst: optional(whole(1, 100_000)) }),
  product: section({ name: optional(z.string().max(60)), logoConfigMap: configMapFile }),
  traceViewerUrl: optional(origin),
  keyVault,
  networkPolicy: section({ ...networkPolicy, from: list(anything).min(1) }),
});

const credential = z.union([
  z.strictObject({ type: z.literal('federated') }),
  z.strictObject({ type: z.literal('secret'), existingSecret: secretFile }),
  z.strictObject({
    type: z.literal('certificate'),
    existingSecret: secretFile.extend({ privateKeyKey: secretKey.optional(), passwordKey: secretKey.optional() }),
    sendX5c: z.boolean().optional(),
  }),
]);

const authentication = z.strictObject({
  type: z.enum(['client_secret', 'private_key_jwt']),
  existingSecret: secretFile,
});

const client = section({
  tenantId: optional(z.union([guid, z.enum(['organizations', 'common'])])),
  clientId: optional(guid),
  charts: list(dnsName),
  serviceAccounts: list(dnsName),
  subjects: list(z.string().regex(/^system:serviceaccount:[a-z0-9.-]+:[a-z0-9.-]+$/)),
  authentication: list(authentication).max(8),
  credentials: list(credential).min(1),
  grants: list(
    z.enum([
      'authorization_code',
      'urn:ietf:params:oauth:grant-type:token-exchange',
      'urn:ietf:params:oauth:grant-type:jwt-bearer',
      'client_credentials',
      'refresh_token',
      'user_fic',
    ]),
  ).min(1),
  agents: list(guid),
  processes: section({ clients: list(clientName), lifeSeconds: z.int().min(60).max(7_776_000) }),
  scopes: list(scope),
  redirectUris: list(url),
  permissions: list(z.enum(['operator'])),
});

const redisAuth = z.union([
  z.strictObject({ type: z.literal('none') }),
  z.strictObject({ type: z.literal('entra'), clientId: guid, tenantId: optional(guid).optional() }),
  z.strictObject({ type: z.literal('password'), username: text.optional(), existingSecret: secretFile }),
]);

const tokenBroker = section({
  ...serviceValues,
  broker: section({ url: optional(url) }),
  clients: z.record(clientName, client),
  callers: section({
    issuer: optional(url),
    jwksUri: optional(url),
    audience: text,
    caConfigMap: configMapFile,
    ownToken: z.boolean(),
    rate: optional(whole(1, 1_000_000)),
  }),
  sealing: section({ existingSecret: secretName }),
  redis: section({
    // No user and no password: an address ends up in logs.
    url: optional(z.string().regex(/^rediss?:\/\/[^@/\s]+$/)),
    mode: optional(z.enum(['standalone', 'cluster', 'sentinel'])),
    cluster: section({ nodes: optional(z.enum(['announced', 'same-host'])) }),
    sentinel: section({
      urls: list(z.string().regex(/^rediss?:\/\/[^@/\s,]+$/)),
      master: optional(z.string().regex(/^[\w.-]{1,100}$/)),
      username: text,
      existingSecret: section({ name: optional(dnsName), key: secretKey }),
    }),
    clientCertificate: section({
      existingSecret: section({
        ...{ name: optional(dnsName), key: secretKey },
        ...{ privateKeyKey: optional(secretKey), passwordKey: optional(secretKey) },
      }),
    }),
    keyPrefix: optional(z.string().regex(/^[a-z0-9:_-]{1,40}$/)),
    commandTimeoutMs: optional(whole(50, 2_000)),
    auth: redisAuth,
    allowPlaintext: z.boolean(),
    caConfigMap: configMapFile,
    podSelector: words,
    egressCidrs: list(z.string().regex(/^[0-9a-fA-F.:]+\/[0-9]{1,3}$/)),
  }),
  federation: section({ webhook: z.boolean() }),
  tls: section({ existingSecret: secretName }),
  session: section({
    idleSeconds: optional(whole(60, 604_800)),
    absoluteSeconds: optional(whole(60, 2_592_000)),
    perAccount: optional(whole(1, 1_000)),
    rate: optional(whole(1, 1_000_000)),
  }),
  l1: section({ maxBytes: optional(whole(1_048_576, 2 ** 40)), maxUnverifiedSeconds: optional(whole(0, 600)) }),
  keyVault,
  networkPolicy: section(networkPolicy),
});

const downstreamApi = section({
  ...serviceValues,
  entra: section({ audience: optional(guid), tenants: list(guid), allowedClients: list(guid) }),
  broker: section({ url: optional(origin) }),
  graph: section({ baseUrl: optional(origin) }),
  networkPolicy: section(networkPolicy),
});

/** Helm holds the services' own values against the services' own schemas. */
const onbehalf = section({
  global: globalValues,
  common: anything,
  'web-frontend': anything,
  'token-broker': anything,
  'downstream-api': anything,
  gateway: section({
    create: z.boolean(),
    className: dnsName,
    annotations: words,
    labels: words,
    infrastructure: section({
      annotations: words,
      labels: words,
      parametersRef: z.strictObject({ group: text, kind: z.string(), name: dnsName }),
    }),
    addresses: list(
      z.strictObject({
        type: z.enum(['IPAddress', 'Hostname', 'alb.networking.azure.io/alb-frontend']),
        value: z.string().min(1),
      }),
    ),
    parentRefs: list(z.looseObject({ name: dnsName })),
    tls: section({
      secretName: optional(dnsName),
      keyVaultCertUri: optional(z.string().regex(/^https:\/\/[^/\s]+\/certificates\/[^/\s]+$/)),
      serviceAccount: optional(dnsName),
    }),
  }),
  route: section({ enabled: z.boolean() }),
  ingress: section({
    enabled: z.boolean(),
    className: optional(dnsName),
    annotations: words,
    tls: section({ secretName: optional(dnsName) }),
  }),
  alerts: section({
    enabled: z.boolean(),
    runbookUrl: url,
    ownNamespaceOnly: z.boolean(),
    labels: words,
    rules: z.partialRecord(
      z.enum(alertGroups().flatMap(({ rules }) => rules.map(({ alert }) => alert))),
      z.strictObject({
        enabled: z.boolean().optional(),
        threshold: z.number().optional(),
        for: z
          .string()
          .regex(/^\d+[smhd]$/)
          .optional(),
        severity: z.enum(['critical', 'warning', 'info']).optional(),
      }),
    ),
  }),
  dashboards: section({ enabled: z.boolean() }),
  extraObjects: serviceValues.extraObjects,
  commonLabels: words,
  nameOverride: optional(dnsName),
  fullnameOverride: optional(dnsName),
});

const dev = section({
  global: devGlobalValues,
  common: anything,
  valkey: section({ image, existingSecret: secretName }),
  entraEmulator: section({
    image,
    browserOrigin: origin,
    frontendOrigin: origin,
    federatedIssuers: list(
      z.strictObject({
        issuer: url,
        jwksUri: url.optional(),
        caFile: text.optional(),
        bearerTokenFile: text.optional(),
      }),
    ),
    brokerServiceAccounts: list(dnsName).min(1),
    tls: section({ existingSecret: secretName }),
    env: words,
  }),
  traceViewer: section({ image }),
  load: section({
    enabled: z.boolean(),
    image,
    scenario: z.enum(['l1', 'cold', 'resource']),
    pods: whole(1, 64),
    ratePerSecond: optional(whole(1, 10_000)),
    durationSeconds: optional(whole(1, 7_200)),
    users: optional(whole(1, 99_999)),
    brokers: optional(whole(1, 16)),
    brokerUrl: origin,
    antiAffinity: z.enum(['preferred', 'required']),
    caConfigMap: dnsName,
    ttlSecondsAfterFinished: whole(0, 604_800),
    resources,
  }),
  issuerDiscovery: section({ bind: z.boolean() }),
  resources,
  commonLabels: words,
  nameOverride: optional(dnsName),
  fullnameOverride: optional(dnsName),
});

/** The values each chart takes: `values.schema.json` is made of these. */
export const charts = {
  'web-frontend': webFrontend,
  'token-broker': tokenBroker,
  'downstream-api': downstreamApi,
  onbehalf,
  dev,
};

export type ChartName = keyof typeof charts;
