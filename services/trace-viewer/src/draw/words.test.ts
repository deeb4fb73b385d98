import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readSpans } from '../otlp/otlp.ts';
import { sampleFlow } from '../sample-flow.ts';
import type { Attributes, Span } from '../span.ts';
import { toPeers, toTree, withoutOverhang } from './spans.js';
import { toSequence } from './steps.js';
import { wrap } from './svg.js';
import { isDetail, toWords } from './words.js';

const signIn = readSpans(sampleFlow('signIn', 'worded', 0).body);
const throttled = readSpans(sampleFlow('throttled', 'worded', 0).body);

function span(
  kind: Span['kind'],
  service: string,
  name: string,
  attributes: Attributes = {},
  own: Partial<Span> = {},
): Span {
  const times = { startMs: 0, endMs: 1, error: false, events: [], links: [] };
  return { traceId: 't', spanId: name, name, kind, service, ...times, attributes, ...own };
}

const token = (attributes: Attributes) =>
  span('server', 'token-broker', 'POST /oauth2/token', { 'http.route': '/oauth2/token', ...attributes });
const redis = (name: string, kind: string, script?: string) =>
  span('client', 'token-broker', name, {
    'db.system.name': 'redis',
    'db.collection.name': kind,
    ...(script && { 'db.stored_procedure.name': script }),
  });
const page = (name: string) => span('server', 'web-frontend', name, { 'http.route': name.split(' ')[1] ?? '' });

