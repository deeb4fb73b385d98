import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { decodeJwt } from 'jose';
import type { Client } from '../clients/clients.ts';
import { issueCertificate } from '../credentials/certificate.fake.ts';
import { authorityHost, clientId, fakeNetwork, type Post, respondTo, tenantId, tokenResponse } from './msal.fake.ts';
import { MsalEntra } from './msal.ts';

const traceId = 'ab'.repeat(16);
const asked = { scopes: ['api://a/read'], traceId };
const redeem = {
  ...asked,
  code: 'code-canary',
  redirectUri: 'https://app.test/cb',
  codeVerifier: 'v'.repeat(43),
  nonce: 'n',
};

describe('Entra through MSAL', () => {
  let directory = '';
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'entra-'));
    await writeFile(join(directory, 'one'), 'secret-canary-one');
    await writeFile(join(directory, 'two'), 'secret-canary-two');
  });
  after(() => rm(directory, { recursive: true }));

  function open(response: (post: Post) => { status?: number; body: unknown }, files = ['one']) {
    const { posts, network } = fakeNetwork(response);
    const lines: string[] = [];
    const logger = createLogger({ level: 'debug', service: 'test' }, { write: (line) => void lines.push(line) });
    const clock = { ms: Date.now() };
    const entra = new MsalEntra({ authorityHost, federatedFile: undefined, network, logger, nowMs: () => clock.ms });
    const client: Client = {
      ...{ name: 'web', tenantId, clientId, subjects: [], grants: [], scopes: [], redirectUris: [], permissions: [] },
      credentials: files.map((file) => ({ type: 'secret', file: join(directory, file) })),
    };
    /** Refreshes for a person who signed in past `response`; gives the class of what came. */
    const refreshAs = async (oid: string, tid = tenantId) => {
      const always = fakeNetwork(({ form }) => respondTo(form, { oid }));
      const before = new MsalEntra({ authorityHost, federatedFile: undefined, network: always.network, logger });
      const signIn = await before.redeemCode(client, redeem);
      assert.ok(signIn.kind === 'token');
      const { msal, account } = signIn;
      const refreshed = await entra.refresh(client, { ...asked, account: { ...account, tenantId: tid }, msal });
      return refreshed.kind === 'token' ? 'token' : refreshed.refusal.class;
    };
    const secretsSent = () => posts.map(({ form }) => form.get('client_secret')?.split('-').at(-1));
    return { entra, client, posts, lines, clock, refreshAs, secretsSent };
  }

  it('redeems a code, and refreshes with nothing but what it kept of it', async () => {
    const { entra, client, posts } = open(({ form }) => respondTo(form));
    const signIn = await entra.redeemCode(client, redeem);
    assert.ok(signIn.kind === 'token');
    assert.deepEqual([signIn.sub, signIn.sid, signIn.account.homeAccountId], ['sub-alice', 's', `alice.${tenantId}`]);
    assert.equal(signIn.expiresInSeconds, 3_600);
    assert.ok(Math.abs(signIn.issuedAtSeconds - Date.now() / 1_000) < 60);
    const kept = JSON.parse(signIn.msal);
    assert.deepEqual([kept.AccessToken, kept.IdToken], [{}, {}]);
    assert.equal(Object.keys(kept.RefreshToken).length, 1);
    assert.ok(!signIn.msal.includes(signIn.accessToken));
    const next = await entra.refresh(client, { ...asked, account: signIn.account, msal: signIn.msal });
    assert.ok(next.kind === 'token');
    assert.equal(next.account?.homeAccountId, signIn.account.homeAccountId);
    assert.equal(posts.length, 2);
    assert.equal(posts[1]?.form.get('refresh_token'), 'rt-alice');
    const again = await entra.refresh(client, { ...asked, account: signIn.account, msal: next.msal });
    assert.equal(again.kind, 'token', 'what a refresh leaves can be refreshed with');
  });

  describe('for an agent', () => {
    const [agent, t1, t2] = ['33333333-3333-4333-8333-333333333333', 'credential-canary', 'exchange-canary'];
    const as = { agent, assertion: t1 };
    const exchange = { scopes: ['api://AzureADTokenExchange/.default'], traceId };
    const last = (posts: Post[], ...names: string[]) => names.map((name) => posts.at(-1)?.form.get(name));

    it('asks as its blueprint, with the credential of that and the agent as fmi_path', async () => {
      const { entra, client, posts } = open(({ form }) => respondTo(form));
      assert.equal((await entra.appToken(client, { ...exchange, fmiPath: agent })).kind, 'token');
      const sent = last(posts, 'client_id', 'grant_type', 'fmi_path', 'client_secret', 'scope');
      assert.deepEqual(sent, [clientId, 'client_credentials', agent, 'secret-canary-one', exchange.scopes[0]]);
    });

    it('asks as the agent by that token: for itself, on behalf of a person, as its user', async () => {
      const { entra, client, posts } = open(({ form }) => respondTo(form));
      const proof = [agent, t1, null, null];
      const proven = () => last(posts, 'client_id', 'client_assertion', 'client_secret', 'fmi_path');
      await entra.appToken(client, { scopes: ['api://a/.default'], traceId, as });
      assert.deepEqual([proven(), last(posts, 'scope')], [proof, ['api://a/.default']]);
      await entra.onBehalfOf(client, { ...asked, tenantId, assertion: 'user-canary', as });
      assert.deepEqual(
        [proven(), last(posts, 'assertion', 'requested_token_use')],
        [proof, ['user-canary', 'on_behalf_of']],
      );
      for (const [user, named] of [
        [{ username: 'a@b.test' }, ['a@b.test', null]],
        [{ userObjectId: 'oid' }, [null, 'oid']],
      ] as const) {
        const acquired = await entra.agentUser(client, { ...asked, as, assertion: t2, user });
        assert.equal(acquired.kind === 'token' && acquired.account?.homeAccountId, `alice.${tenantId}`);
        assert.deepEqual([proven(), last(posts, 'username', 'user_id')], [proof, named]);
        assert.deepEqual(last(posts, 'grant_type', 'user_federated_identity_credential'), ['user_fic', t2]);
      }
      assert.equal(posts.length, 4);
    });

    it('starts no cooldown of its blueprint where Entra refuses one that is of another', async () => {
      const body = { error: 'invalid_client', error_codes: [700213] };
      const { entra, client, secretsSent } = open(({ form }) =>
        form.get('fmi_path') === agent ? { status: 401, body } : respondTo(form),
      );
      for (let i = 0; i < 4; i += 1) {
        const outcome = await entra.appToken(client, { ...exchange, fmiPath: agent });
        assert.equal(outcome.kind === 'refused' && outcome.refusal.class, 'credential');
      }
      const sent = secretsSent().length;
      assert.equal((await entra.appToken(client, { ...exchange, fmiPath: clientId })).kind, 'token');
      assert.equal(secretsSent().length, sent + 1);
    });

    it('starts one where Entra refuses the credential itself', async () => {
      const body = { error: 'invalid_client', error_codes: [7000215] };
      const { entra, client, posts } = open(() => ({ status: 401, body }));
      for (let i = 0; i < 4; i += 1) await entra.appToken(client, { ...exchange, fmiPath: agent });
      assert.equal(posts.length, 2);
    });

    it('tells a user who is not its own from a credential that is no good', async () => {
      const { entra, client } = open(() => ({ status: 401, body: { error: 'invalid_client', error_codes: [700213] } }));
      const user = { username: 'a@b.test' };
      const outcome = await entra.agentUser(client, { ...asked, as, assertion: t2, user });
      assert.equal(outcome.kind === 'refused' && outcome.refusal.class, 'assertion');
      const own = await entra.appToken(client, { ...asked, as });
      assert.equal(own.kind === 'refused' && own.refusal.class, 'credential');
    });
  });

  it('tells the scopes that were asked and given, without those that MSAL adds', async () => {
    const own = 'openid profile email offline_access';
    const { entra, client } = open(({ form }) =>
      respondTo(form, { scope: `${form.get('scope')} email api://a/write` }),
    );
    const signIn = await entra.redeemCode(client, { ...redeem, scopes: ['openid', 'profile', 'offline_access'] });
    assert.ok(signIn.kind === 'token');
    assert.equal(signIn.scope, 'openid profile offline_access');
    const next = await entra.refresh(client, { ...asked, account: signIn.account, msal: signIn.msal });
    assert.equal(next.kind === 'token' && next.scope, 'api://a/read');
    const obo = await entra.onBehalfOf(client, { ...asked, assertion: 'e30.e30.x', tenantId });
    assert.equal(obo.kind === 'token' && obo.scope, 'api://a/read');
    const graph = open(() => ({ body: tokenResponse({ scope: `https://graph.microsoft.com/User.Read ${own}` }) }));
    const bare = await graph.entra.onBehalfOf(graph.client, {
      ...asked,
      scopes: ['User.Read'],
      assertion: 'e30.e30.x',
      tenantId,
    });
    assert.equal(bare.kind === 'token' && bare.scope, 'User.Read');
  });

  it('asks for a token on behalf of a person and for the app each time it is told to', async () => {
    const { entra, client, posts } = open(({ form }) => respondTo(form));
    const assertion = 'e30.e30.x';
    for (let i = 0; i < 2; i += 1) {
      const obo = await entra.onBehalfOf(client, { ...asked, assertion, tenantId });
      assert.ok(obo.kind === 'token');
      assert.equal(obo.account?.homeAccountId, `alice.${tenantId}`);
      assert.equal((await entra.appToken(client, { ...asked, scopes: ['api://a/.default'] })).kind, 'token');
    }
    assert.equal(posts.length, 4);
    const guid = 'abababab-abab-abab-abab-abababababab';
    for (const { form } of posts) assert.equal(form.get('client-request-id'), guid);
  });

  it('passes claims on with the capability of continuous access evaluation', async () => {
    const { entra, client, posts } = open(({ form }) => respondTo(form));
    const claims = '{"access_token":{"nbf":{"essential":true,"value":"1"}}}';
    await entra.appToken(client, { ...asked, scopes: ['api://a/.default'], claims });
    const sent = JSON.parse(posts[0]?.form.get('claims') ?? '{}');
    assert.deepEqual(sent.access_token.nbf, { essential: true, value: '1' });
    assert.deepEqual(sent.access_token.xms_cc, { values: ['CP1'] });
  });

  it('is sign_in without a refresh token, and never a call', async () => {
    const { entra, client, posts } = open(({ form }) => respondTo(form));
    const account = { homeAccountId: `a.${tenantId}`, environment: 'login.windows.net', tenantId, localAccountId: 'a' };
    for (const msal of ['', '{}']) {
      const response = await entra.refresh(client, { ...asked, account, msal });
      assert.equal(response.kind === 'refused' && response.refusal.class, 'sign_in');
    }
    assert.equal(posts.length, 0);
  });

  it('refuses a sign-in whose nonce is another', async () => {
    const { entra, client } = open(({ form }) => respondTo(form));
    const response = await entra.redeemCode(client, { ...redeem, nonce: 'other' });
    assert.equal(response.kind === 'refused' && response.refusal.class, 'code');
  });

  it('refuses a sign-in whose ID token names nobody', async () => {
    for (const sub of [undefined, '']) {
      const [header, payload = ''] = String(tokenResponse().id_token).split('.');
      const claims = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), sub };
      const id_token = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
      const { entra, client } = open(({ form }) => respondTo(form, { id_token }));
      const response = await entra.redeemCode(client, redeem);
      assert.equal(response.kind === 'refused' && response.refusal.class, 'code');
    }
  });

  it('redeems a code without a nonce to check, and gives the ID token as it came', async () => {
    const { nonce, ...unasked } = redeem;
    const idToken = String(tokenResponse().id_token);
    const { entra, client } = open(({ form }) => respondTo(form, { id_token: idToken }));
    const signIn = await entra.redeemCode(client, { ...unasked, nonce: undefined });
    assert.ok(signIn.kind === 'token');
    assert.deepEqual([signIn.idToken, signIn.sub, signIn.sid], [idToken, 'sub-alice', 's']);
    const [, payload = ''] = signIn.idToken.split('.');
    assert.equal(JSON.parse(Buffer.from(payload, 'base64url').toString()).nonce, nonce);
    const checked = await entra.redeemCode(client, redeem);
    assert.equal(checked.kind === 'token' && checked.idToken, idToken);
    const next = await entra.refresh(client, { ...asked, account: signIn.account, msal: signIn.msal });
    assert.equal(next.kind, 'token', 'the session goes on');
  });

  it('gives every refusal as a value, with what the caller needs of it', async () => {
    const body = {
      error: 'invalid_grant',
      error_codes: [50076],
      claims: '{"a":1}',
      suberror: 'basic_action',
      correlation_id: 'c',
    };
    const { entra, client } = open(() => ({ status: 400, body }));
    for (const response of [
      await entra.redeemCode(client, redeem),
      await entra.onBehalfOf(client, { ...asked, assertion: 'e30.e30.x', tenantId }),
      await entra.appToken(client, asked),
    ]) {
      assert.ok(response.kind === 'refused');
      assert.equal(response.refusal.class, 'interaction');
      const { error: _, ...members } = body;
      assert.deepEqual(response.refusal.members, members);
    }
  });

  it('never takes a response without token for one', async () => {
    for (const status of [200, 400, 503]) {
      const { entra, client } = open(() => ({ status, body: {} }));
      const response = await entra.appToken(client, asked);
      assert.equal(response.kind === 'refused' && response.refusal.class, 'transient');
    }
  });

  it('goes on to the next credential when Entra refuses one, and does not ask with that again for a while', async () => {
    const { entra, client, posts, clock } = open(
      ({ form }) =>
        form.get('client_secret') === 'secret-canary-two'
          ? respondTo(form)
          : { status: 401, body: { error: 'invalid_client' } },
      ['one', 'two'],
    );
    for (let i = 0; i < 3; i += 1) assert.equal((await entra.appToken(client, asked)).kind, 'token');
    assert.equal(posts.filter(({ form }) => form.get('client_secret') === 'secret-canary-one').length, 2);
    clock.ms += 30_001;
    assert.equal((await entra.appToken(client, asked)).kind, 'token');
    assert.ok(posts.filter(({ form }) => form.get('client_secret') === 'secret-canary-one').length > 2);
  });

  it('with no credential left asks every 30 s, and heals', async () => {
    let broken = true;
    const { entra, client, posts, clock } = open(({ form }) =>
      broken ? { status: 401, body: { error: 'invalid_client' } } : respondTo(form),
    );
    for (let i = 0; i < 5; i += 1) {
      const response = await entra.appToken(client, asked);
      assert.equal(response.kind === 'refused' && response.refusal.class, 'credential');
    }
    assert.equal(posts.length, 2);
    broken = false;
    clock.ms += 30_001;
    assert.equal((await entra.appToken(client, asked)).kind, 'token');
  });

  const refusing = (error_codes: number[], error = 'invalid_client') => ({ status: 401, body: { error, error_codes } });
  const isOfPerson = ({ form, url }: Post, oid: string) =>
    form.get('refresh_token') === `rt-${oid}` || url.includes(oid);

  for (const [code, expected] of [
    [650051, 'consent'],
    [650052, 'consent'],
    [650053, 'scope'],
    [7000229, 'consent'],
    [65001, 'consent'],
    [7000112, 'configuration'],
  ] as const) {
    it(`takes ${code} as invalid_client for that request's matter: nobody else's, and no other credential's`, async () => {
      const { refreshAs, posts, secretsSent } = open(
        (post) => (isOfPerson(post, 'bob') ? refusing([code]) : respondTo(post.form)),
        ['one', 'two'],
      );
      assert.equal(await refreshAs('bob'), expected);
      assert.equal(posts.length, 1);
      assert.equal(await refreshAs('alice'), 'token');
      assert.deepEqual(secretsSent(), ['one', 'one']);
    });
  }

  it('tries the next credential at a number that nobody knows, and starts the cooldown of the first only if Entra accepts that one', async () => {
    let taken = false;
    const { refreshAs, secretsSent, posts, lines } = open(
      (post) =>
        isOfPerson(post, 'bob') && !(taken && post.form.get('client_secret') === 'secret-canary-two')
          ? refusing([7000999])
          : respondTo(post.form),
      ['one', 'two'],
    );
    assert.equal(await refreshAs('bob'), 'credential');
    assert.deepEqual(secretsSent(), ['one', 'two']);
    assert.match(lines.join(''), /"level":"warn"[^\n]*"event":"credential.doubted"[^\n]*7000999/);
    posts.splice(0);
    assert.equal(await refreshAs('alice'), 'token');
    taken = true;
    assert.equal(await refreshAs('bob'), 'token');
    assert.equal(await refreshAs('alice'), 'token');
    assert.deepEqual(secretsSent(), ['one', 'one', 'two', 'two']);
  });

  it('starts the cooldown of a credential in the tenant that refused it, and in no other', async () => {
    const other = '33333333-3333-4333-8333-333333333333';
    const { refreshAs, posts } = open((post) => (isOfPerson(post, other) ? refusing([7000215]) : respondTo(post.form)));
    for (const oid of ['a', 'b', 'c']) assert.equal(await refreshAs(oid, other), 'credential');
    assert.equal(posts.length, 2);
    assert.equal(await refreshAs('a'), 'token');
    assert.equal(await refreshAs('a', other), 'credential');
    assert.equal(posts.length, 3, 'it is still cooling down there');
  });

  it('starts the cooldown of a credential that Entra accepts for others only at the third person who is refused', async () => {
    let refused = ['bob'];
    const { refreshAs, posts } = open((post) =>
      refused.some((oid) => isOfPerson(post, oid)) ? refusing([7000222]) : respondTo(post.form),
    );
    assert.equal(await refreshAs('alice'), 'token');
    for (let i = 0; i < 5; i += 1) assert.equal(await refreshAs('bob'), 'credential');
    assert.equal(await refreshAs('alice'), 'token');
    refused = ['alice', 'bob', 'carol', 'dan'];
    for (const oid of ['alice', 'bob', 'carol']) assert.equal(await refreshAs(oid), 'credential');
    posts.splice(0);
    assert.equal(await refreshAs('dan'), 'credential');
    assert.equal(posts.length, 0);
  });

  for (const [code, error] of [
    [70021, 'invalid_request'],
    [700211, 'invalid_client'],
    [700213, 'unauthorized_client'],
  ] as const) {
    it(`asks again at ${code} (${error}) of a credential that Entra took lately, and calls what remains transient`, async () => {
      let left = 0;
      const { refreshAs, posts, lines, clock } = open((post) =>
        isOfPerson(post, 'bob') && left-- > 0 ? refusing([code], error) : respondTo(post.form),
      );
      assert.equal(await refreshAs('alice'), 'token');
      left = 2;
      assert.equal(await refreshAs('bob'), 'token');
      left = 3;
      assert.equal(await refreshAs('bob'), 'transient');
      assert.doesNotMatch(lines.join(''), /credential\.refused/);
      assert.equal(await refreshAs('alice'), 'token');
      clock.ms += 300_001;
      left = 4;
      posts.splice(0);
      assert.equal(await refreshAs('bob'), 'credential');
      assert.equal(await refreshAs('alice'), 'credential', 'without good use of late it is the credential');
      assert.equal(posts.length, 2);
      assert.match(lines.join(''), /credential\.refused/);
    });

    it(`goes on to the next credential at ${code} (${error}), and says so`, async () => {
      const { entra, client, lines } = open(
        ({ form }) => (form.get('client_secret') === 'secret-canary-two' ? respondTo(form) : refusing([code], error)),
        ['one', 'two'],
      );
      assert.equal((await entra.appToken(client, asked)).kind, 'token');
      assert.match(lines.join(''), new RegExp(`credential\\.refused[^\\n]*${code}`));
    });
  }

  it('takes a credential for good of which Entra refused only what the person lacks', async () => {
    let response = refusing([65001], 'invalid_grant');
    const { refreshAs } = open(() => response);
    assert.equal(await refreshAs('alice'), 'consent');
    response = refusing([70021]);
    assert.equal(await refreshAs('alice'), 'transient');
  });

  it('goes on to the next credential where single servers refuse one that was taken', async () => {
    let left = 1;
    const { refreshAs, secretsSent } = open(
      ({ form }) =>
        form.get('client_secret') === 'secret-canary-two' || left-- > 0 ? respondTo(form) : refusing([70021]),
      ['one', 'two'],
    );
    for (let i = 0; i < 2; i += 1) assert.equal(await refreshAs('alice'), 'token');
    assert.deepEqual(secretsSent(), ['one', 'one', 'one', 'one', 'two']);
  });

  it('is a fault of the configuration where MSAL asks for nothing', async () => {
    const { entra, client, posts } = open(({ form }) => respondTo(form));
    const response = await entra.appToken(client, { ...asked, scopes: [] });
    assert.equal(response.kind === 'refused' && response.refusal.class, 'configuration');
    assert.equal(posts.length, 0);
  });

  it('looks at the file of a credential again as soon as Entra refused it', async () => {
    const { entra, client, secretsSent } = open(
      ({ form }) => {
        if (form.get('client_secret') === 'secret-canary-new') return respondTo(form);
        writeFileSync(join(directory, 'renewed'), 'secret-canary-new');
        return refusing([7000215]);
      },
      ['renewed'],
    );
    await writeFile(join(directory, 'renewed'), 'secret-canary-old');
    assert.equal((await entra.appToken(client, asked)).kind, 'token');
    assert.deepEqual(secretsSent(), ['old', 'new']);
  });

  it('shows a certificate to the tenant that it asks', async () => {
    const file = join(directory, 'certificate.pem');
    const { certificate, key } = issueCertificate('web');
    await writeFile(file, certificate + key);
    const { entra, client, posts } = open(({ form }) => respondTo(form));
    const certified = { ...client, credentials: [{ type: 'certificate' as const, file }] };
    const other = '33333333-3333-4333-8333-333333333333';
    await entra.appToken(certified, asked);
    await entra.onBehalfOf(certified, { ...asked, assertion: 'e30.e30.x', tenantId: other });
    const audiences = posts.map(({ form }) => decodeJwt(form.get('client_assertion') ?? '').aud);
    assert.deepEqual(
      audiences,
      [tenantId, other].map((tenant) => `${authorityHost}/${tenant}/oauth2/v2.0/token`),
    );
  });

  it('tries the next credential when the file of one is missing', async () => {
    const { entra, client } = open(({ form }) => respondTo(form), ['absent', 'two']);
    assert.equal((await entra.appToken(client, asked)).kind, 'token');
  });

  it('shows no secret, code or token in its log', async () => {
    const body = { error: 'invalid_client', error_description: 'your secret-canary-one with code-canary is wrong' };
    const { entra, client, lines } = open(() => ({ status: 401, body }));
    await entra.redeemCode(client, redeem);
    const odd = open(() => ({ body: { ...tokenResponse(), id_token: 'token-canary' } }));
    await odd.entra.redeemCode(odd.client, redeem);
    const log = [...lines, ...odd.lines].join('');
    assert.match(log, /credential\.refused/);
    assert.doesNotMatch(log, /canary|rt-alice|at-alice/);
  });

  it('says of each credential that cannot be used which file it is and why, before it is needed', async () => {
    const { entra, client, lines, posts } = open(({ form }) => respondTo(form), ['one', 'absent']);
    const [leaf, other] = [issueCertificate('leaf'), issueCertificate('other')];
    const file = join(directory, 'mixed.pem');
    await writeFile(file, leaf.certificate + other.key);
    const mixed = { ...client, name: 'mixed', credentials: [{ type: 'certificate' as const, file }] };
    await entra.checkCredentials([client, mixed]);
    const told = lines.map((line) => JSON.parse(line));
    assert.deepEqual(
      told.map(({ level, event, client, file, error }) => [level, event, client, file, error.code ?? error.message]),
      [
        ['error', 'credential.unusable', 'web', join(directory, 'absent'), 'ENOENT'],
        ['error', 'credential.unusable', 'mixed', file, 'the private key belongs to none of the certificates'],
      ],
    );
    assert.deepEqual(posts, []);
  });
});
