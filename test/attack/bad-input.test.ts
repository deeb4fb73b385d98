import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { dumpRedis } from '../kit/redis/dump.ts';
import { accept, callApi, pick, session, signIn } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import type { Answer, Visitor } from '../kit/visitor.ts';

let system: System;
let alice: Visitor;
let stranger: Visitor;
let sessionCookie: string;

before(async () => {
  system = await openSystem({ frontend: true, name: 'bad-input' });
  alice = system.visitor();
  await signIn(alice, system, 'alice');
  await callApi(alice, system);
  sessionCookie = await alice.jar.getCookieString(system.web);
  stranger = system.visitor();
});
after(() => system?.close());

/** A word that no answer may repeat. */
const marker = 'jabberwocky';
const formType = 'application/x-www-form-urlencoded';
const big = `a=${'x'.repeat(200_000)}`;
const form = (fields: Record<string, string>) => String(new URLSearchParams(fields));

/** What may not change: the broker's keys, what Entra was asked, Alice's session. */
async function state() {
  const keys = (await dumpRedis(system)).map(({ key }) => key);
  const { counts } = (await system.admin('GET', '/counters')) as { counts: { endpoint: string }[] };
  return { keys, tokenRequests: counts.filter(({ endpoint }) => endpoint === 'token') };
}

async function refused(send: () => Promise<Answer>, status: number, says: RegExp): Promise<Answer> {
  const before = await state();
  const answer = await send();
  assert.equal(answer.status, status, answer.body.slice(0, 400));
  assert.match(answer.body, says);
  assert.doesNotMatch(answer.body, new RegExp(marker), 'the input is repeated');
  assert.doesNotMatch(answer.body, /\bat .*\.ts:|node_modules|Error:/, 'the inside shows');
  assert.match(String(answer.headers['cache-control']), /no-store/);
  assert.deepEqual(await state(), before, 'something changed');
  return answer;
}

describe('web-frontend', () => {
  const send = (path: string, sending = {}) => stranger.send(`${system.web}${path}`, sending);
  const own = { 'sec-fetch-site': 'same-origin' };
  const foreign = { 'sec-fetch-site': 'cross-site', origin: 'https://elsewhere.test' };
  const callback = '/auth/callback';
  const post = (body: string, headers: Record<string, string> = {}) => ({
    method: 'POST',
    body,
    headers: { 'content-type': formType, ...own, ...headers },
  });

  const rows: [name: string, path: string, sending: object, status: number, says: RegExp][] = [
    ['an unknown route', `/${marker}`, {}, 404, /nothing/i],
    ['a wrong method', '/sign-in', { method: 'DELETE' }, 405, /method|cannot be done/i],
    ['a sign-out that another site sends', '/sign-out', post('', foreign), 403, /page of this site/],
    ['a sign-out by a link', '/sign-out', { headers: own }, 405, /method|cannot be done/i],
    ['a sign-out of another type', '/sign-out', post('{}', { 'content-type': 'application/json' }), 415, /form/i],
    ['a body over the limit', '/sign-out', post(big), 413, /too large/],
    ['a script without the CSRF header', '/session', {}, 403, /page of this site/],
    ['a scope that the app does not use', `/sign-in?scope=${marker}`, {}, 400, /scope/],
    ['claims that we did not seal', `/sign-in?claims=${marker}`, {}, 400, /no longer good/],
    ['a parameter given twice', '/sign-in?scope=a&scope=b', {}, 400, /repeated/],
    ['a callback without state', `${callback}?code=${marker}`, {}, 400, /missing/],
    ['a callback with a wrong state', `${callback}?code=${marker}&state=${marker}`, {}, 400, /another browser/],
    ['a callback with a state given twice', `${callback}?state=a&state=b&code=c`, {}, 400, /repeated/],
  ];
  for (const [name, path, sending, status, says] of rows) {
    it(`refuses ${name} with ${status}`, async () => {
      await refused(() => send(path, sending), status, says);
    });
  }

  it('takes a broken cookie for no session', async () => {
    const name = sessionCookie.split('=')[0];
    const cookies = [`${name}=${marker}`, `${name}=`, `${sessionCookie.slice(0, -4)}AAAA`, `${sessionCookie}x`];
    for (const cookie of cookies) {
      const headers = { cookie, 'x-csrf': '1', ...own };
      await refused(() => send('/session', { headers }), 401, /login_required/);
    }
  });

  it('leads a callback that was completed already to the start, and the session stays', async () => {
    const callbacks = alice.answers.filter(({ url }) => url.pathname === callback);
    assert.ok(callbacks.length > 0);
    for (const { url } of callbacks) {
      const { status, headers } = await alice.send(url);
      assert.deepEqual([status, headers.location, headers['set-cookie']], [303, '/', undefined]);
    }
    await alice.open(system.web);
    assert.equal((await session(alice)).status, 200);
  });

  it('refuses a callback whose login cookie is gone, and does not start over', async () => {
    const bob = system.visitor();
    await bob.open(`${system.web}/sign-in`);
    await bob.jar.removeAllCookies();
    // The emulator's page needs its own cookie; a second browser begins there and brings the answer here.
    const other = system.visitor();
    await other.open(`${system.web}/sign-in`);
    await pick(other, system, 'bob');
    await accept(other, system);
    const brought = other.answers.find(({ url }) => url.pathname === callback);
    await refused(() => bob.send(`${brought?.url}`), 400, /another browser/);
  });
});