describe('the words for a span', () => {
  const rows: [Span, string][] = [
    [token({ 'onbehalf.grant': 'authorization_code', 'onbehalf.token.source': 'entra' }), 'redeem code'],
    [token({ 'onbehalf.grant': 'token_exchange', 'onbehalf.token.source': 'memory' }), 'token · from memory'],
    [token({ 'onbehalf.grant': 'jwt_bearer', 'onbehalf.token.source': 'redis' }), 'on-behalf-of token · from Redis'],
    [token({ 'onbehalf.grant': 'client_credentials', 'onbehalf.token.source': 'entra' }), 'app token · from Entra ID'],
    [
      token({ 'onbehalf.grant': 'client_credentials', 'onbehalf.token.source': 'memory', 'onbehalf.agent': 'a' }),
      'app token of an agent · from memory',
    ],
    [token({ 'onbehalf.grant': 'jwt_bearer', 'onbehalf.agent': 'a' }), 'on-behalf-of token of an agent'],
    [
      token({ 'onbehalf.grant': 'user_fic', 'onbehalf.token.source': 'redis', 'onbehalf.agent': 'a' }),
      'token as the agent’s user · from Redis',
    ],
    [span('server', 'tools', 'GET /.well-known/oauth-protected-resource/mcp'), 'resource metadata'],
    [span('server', 'tools', 'GET', { 'url.path': '/.well-known/oauth-protected-resource' }), 'resource metadata'],
    [span('server', 'tools', 'POST /mcp', { 'http.route': '/mcp' }), 'MCP request'],
    [span('server', 'tools', 'GET /mcp', { 'http.route': '/mcp' }), 'GET /mcp'],
    [
      span('server', 'tools', 'tools/call add', { 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': 'add' }),
      'tool call add',
    ],
    [span('server', 'tools', 'POST /mcp', { 'http.route': '/mcp', 'mcp.method.name': 'tools/list' }), 'POST /mcp'],
    [span('server', 'token-broker', 'POST /oauth2/introspect'), 'is the session alive?'],
    [span('server', 'token-broker', 'POST /oauth2/revoke'), 'end the session'],
    [page('GET /sign-in'), 'sign in'],
    [span('server', 'web-frontend', 'GET /sign-in', { 'onbehalf.flow.kind': 'consent' }), 'ask for consent'],
    [page('GET /auth/callback'), 'return from Entra ID'],
    [page('GET /profile'), 'open /profile'],
    [page('GET /api/{name}/*'), 'call an API'],
    [span('server', 'downstream-api', 'GET /whoami'), 'GET /whoami'],
    [span('internal', 'web-frontend', 'auth.user_at_idp'), 'the person is at Entra ID'],
    [span('internal', 'token-broker', 'token.lease.wait'), 'wait for the token of another request'],
    [
      span('internal', 'token-broker', 'token.idp.request', {
        'onbehalf.grant': 'refresh_token',
        'onbehalf.entra.error_code': 65001,
      }),
      'refresh token · AADSTS65001',
    ],
    [redis('SET', 'session'), 'write session'],
    [redis('EVALSHA', 'lease', 'take-lease'), 'take lease'],
    [redis('EVALSHA', 'account', 'write-token'), 'write token'],
    [redis('SMEMBERS', 'sid'), 'SMEMBERS sid'],
    [redis('EVALSHA', 'user', 'add-member'), 'add-member user'],
  ];
  for (const [one, words] of rows) it(`are "${words}"`, () => assert.equal(toWords([one])(one), words));

  it('tell a fetch of keys or metadata from the request that it serves', () => {
    const under = (name: string, method: string) => {
      const parent = span('internal', 'web-frontend', name);
      const request = span('client', 'web-frontend', method, {}, { parentId: name });
      return toWords([parent, request])(request);
    };
    assert.equal(under('auth.code.redeem', 'GET'), 'fetch signing keys');
    assert.equal(under('token.idp.request', 'GET'), 'read metadata');
    assert.equal(under('auth.code.redeem', 'POST'), 'redeem code');
  });

  it('say of a tool call where its token came from', () => {
    const tool = span('server', 'tools', 'POST /mcp', { 'http.route': '/mcp' });
    const call = span('client', 'tools', 'POST', {}, { spanId: 'call', parentId: 'POST /mcp' });
    const attributes = { 'onbehalf.grant': 'jwt_bearer', 'onbehalf.token.source': 'memory' };
    const served = { ...token(attributes), parentId: 'call' };
    const other = { ...token({ ...attributes, 'onbehalf.grant': 'client_credentials' }), parentId: 'call' };
    assert.equal(toWords([tool, call, served])(tool), 'tool call · token from memory');
    assert.equal(toWords([tool, call, other])(tool), 'tool call');
    const labels = toSequence([tool, call, served]).steps.map(({ label }) => label);
    assert.deepEqual(labels.slice(0, 2), ['tool call · token from memory', 'on-behalf-of token · from memory']);
  });

  it('name the API that a token is for, by the call that follows', () => {
    const words = toWords(signIn);
    const exchange = signIn.find(({ attributes }) => attributes['onbehalf.grant'] === 'token_exchange') as Span;
    assert.equal(words(exchange), 'token for downstream-api · from Entra ID');
    const call = toTree(signIn).parentOf(exchange) as Span;
    assert.equal(words(call), words(exchange), 'the caller says the same');
  });
});

describe('detail of Redis', () => {
  it('is a command without words of the business', () => {
    assert.deepEqual([redis('SET', 'session'), redis('SMEMBERS', 'sid')].map(isDetail), [false, true]);
    assert.equal(isDetail(span('client', 'token-broker', 'GET')), false);
  });

  it('is drawn on demand', () => {
    const labels = (detail: boolean) => toSequence(signIn, detail).steps.map(({ label }) => label.split(' · ')[0]);
    assert.ok(!labels(false).includes('add-member user'));
    assert.ok(labels(true).includes('add-member user'));
    for (const label of ['spend code', 'write session', 'take lease', 'write token'])
      assert.ok(labels(false).includes(label));
  });
});

describe('cluster keys', () => {
  const keys = (service: string, address: string) => [
    span('internal', service, 'jwks.refresh', {}, { spanId: `${service} keys` }),
    span(
      'client',
      service,
      'GET',
      { 'server.address': address, 'server.port': 39_715 },
      { spanId: `${service} get`, parentId: `${service} keys` },
    ),
  ];
  const lanes = (spans: Span[]) => spans.filter(({ kind }) => kind === 'client').map(toPeers(spans));

  it('are the keys that the broker fetches, but not from Entra ID', () => {
    assert.deepEqual(lanes(keys('token-broker', '127.0.0.1')), ['cluster keys']);
    assert.deepEqual(lanes(keys('token-broker', 'login.microsoftonline.com')), ['Entra ID']);
    assert.deepEqual(lanes(keys('web-frontend', '127.0.0.1')), ['Entra ID']);
    assert.deepEqual(lanes([...keys('token-broker', '127.0.0.1'), ...keys('web-frontend', '127.0.0.1')]), [
      'Entra ID',
      'Entra ID',
    ]);
  });
});

describe('a failed child', () => {
  const parent = span('server', 'web-frontend', 'GET /', {}, { endMs: 10 });
  const child = (own: Partial<Span>) =>
    span('client', 'web-frontend', 'POST', {}, { parentId: 'GET /', startMs: 5, endMs: 30, ...own });
  const ends = (...spans: Span[]) => withoutOverhang(spans).map(({ endMs }) => endMs);

  it('does not outlive its parent', () => assert.deepEqual(ends(parent, child({ error: true })), [10, 10]));
  it('that began after its parent ended has no length', () =>
    assert.deepEqual(ends(parent, child({ error: true, startMs: 12 })), [10, 12]));
  it('takes its own failed children along', () => {
    const grandchild = child({ error: true, parentId: 'POST', spanId: 'third', startMs: 6 });
    assert.deepEqual(ends(parent, child({ error: true }), grandchild), [10, 10, 10]);
  });
  it('is unlike one that went well, which keeps its end', () => assert.deepEqual(ends(parent, child({})), [10, 30]));
});

describe('a wait for another request', () => {
  it('is a bar on the lane, not an arrow', () => {
    const wait = toSequence(throttled).steps.find(({ type }) => type === 'pause');
    assert.equal(wait?.label, 'wait for the token of another request · 4 ms');
    assert.equal(wait?.from, wait?.to);
  });
});

describe('wrapped text', () => {
  it('loses nothing, and keeps a number with its unit', () => {
    const text = 'token for downstream-api · from Entra ID · 41 ms';
    for (let width = 40; width < 400; width += 20) {
      const lines = wrap(text, width);
      assert.equal(lines.join('').replaceAll(/\s/g, ''), text.replaceAll(' ', ''));
      if (width > 80) assert.ok(!lines.some((line) => /^ms/.test(line)), lines.join('|'));
      for (const line of lines) assert.ok(line.length <= Math.max(6, Math.floor(width / 6.3)), line);
    }
  });
});
