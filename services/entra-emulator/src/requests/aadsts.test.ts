import { strict as assert } from 'node:assert';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import { makeRsaKey } from '@onbehalf/node/core/keys/rsa.fake';
import { SignJWT } from 'jose';
import { fakeIssuer } from '../issuer.fake.ts';
import { apiScope, openRig, type Rig, type TokenResponse, verifier } from '../rig.fake.ts';
import { table } from './aadsts.ts';

type Seen = {
  status: number;
  error: string | undefined;
  suberror: string | undefined;
  code: number | undefined;
  claims?: string | undefined;
};
type Produce = (rig: Rig) => Promise<Seen>;

const { privateKey: strangerKey } = makeRsaKey();
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
let issuer: Awaited<ReturnType<typeof fakeIssuer>>;

const fromToken = ({ status, body }: TokenResponse): Seen => ({
  status,
  error: body.error,
  suberror: body.suberror,
  code: body.error_codes?.[0],
  claims: body.claims,
});

/** A row seen at the redirect URI; there is no status of its own there. */
const fromRedirect = (parameters: URLSearchParams | undefined): Seen => ({
  status: 400,
  error: parameters?.get('error') ?? undefined,
  suberror: parameters?.get('suberror') ?? undefined,
  code: Number(/^AADSTS(\d+)/.exec(parameters?.get('error_description') ?? '')?.[1]),
});

/** A row shown on a page, which says the code and no OAuth error. */
async function fromPage(rig: Rig, url: string, code: number): Promise<Seen> {
  const person = rig.person();
  await person.visit(url);
  const { html, status } = person.page();
  const row = table[code];
  return { status, error: row?.error, suberror: row?.suberror, code: Number(/AADSTS(\d+)/.exec(html)?.[1]) };
}

const fault =
  (aadsts: number, more: object = {}): Produce =>
  async (rig) => {
    await rig.admin('PUT', '/faults', [{ then: { aadsts, ...more } }]);
    return fromToken(await rig.post({ grant_type: 'refresh_token', ...rig.web }));
  };

async function clientAssertion(
  rig: Rig,
  claims: Record<string, unknown> = {},
  key = rig.emulator.clientCertificates.web?.key ?? '',
): Promise<Seen> {
  const now = Math.floor(Date.now() / 1000);
  const { web } = rig.ids.apps;
  const { createPrivateKey, X509Certificate } = await import('node:crypto');
  const certificate = new X509Certificate(rig.emulator.clientCertificates.web?.cert ?? '');
  const thumbprint = Buffer.from(certificate.fingerprint256.replaceAll(':', ''), 'hex');
  const assertion = await new SignJWT({
    ...{ iss: web, sub: web, aud: `${rig.authority}/oauth2/v2.0/token`, nbf: now, exp: now + 600, jti: randomUUID() },
    ...claims,
  })
    .setProtectedHeader({ alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprint.toString('base64url') })
    .sign(key === '' ? strangerKey : createPrivateKey(key));
  return fromToken(
    await rig.post({
      ...{ client_id: web, grant_type: 'client_credentials', scope: `${rig.ids.apps.api}/.default` },
      ...{ client_assertion_type: assertionType, client_assertion: assertion },
    }),
  );
}

const federated =
  (claims: Record<string, unknown>): Produce =>
  async (rig) =>
    fromToken(
      await rig.post({
        ...{ client_id: rig.ids.apps.web, grant_type: 'client_credentials', scope: `${rig.ids.apps.api}/.default` },
        ...{ client_assertion_type: assertionType, client_assertion: await issuer.token(claims) },
      }),
    );

const clientCredentials =
  (form: Record<string, string>): Produce =>
  async (rig) =>
    fromToken(
      await rig.post({ ...rig.job, grant_type: 'client_credentials', scope: 'api://onbehalf-api/.default', ...form }),
    );

const blueprint = ({ ids }: Rig) => ({
  ...{ client_id: ids.apps.agents ?? '', client_secret: 'agents-secret' },
});