describe('token-broker', () => {
  const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
  const web = { namespace: 'onbehalf', name: 'web-frontend', audience: 'token-broker' };
  const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
  const post = (body: string, headers: Record<string, string> = {}) =>
    stranger.send(`${system.broker}/oauth2/token`, {
      method: 'POST',
      body,
      headers: { 'content-type': formType, ...headers },
    });
  const authenticated = async (fields: Record<string, string>, account = web, claims = {}) =>
    form({
      client_assertion_type: assertionType,
      client_assertion: await system.cluster.mint(account, claims),
      ...fields,
    });

  it('refuses an unknown route with 404 and a wrong method with 405', async () => {
    await refused(() => stranger.send(`${system.broker}/${marker}`), 404, /not_found/);
    const answer = await refused(() => stranger.send(`${system.broker}/oauth2/token`), 405, /method_not_allowed/);
    assert.equal(answer.headers.allow, 'POST');
  });

  it('refuses a wrong content type with 415 and a body over the limit with 413', async () => {
    await refused(() => post('{}', { 'content-type': 'application/json' }), 415, /invalid_request/);
    // Announced, not sent: it is refused unread, and what was sent could reset the connection under the answer.
    await refused(() => post('a=b', { 'content-length': '200000' }), 413, /invalid_request/);
  });

  const grants: [name: string, fields: Record<string, string>, says: RegExp][] = [
    ['no grant', {}, /grant_type is missing/],
    ['an unknown grant', { grant_type: marker }, /unsupported_grant_type/],
    [
      'a grant the client is not given',
      { grant_type: 'client_credentials', scope: 'x/.default' },
      /unauthorized_client/,
    ],
    ['a code grant without a code', { grant_type: 'authorization_code' }, /code is missing/],
    ['an exchange without a subject token', { grant_type: exchange, scope: 'a' }, /subject_token.* is missing/],
    [
      'an exchange of something that is no session token',
      {
        grant_type: exchange,
        subject_token: marker,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        scope: 'api://onbehalf-api/access_as_user',
      },
      /invalid_grant/,
    ],
  ];
  for (const [name, fields, says] of grants) {
    it(`refuses ${name} with 400`, async () => {
      const body = await authenticated(fields);
      await refused(() => post(body), 400, says);
    });
  }

  it('refuses a parameter given twice with 400', async () => {
    const body = `${await authenticated({ grant_type: exchange })}&grant_type=${exchange}`;
    await refused(() => post(body), 400, /more than once/);
  });

  const callers: [name: string, account: typeof web, claims: object][] = [
    ['made out to another audience', { ...web, audience: 'api://AzureADTokenExchange' }, {}],
    ['of a ServiceAccount that has no client', { ...web, name: marker }, {}],
    ['of another namespace', { ...web, namespace: 'default' }, {}],
    ['that has expired', web, { exp: Math.floor(Date.now() / 1_000) - 60 }],
    ['of another issuer', web, { iss: 'https://elsewhere.test' }],
  ];
  for (const [name, account, claims] of callers) {
    it(`refuses a ServiceAccount token ${name} with 401`, async () => {
      const body = await authenticated({ grant_type: exchange, scope: 'a' }, account, claims);
      await refused(() => post(body), 401, /invalid_client/);
    });
  }

  it('refuses a caller without an assertion with 401', async () => {
    await refused(() => post(form({ grant_type: exchange })), 401, /invalid_client/);
  });
});

