import { createHash } from 'node:crypto';

type Line = [
  name: string,
  kind: 'internal' | 'server' | 'client',
  service: string,
  startMs: number,
  tookMs: number,
  parent: string,
  attributes?: Record<string, string | number | boolean>,
  error?: string,
];

const kinds = { internal: 1, server: 2, client: 3 };
const [web, broker, api] = ['web-frontend', 'token-broker', 'downstream-api'];
/** A command to Redis: the kind of key, and the script if one runs. */
const redis = (kind: string, script?: string) => ({
  'db.system.name': 'redis',
  'db.collection.name': kind,
  ...(script && { 'db.stored_procedure.name': script }),
});
const entra = { 'server.address': '127.0.0.1', 'server.port': 9443 };
const cluster = { 'server.address': '127.0.0.1', 'server.port': 39715 };
const ok = { 'http.response.status_code': 200 };

/** What the services send of a first sign-in: a line is a span, named by its place for the lines below it. */
const signIn: Record<string, Line> = {
  root: [
    'GET /sign-in',
    'server',
    web,
    0,
    3.1,
    '',
    { 'http.response.status_code': 302, 'onbehalf.flow.kind': 'sign_in' },
  ],
  idp: ['auth.user_at_idp', 'internal', web, 3.1, 8241, 'root'],
  callback: [
    'GET /auth/callback',
    'server',
    web,
    8244.4,
    118,
    'root',
    { 'http.response.status_code': 302, 'onbehalf.flow.kind': 'sign_in', 'onbehalf.flow.outcome': 'success' },
  ],
  redeem: ['auth.code.redeem', 'internal', web, 8245, 114, 'callback'],
  post: [
    'POST',
    'client',
    web,
    8245.4,
    110,
    'redeem',
    { 'server.address': 'token-broker', 'server.port': 8080, ...ok },
  ],
  token: [
    'POST /oauth2/token',
    'server',
    broker,
    8246.1,
    108,
    'post',
    { 'onbehalf.grant': 'authorization_code', 'onbehalf.token.source': 'entra', ...ok },
  ],
  spend: ['SET', 'client', broker, 8246.4, 0.5, 'token', redis('code')],
  clusterKeys: ['jwks.refresh', 'internal', broker, 8246.2, 0.15, 'token'],
  clusterKeysGet: ['GET', 'client', broker, 8246.22, 0.1, 'clusterKeys', { ...cluster, ...ok }],
  idpRequest: [
    'token.idp.request',
    'internal',
    broker,
    8247.2,
    101,
    'token',
    { 'onbehalf.entra.class': 'ok', 'onbehalf.grant': 'authorization_code' },
  ],
  idpPost: ['POST', 'client', broker, 8247.4, 100.4, 'idpRequest', { ...entra, ...ok }],
  save: ['EVALSHA', 'client', broker, 8349, 0.6, 'token', redis('account', 'open-session')],
  index: ['EVALSHA', 'client', broker, 8349.7, 0.2, 'token', redis('user', 'add-member')],
  session: ['SET', 'client', broker, 8350, 0.4, 'token', redis('session')],
  jwks: ['jwks.refresh', 'internal', web, 8356, 3, 'redeem'],
  jwksGet: ['GET', 'client', web, 8356.2, 2.6, 'jwks', { ...entra, ...ok }],
  page: ['GET /profile', 'server', web, 8390, 71, 'callback', ok],
  introspectCall: ['POST', 'client', web, 8391, 2.2, 'page', { 'server.address': 'token-broker', ...ok }],
  introspect: ['POST /oauth2/introspect', 'server', broker, 8391.5, 1.4, 'introspectCall', ok],
  exchangeCall: ['POST', 'client', web, 8394, 42, 'page', { 'server.address': 'token-broker', ...ok }],
  exchange: [
    'POST /oauth2/token',
    'server',
    broker,
    8394.4,
    41,
    'exchangeCall',
    { 'onbehalf.grant': 'token_exchange', 'onbehalf.token.source': 'entra', ...ok },
  ],
  read: ['HMGET', 'client', broker, 8394.7, 0.4, 'exchange', redis('account')],
  lease: ['EVALSHA', 'client', broker, 8395.4, 0.4, 'exchange', redis('lease', 'take-lease')],
  refresh: [
    'token.idp.request',
    'internal',
    broker,
    8396.3,
    37,
    'exchange',
    { 'onbehalf.entra.class': 'ok', 'onbehalf.grant': 'refresh_token' },
  ],
  refreshPost: ['POST', 'client', broker, 8396.5, 36.4, 'refresh', { ...entra, ...ok }],
  write: ['EVALSHA', 'client', broker, 8434, 0.5, 'exchange', redis('account', 'write-token')],
  apiCall: ['GET', 'client', web, 8437, 22, 'page', { 'server.address': 'downstream-api', ...ok }],
  api: ['GET /whoami', 'server', api, 8437.8, 20.4, 'apiCall', ok],
  validate: ['token.validate', 'internal', api, 8438, 1.1, 'api', { 'onbehalf.validation.result': 'ok' }],
};