/** A user token with claims of our choice. */
async function minted(rig: Rig, claims: Record<string, unknown>, key = 'active'): Promise<string> {
  const { api, web } = rig.ids.apps;
  const all = { aud: api, azp: web, oid: rig.ids.users.alice, scp: 'access_as_user', sid: randomUUID(), ...claims };
  return (await rig.admin('POST', '/mint', { claims: all, key })).token;
}

/** The refusal of a page, `spa`, at its token request; of its refresh token after so many seconds if they are said. */
async function fromSpa(rig: Rig, headers: Record<string, string>, more: Record<string, string> = {}, after?: number) {
  const page = { client_id: rig.ids.apps.spa ?? '', redirect_uri: 'http://localhost/' };
  const challenge = 'bare' in more ? { code_challenge: undefined, code_challenge_method: undefined } : {};
  const scope = `openid offline_access ${apiScope}`;
  const code = await rig.code('alice@contoso.test', { ...page, ...challenge, scope });
  const form = { ...page, grant_type: 'authorization_code', code, code_verifier: verifier, ...more };
  const redeemed = await rig.post(form, { headers });
  if (after === undefined) return fromToken(redeemed);
  await rig.admin('PUT', '/clock', { offsetSeconds: after });
  const { refresh_token = '' } = redeemed.body;
  return fromToken(await rig.post({ ...page, grant_type: 'refresh_token', refresh_token }, { headers }));
}
/** The response to `cli`, which asks for its device's tokens after a person has typed `typed`, so many seconds later. */
async function fromDevice(rig: Rig, { typed, after = 0 }: { typed?: (code: string) => string; after?: number }) {
  const client_id = rig.ids.apps.cli ?? '';
  const body = new URLSearchParams({ client_id, scope: apiScope });
  const response = await fetch(`${rig.authority}/oauth2/v2.0/devicecode`, { method: 'POST', body });
  const { device_code, user_code, verification_uri } = (await response.json()) as Record<string, string>;
  await rig.admin('PUT', '/clock', { offsetSeconds: after });
  if (!typed) {
    const grant_type = 'urn:ietf:params:oauth:grant-type:device_code';
    return fromToken(await rig.post({ client_id, grant_type, device_code: device_code ?? '' }));
  }
  const person = rig.person();
  await person.visit(verification_uri ?? '');
  await person.answer({ user_code: typed(user_code ?? '') });
  const { html } = person.page();
  const code = Number(/AADSTS(\d+)/.exec(html)?.[1]);
  return { status: 400, error: table[code]?.error, suberror: undefined, code };
}

const fromPageOrigin = { origin: 'http://localhost' };

