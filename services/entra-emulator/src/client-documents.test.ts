import { strict as assert } from 'node:assert';
import type { RequestListener } from 'node:http';
import { after, before, beforeEach, describe, it } from 'node:test';
import { openServer, says } from '@onbehalf/node/core/server.fake';
import { apiScope, openRig, type Rig, readClaims, verifier } from './rig.fake.ts';

const redirect_uri = 'http://localhost:8123/callback';
const json = { 'content-type': 'application/json; charset=utf-8' };

describe('a client that is known by a document', () => {
  let rig: Rig;
  let server: Awaited<ReturnType<typeof openServer>>;
  let respond: RequestListener;
  let asked = 0;
  before(async () => {
    rig = await openRig();
    server = await openServer((req, res) => {
      asked += 1;
      respond(req, res);
    });
  });
  beforeEach(async () => {
    await rig.admin('POST', '/reset');
    asked = 0;
    respond = says(200, document(), json);
  });
  after(async () => {
    await rig.emulator.close();
    await server[Symbol.asyncDispose]();
  });

  const clientId = () => `${server.origin}/client.json`;
  const document = (more: object = {}) => ({
    ...{ client_id: clientId(), client_name: 'A tool', redirect_uris: [redirect_uri], ...more },
  });
  const url = (more: Record<string, string | undefined> = {}) =>
    rig.authorizeUrl({ client_id: clientId(), redirect_uri, scope: apiScope, ...more });
  const code = async () => (await rig.person().signIn(url(), 'alice@contoso.test')).get('code') ?? '';
  const redeem = (code: string, more: Record<string, string> = {}) =>
    rig.post({
      ...{ client_id: clientId(), grant_type: 'authorization_code', code, redirect_uri, code_verifier: verifier },
      ...more,
    });
  /** What the person sees in place of a sign-in. */
  const problem = async (parameters: Record<string, string | undefined> = {}) => {
    const person = rig.person();
    await person.visit(url(parameters));
    return `${/AADSTS\d+: [^<]*/.exec(person.page().html) ?? person.title()}`;
  };

  it('is told of by discovery, signs a person in without a credential, and has the same GUID each time', async () => {
    const response = await fetch(`${rig.authority}/v2.0/.well-known/openid-configuration`);
    const metadata = (await response.json()) as Record<string, unknown>;
    assert.equal(metadata.client_id_metadata_document_supported, true);
    const clients = new Set();
    for (let time = 0; time < 2; time += 1) {
      const { status, body } = await redeem(await code());
      assert.equal(status, 200);
      const { aud, azp, azpacr } = readClaims(body.access_token);
      assert.deepEqual([aud, azpacr], [rig.ids.apps.api, '0']);
      clients.add(azp);
      await rig.admin('POST', '/reset');
    }
    assert.equal(clients.size, 1);
    assert.match(String([...clients][0]), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('is shown to the person by its name and its host', async () => {
    const person = rig.person();
    await person.visit(url());
    await person.answer({ username: 'alice@contoso.test' });
    assert.match(person.page().html, /A tool \(127\.0\.0\.1:\d+\)/);
  });

  it('needs PKCE, and is read anew with each sign-in: a redirect URI that it took back leads nowhere', async () => {
    const bare = await rig.person().visit(url({ code_challenge: undefined, code_challenge_method: undefined }));
    assert.match(bare?.parameters.get('error_description') ?? '', /^AADSTS900144/);
    const before = await code();
    respond = says(200, document({ redirect_uris: ['https://tool.test/callback'] }), json);
    assert.match(await problem(), /^AADSTS50011/);
    assert.equal((await redeem(before)).status, 200);
    assert.equal(asked, 3);
  });

  it('sends no credential, and redeems no code of another client', async () => {
    assert.equal((await redeem(await code(), { client_secret: 'x' })).body.error_codes[0], 700025);
    const cli = { client_id: rig.ids.apps.cli ?? '', redirect_uri: 'http://localhost:1', scope: apiScope };
    assert.equal((await redeem(await rig.code(undefined, cli))).body.error_codes[0], 70000);
    assert.equal((await redeem('1.x', { client_id: `${server.origin}/unknown.json` })).body.error_codes[0], 700016);
  });

  const documents: [what: string, respond: () => RequestListener, reason: RegExp][] = [
    ['names another client', () => says(200, document({ client_id: 'https://tool.test/x' }), json), /is another URL/],
    ['names itself with another spelling', () => says(200, document({ client_id: `${clientId()}/` }), json), /another/],
    ['names no client', () => says(200, document({ client_id: undefined }), json), /client_id/],
    ['has no redirect URI', () => says(200, document({ redirect_uris: [] }), json), /redirect_uris/],
    [
      'leads to plain http elsewhere',
      () => says(200, document({ redirect_uris: ['http://tool.test/'] }), json),
      /https/,
    ],
    ['leads to a script', () => says(200, document({ redirect_uris: ['javascript:alert(1)'] }), json), /redirect_uris/],
    ['has a secret', () => says(200, document({ client_secret: 'x' }), json), /client_secret/],
    [
      'would have a secret',
      () => says(200, document({ token_endpoint_auth_method: 'client_secret_post' }), json),
      /token_endpoint_auth_method/,
    ],
    ['is elsewhere', () => says(302, '', { location: `${server.origin}/other.json` }), /responded 302/],
    ['is not there', () => says(404, document(), json), /responded 404/],
    ['is no JSON by its type', () => says(200, document(), { 'content-type': 'text/html' }), /no application\/json/],
    ['is no JSON', () => says(200, '<html>', json), /JSON/],
    ['is too long', () => says(200, document({ logo_uri: 'x'.repeat(5_120) }), json), /longer than 5120 bytes/],
  ];
  for (const [what, makeRespond, reason] of documents) {
    it(`is not found, with the reason, if its document ${what}`, async () => {
      respond = makeRespond();
      const seen = await problem();
      assert.match(seen, /^AADSTS700016/);
      assert.match(seen, reason);
      assert.equal(asked, 1);
    });
  }

  it('is not found if its document does not come in time', async (t) => {
    const stopped = new AbortController();
    const own = AbortSignal.timeout;
    t.mock.method(AbortSignal, 'timeout', (ms: number) => (ms === 3_000 ? stopped.signal : own(ms)));
    respond = () => stopped.abort(new DOMException('too late', 'TimeoutError'));
    assert.match(await problem(), /^AADSTS700016.*too late/);
  });

  for (const id of [
    'http://tool.test/client.json',
    'https://tool.test',
    'https://tool.test/',
    'https://user@tool.test/client.json',
    'https://tool.test/client.json#part',
    'https://tool.test/a/../client.json',
    'https://TOOL.test/client.json',
    'https://tool.test:443/client.json',
    'https://',
  ]) {
    it(`is never asked for as ${id}`, async () => {
      assert.match(await problem({ client_id: id }), /^AADSTS700038/);
    });
  }
});

describe('what MCP clients send, by public reports,', () => {
  let rig: Rig;
  before(async () => {
    rig = await openRig();
    await rig.admin('PATCH', '/apps/api', { identifierUri: 'https://mcp.contoso.test/mcp' });
  });
  after(() => rig.emulator.close());

  const scope = 'https://mcp.contoso.test/mcp/access_as_user';
  const refused = async (parameters: Record<string, string | undefined>) =>
    (await rig.person().visit(rig.authorizeUrl(parameters)))?.parameters.get('error_description')?.slice(0, 13);

  it('is refused unless `resource` is the Application ID URI of what the scopes name, to the letter', async () => {
    for (const resource of [
      'https://mcp.contoso.test/mcp/',
      'https://mcp.contoso.test',
      'https://MCP.contoso.test/mcp',
      'https://other.contoso.test/mcp',
      rig.ids.apps.api ?? '',
    ])
      assert.equal(await refused({ scope, resource }), 'AADSTS9010010', resource);
    assert.equal(await refused({ scope: 'User.Read', resource: 'https://mcp.contoso.test/mcp' }), 'AADSTS9010010');
    assert.equal(await refused({ scope: undefined, resource: 'https://mcp.contoso.test/mcp' }), 'AADSTS900144:');
  });

  it('is compared at the token endpoint for every grant, and where a device begins', async () => {
    const resource = 'https://mcp.contoso.test/mcp';
    const errors: unknown[] = [];
    const other = { resource: `${resource}/` };
    errors.push((await rig.redeem(await rig.code(undefined, { scope }), other)).body.error_codes[0]);
    const { access_token, refresh_token = '' } = await rig.tokens(undefined, `offline_access ${scope}`);
    errors.push((await rig.refresh(refresh_token, scope, other)).body.error_codes[0]);
    errors.push((await rig.onBehalf(access_token, other)).body.error_codes[0]);
    const app = { ...rig.job, grant_type: 'client_credentials', scope: `${resource}/.default` };
    errors.push((await rig.post({ ...app, ...other })).body.error_codes[0]);
    const device = async (more: Record<string, string>) => {
      const body = new URLSearchParams({ client_id: rig.ids.apps.cli ?? '', scope, ...more });
      const response = await fetch(`${rig.authority}/oauth2/v2.0/devicecode`, { method: 'POST', body });
      return (await response.json()) as { error_codes?: number[]; user_code?: string };
    };
    errors.push((await device(other)).error_codes?.[0]);
    assert.deepEqual(errors, [9010010, 9010010, 9010010, 9010010, 9010010]);
    // The controls: the same with the right one.
    assert.ok((await device({ resource })).user_code);
    assert.equal((await rig.post({ ...app, resource })).status, 200);
    const { body } = await rig.redeem(await rig.code(undefined, { scope, resource }), { resource });
    assert.equal(readClaims(body.access_token).aud, rig.ids.apps.api);
  });
});