/** A later request whose token endpoint call fails: Entra ID throttles. */
const throttled: Record<string, Line> = {
  root: ['GET /api/{name}/*', 'server', web, 0, 31, '', { 'http.response.status_code': 503 }, 'throttled'],
  post: [
    'POST',
    'client',
    web,
    1,
    28,
    'root',
    { 'server.address': 'token-broker', 'http.response.status_code': 429 },
    'throttled',
  ],
  token: [
    'POST /oauth2/token',
    'server',
    broker,
    1.6,
    26,
    'post',
    { 'http.response.status_code': 429, 'onbehalf.grant': 'token_exchange', 'error.type': 'throttled' },
    'throttled',
  ],
  wait: ['token.lease.wait', 'internal', broker, 2.1, 4, 'token'],
  request: [
    'token.idp.request',
    'internal',
    broker,
    7,
    20,
    'token',
    { 'onbehalf.entra.class': 'throttled', 'onbehalf.entra.error_code': 90055 },
    'throttled',
  ],
  call: ['POST', 'client', broker, 7.2, 19.4, 'request', { ...entra, 'http.response.status_code': 429 }, '429'],
};

const samples = { signIn, throttled };

/**
 * An OTLP/HTTP JSON export of a made-up trace, for tests and screenshots. The same `seed` gives the same ids.
 * `linkTo` is a trace whose callback the root links to.
 */
export function sampleFlow(sample: keyof typeof samples, seed: string, startMs: number, linkTo?: string) {
  const traceId = hash(seed, 32);
  const spans = Object.entries(samples[sample]).map(
    ([key, [name, kind, service, start, took, parent, own = {}, error]]) => ({
      service,
      span: {
        traceId,
        spanId: hash(`${seed}/${key}`, 16),
        parentSpanId: parent && hash(`${seed}/${parent}`, 16),
        name,
        kind: kinds[kind],
        startTimeUnixNano: nanos(startMs + start),
        endTimeUnixNano: nanos(startMs + start + took),
        status: error ? { code: 2, message: error } : {},
        attributes: Object.entries(own).map(([attribute, value]) => ({ key: attribute, value: toAny(value) })),
        links: linkTo && key === 'root' ? [{ traceId: hash(linkTo, 32), spanId: hash(`${linkTo}/callback`, 16) }] : [],
      },
    }),
  );
  const resourceSpans = [web, broker, api].map((service) => ({
    resource: { attributes: [{ key: 'service.name', value: { stringValue: service } }] },
    scopeSpans: [{ spans: spans.filter((each) => each.service === service).map(({ span }) => span) }],
  }));
  return { traceId, body: { resourceSpans } };
}

function toAny(value: string | number | boolean) {
  if (typeof value === 'number') return { intValue: String(value) };
  return typeof value === 'boolean' ? { boolValue: value } : { stringValue: value };
}

function nanos(ms: number): string {
  return String(BigInt(Math.round(ms * 1_000)) * 1_000n);
}

function hash(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}