/** How to get each row of the table; an injected fault gives those that no rule raises. */
const rows: Record<number, Produce> = {
  28000: async (rig) => fromToken(await rig.refresh((await rig.tokens()).refresh_token ?? '', `${apiScope} User.Read`)),
  28003: async (rig) =>
    fromToken(await rig.redeem(await rig.code('alice@contoso.test', { scope: `${apiScope} User.Read` }))),
  50011: async (rig) => fromToken(await rig.redeem(await rig.code(), { redirect_uri: 'http://localhost:3000/other' })),
  50013: async (rig) => fromToken(await rig.onBehalf(await minted(rig, {}, 'foreign'))),
  50027: async (rig) => {
    const form = { client_id: rig.ids.apps.web, grant_type: 'client_credentials', scope: 'x' };
    return fromToken(await rig.post({ ...form, client_assertion_type: assertionType, client_assertion: 'no.jwt' }));
  },
  50034: async (rig) => {
    const person = rig.person();
    await person.visit(rig.authorizeUrl());
    await person.answer({ username: 'nobody@contoso.test' });
    const code = Number(/AADSTS(\d+)/.exec(person.page().html)?.[1]);
    return { status: 400, error: table[code]?.error, suberror: undefined, code };
  },
  50057: async (rig) => {
    const { refresh_token = '' } = await rig.tokens('bob@contoso.test');
    await rig.admin('POST', '/users/bob@contoso.test/disable');
    return fromToken(await rig.refresh(refresh_token));
  },
  50058: async (rig) => fromRedirect((await rig.person().visit(rig.authorizeUrl({ prompt: 'none' })))?.parameters),
  50076: async (rig) => {
    const { refresh_token = '' } = await rig.tokens();
    const claims = JSON.stringify({ access_token: { acrs: { essential: true, value: 'c1' } } });
    const seen = fromToken(await rig.refresh(refresh_token, apiScope, { claims }));
    assert.equal(seen.claims, claims);
    return seen;
  },
  50078: fault(50078),
  50079: fault(50079, { claims: '{}' }),
  50089: async (rig) => {
    const person = rig.person();
    await person.visit(rig.authorizeUrl());
    person.cookies.clear();
    await person.answer({ username: 'alice@contoso.test' });
    const { html, status } = person.page();
    return { status, error: table[50089]?.error, suberror: undefined, code: Number(/AADSTS(\d+)/.exec(html)?.[1]) };
  },
  50148: async (rig) => fromToken(await rig.redeem(await rig.code(), { code_verifier: '' })),
  50173: async (rig) => {
    const { refresh_token = '' } = await rig.tokens();
    await rig.admin('POST', '/users/alice@contoso.test/revoke');
    return fromToken(await rig.refresh(refresh_token));
  },
  50194: async (rig) =>
    fromToken(await rig.post({ ...rig.job, grant_type: 'client_credentials', scope: 'x' }, { at: 'organizations' })),
  50196: fault(50196),
  53003: async (rig) => {
    const { refresh_token = '' } = await rig.tokens();
    await rig.admin('PATCH', '/apps/api', { policy: 'block' });
    const seen = fromToken(await rig.refresh(refresh_token));
    assert.match(seen.claims ?? '', /capolids/);
    return seen;
  },
  54005: async (rig) => {
    const code = await rig.code();
    await rig.redeem(code);
    return fromToken(await rig.redeem(code));
  },
  65001: async (rig) => fromToken(await rig.onBehalf((await rig.tokens('carol@contoso.test')).access_token)),
  65004: async (rig) => {
    const person = rig.person();
    await person.visit(rig.authorizeUrl());
    await person.answer({ username: 'alice@contoso.test' });
    return fromRedirect((await person.answer({ consent: 'cancel' }))?.parameters);
  },
  70000: async (rig) => {
    const { refresh_token = '' } = await rig.tokens();
    return fromToken(await rig.post({ ...rig.job, grant_type: 'refresh_token', refresh_token }));
  },
  70003: async (rig) => fromToken(await rig.post({ ...rig.web, grant_type: 'magic' })),
  70008: async (rig) => {
    const code = await rig.code();
    await rig.admin('PUT', '/clock', { offsetSeconds: 601 });
    return fromToken(await rig.redeem(code));
  },
  70011: async (rig) =>
    fromToken(await rig.refresh((await rig.tokens()).refresh_token ?? '', 'api://onbehalf-api/no.such.scope')),
  70016: (rig) => fromDevice(rig, {}),
  70018: (rig) => fromDevice(rig, { typed: () => 'WRONG' }),
  70019: (rig) => fromDevice(rig, { typed: (code) => code, after: 901 }),
  70020: (rig) => fromDevice(rig, { after: 901 }),
  70043: fault(70043),
  82001: async (rig) =>
    fromToken(
      await rig.post({
        ...blueprint(rig),
        grant_type: 'client_credentials',
        scope: apiScope.replace(/[^/]+$/, '.default'),
      }),
    ),
  82002: async (rig) => {
    const { client_id } = blueprint(rig);
    return fromToken(await rig.onBehalf(await minted(rig, { aud: client_id }), blueprint(rig)));
  },
  90002: async (rig) => fromToken(await rig.post({ grant_type: 'refresh_token' }, { at: 'nowhere.test' })),
  90033: fault(90033),
  90055: fault(90055),
  500011: async (rig) => fromToken(await rig.refresh((await rig.tokens()).refresh_token ?? '', 'api://nothing/x')),
  500121: async (rig) => {
    const person = rig.person();
    await rig.admin('PATCH', '/apps/api', { policy: 'mfa' });
    await person.visit(rig.authorizeUrl());
    await person.answer({ username: 'alice@contoso.test' });
    return fromRedirect((await person.answer({ stepup: 'deny' }))?.parameters);
  },
  500131: async (rig) => fromToken(await rig.onBehalf(await minted(rig, { aud: rig.ids.apps.web }))),
  500133: async (rig) => fromToken(await rig.onBehalf(await minted(rig, { exp: Math.floor(Date.now() / 1000) - 1 }))),
  501481: async (rig) => fromToken(await rig.redeem(await rig.code(), { code_verifier: 'x'.repeat(43) })),
  700005: async (rig) => fromToken(await rig.redeem(await rig.code(), {}, rig.ids.tenants.fabrikam)),
  700016: async (rig) => fromToken(await rig.post({ grant_type: 'refresh_token', client_id: randomUUID() })),
  700021: (rig) => clientAssertion(rig, { sub: randomUUID() }),
  700023: (rig) => clientAssertion(rig, { aud: 'https://login.example.com/token' }),
  700024: (rig) => clientAssertion(rig, { exp: Math.floor(Date.now() / 1000) - 301 }),
  700025: (rig) => fromSpa(rig, fromPageOrigin, { client_secret: 'x' }),
  700027: (rig) => clientAssertion(rig, {}, ''),
  700038: async (rig) => fromToken(await rig.post({ grant_type: 'refresh_token', client_id: 'web' })),
  700054: async (rig) =>
    fromRedirect((await rig.person().visit(rig.authorizeUrl({ response_type: 'id_token' })))?.parameters),
  700082: async (rig) => {
    const { refresh_token = '' } = await rig.tokens();
    await rig.admin('PUT', '/clock', { offsetSeconds: 90 * 86_400 + 1 });
    return fromToken(await rig.refresh(refresh_token));
  },
  700084: (rig) => fromSpa(rig, fromPageOrigin, {}, 86_401),
  700211: federated({ iss: 'https://stranger.example.com' }),
  700212: federated({ aud: 'api://azureadtokenexchange' }),
  700213: federated({ sub: 'system:serviceaccount:onbehalf:Token-Broker' }),
  900144: async (rig) => fromToken(await rig.post(rig.web)),
  901002: async (rig) => {
    await rig.admin('PUT', '/switches', { refuseResource: true });
    const url = rig.authorizeUrl({ resource: 'api://onbehalf-api' });
    return fromRedirect((await rig.person().visit(url))?.parameters);
  },
  1002012: clientCredentials({ scope: 'api://onbehalf-api/access_as_user' }),
  7000112: async (rig) => {
    await rig.admin('PATCH', '/apps/job', { accountEnabled: false });
    return clientCredentials({})(rig);
  },
  7000114: async (rig) => {
    const { body } = await rig.post({
      ...{ ...rig.job, grant_type: 'client_credentials', scope: 'api://onbehalf-api/.default' },
    });
    return fromToken(await rig.onBehalf(body.access_token));
  },
  7000215: clientCredentials({ client_secret: 'wrong' }),
  7000216: clientCredentials({ client_secret: '' }),
  7000218: async (rig) => fromToken(await rig.post({ client_id: rig.ids.apps.web, grant_type: 'refresh_token' })),
  7000222: async (rig) =>
    fromToken(
      await rig.post({ ...rig.web, grant_type: 'client_credentials', client_secret: 'web-secret-expired', scope: 'x' }),
    ),
  9001023: async (rig) => {
    await rig.admin('PATCH', '/apps/job', { signInAudience: 'AzureADMultipleOrgs' });
    const form = { ...rig.job, grant_type: 'client_credentials', scope: 'api://onbehalf-api/.default' };
    return fromToken(await rig.post(form, { at: 'common' }));
  },
  9002313: async (rig) => fromToken(await rig.redeem('cut')),
  9002325: (rig) => fromSpa(rig, fromPageOrigin, { bare: 'yes' }),
  9002326: async (rig) =>
    fromToken(await rig.post({ ...rig.web, grant_type: 'refresh_token' }, { headers: fromPageOrigin })),
  9002327: (rig) => fromSpa(rig, {}),
  9010010: async (rig) =>
    fromRedirect((await rig.person().visit(rig.authorizeUrl({ resource: 'https://mcp.contoso.test/' })))?.parameters),
};