describe('downstream-api', () => {
  const send = (authorization?: string, path = '/whoami', method = 'GET') =>
    stranger.send(`${system.api}${path}`, { method, headers: authorization === undefined ? {} : { authorization } });
  const seconds = () => Math.floor(Date.now() / 1_000);

  /** A good token of Alice's for the API, with these claims instead. */
  async function mint(claims: object, more: object = {}): Promise<string> {
    const { apps, users } = (await system.admin('GET', '/state')) as {
      apps: { name: string; appId: string }[];
      users: { upn: string; oid: string }[];
    };
    const id = (name: string) => apps.find((app) => app.name === name)?.appId;
    const oid = users.find(({ upn }) => upn.startsWith('alice'))?.oid;
    const good = { aud: id('api'), azp: id('web'), oid, sub: 'alice', scp: 'access_as_user', name: 'Alice Ahrens' };
    const body = { claims: { ...good, ...claims }, ...more };
    return `Bearer ${((await system.admin('POST', '/mint', body)) as { token: string }).token}`;
  }

  it('takes the token that the rows below spoil', async () => {
    assert.equal((await send(await mint({}))).status, 200);
  });

  const tokens: [name: string, claims: object, more: object, says: RegExp][] = [
    ['for another audience', { aud: '00000003-0000-0000-c000-000000000000' }, {}, /invalid_token/],
    ['that has expired', { iat: seconds() - 7_200, nbf: seconds() - 7_200, exp: seconds() - 3_600 }, {}, /expired/],
    ['that is not good yet', { nbf: seconds() + 3_600 }, {}, /invalid_token/],
    ['of another tenant', { tid: 'fab12ca0-7e57-4000-8000-000000000002' }, {}, /invalid_token/],
    ['whose issuer is not its tenant', { iss: 'https://elsewhere.test/v2.0' }, {}, /issuer/],
    ['of a client that is not allowed', { azp: '10b00000-7e57-4000-8000-000000000031' }, {}, /client/],
    ['of version 1.0', { ver: '1.0' }, {}, /v1\.0 access token/],
    ['signed by somebody else', {}, { key: 'foreign' }, /invalid_token/],
    ['signed by nobody', {}, { header: { alg: 'none' } }, /invalid_token/],
  ];
  for (const [name, claims, more, says] of tokens) {
    it(`refuses a token ${name} with 401`, async () => {
      const authorization = await mint(claims, more);
      const answer = await refused(() => send(authorization), 401, says);
      assert.match(String(answer.headers['www-authenticate']), /^Bearer error="invalid_token"/);
    });
  }

  it('refuses a request without a token, and one with something else, with 401', async () => {
    await refused(() => send(), 401, /bearer token is needed/);
    await refused(() => send(`Basic ${marker}`), 401, /invalid_token/);
    await refused(() => send(`Bearer ${marker}`), 401, /invalid_token/);
  });

  it('refuses a token without the scope with 403, naming the scope', async () => {
    const authorization = await mint({ scp: 'other' });
    const answer = await refused(() => send(authorization), 403, /insufficient_scope/);
    assert.match(String(answer.headers['www-authenticate']), /scope="access_as_user"/);
  });

  it('refuses an unknown route with 404 and a wrong method with 405', async () => {
    const authorization = await mint({});
    await refused(() => send(authorization, `/${marker}`), 404, /not_found/);
    await refused(() => send(authorization, '/whoami', 'DELETE'), 405, /method_not_allowed/);
  });
});