describe('the AADSTS table', () => {
  let rig: Rig;
  before(async () => {
    issuer = await fakeIssuer();
    rig = await openRig({ federatedIssuers: [{ issuer: issuer.url }] });
  });
  beforeEach(() => rig.admin('POST', '/reset'));
  after(async () => {
    await rig.emulator.close();
    await issuer.close();
  });

  for (const [code, row] of Object.entries(table)) {
    it(`responds with ${code} as ${row.error}${row.suberror ? ` (${row.suberror})` : ''}, ${row.status ?? 400}`, async () => {
      const { claims: _, ...seen } = await (rows[Number(code)] as Produce)(rig);
      const { error, suberror, status = 400 } = row;
      assert.deepEqual(seen, { status, error, suberror, code: Number(code) });
    });
  }

  it('names a documentation page for every row, or says unverified', () => {
    for (const [code, { mark, source }] of Object.entries(table)) {
      assert.match(mark, /^[CLU]$/, code);
      assert.ok(source.length > 3, code);
    }
  });

  it('has no way to a code that the table lacks', () => {
    assert.deepEqual(Object.keys(rows), Object.keys(table));
  });

  it('speaks in the envelope of Entra', async () => {
    const correlation = randomUUID();
    const { body, headers } = await rig.post(
      { ...rig.web, grant_type: 'magic' },
      { headers: { 'client-request-id': correlation } },
    );
    const { error_description: description = '', timestamp = '', trace_id: trace } = body;
    assert.match(timestamp, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$/);
    assert.ok(description.startsWith('AADSTS70003: '));
    assert.ok(description.endsWith(`Trace ID: ${trace} Correlation ID: ${correlation} Timestamp: ${timestamp}`));
    assert.deepEqual(body.error_codes, [70003]);
    assert.equal(body.correlation_id, correlation);
    assert.equal(headers.get('client-request-id'), correlation);
    assert.equal(headers.get('x-ms-request-id'), trace);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal('error_uri' in body, false);
    const { body: other } = await rig.post({ ...rig.web, grant_type: 'authorization_code', code: 'cut' });
    assert.match(other.error_uri ?? '', /\/error\?code=9002313$/);
  });

  it('shows a page, never a redirect, for an unknown client or redirect URI', async () => {
    assert.equal((await fromPage(rig, rig.authorizeUrl({ client_id: randomUUID() }), 700016)).code, 700016);
    const elsewhere = rig.authorizeUrl({ redirect_uri: 'https://evil.example.com/' });
    assert.equal((await fromPage(rig, elsewhere, 50011)).code, 50011);
    assert.equal((await fromPage(rig, rig.authorizeUrl({ redirect_uri: undefined }), 900144)).code, 900144);
  });

  it('refuses an unknown tenant at discovery too', async () => {
    const response = await fetch(`${rig.emulator.origin}/nowhere.test/v2.0/.well-known/openid-configuration`);
    assert.equal(response.status, 400);
    assert.equal(((await response.json()) as { error: string }).error, 'invalid_tenant');
  });

  it('can leave the suberror of 700082 out, as Entra did in 2020', async () => {
    assert.equal((await fault(700082, { suberror: null })(rig)).suberror, undefined);
    assert.equal((await fault(700082)(rig)).suberror, 'bad_token');
  });

  it('responds to a code outside the table with invalid_grant 400', async () => {
    const seen = await fault(51234)(rig);
    assert.deepEqual([seen.status, seen.error, seen.code], [400, 'invalid_grant', 51234]);
  });
});
