import { strict as assert } from 'node:assert';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { AccountInfo, AuthenticationResult } from '@azure/msal-node';
import { createMountedFile } from '@onbehalf/node/core/mounted-file';
import { fakeIssuer } from './issuer.fake.ts';
import { msalClient } from './msal.fake.ts';
import { apiScope, callback, graphScope, openRig, type Rig, readClaims, verifier } from './rig.fake.ts';

/** What work gives once it no longer throws; the last error after 5 s. */
async function eventually<T>(work: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 5_000; ; await delay(50)) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

const appScope = 'api://onbehalf-api/.default';
const c1 = JSON.stringify({ access_token: { acrs: { essential: true, value: 'c1' } } });

describe('MSAL Node', () => {
  let rig: Rig;
  let issuer: Awaited<ReturnType<typeof fakeIssuer>>;
  before(async () => {
    issuer = await fakeIssuer();
    rig = await openRig({ federatedIssuers: [{ issuer: issuer.url }] });
  });
  beforeEach(() => rig.admin('POST', '/reset'));
  after(async () => {
    await rig.emulator.close();
    await issuer.close();
  });

  const byCode = async (msal = msalClient(rig), upn = 'alice@contoso.test', change: object = {}) => {
    const code = await rig.code(upn, { scope: `openid profile offline_access ${apiScope}` });
    const request = {
      code,
      scopes: [apiScope],
      redirectUri: callback,
      codeVerifier: verifier,
      nonce: 'some-nonce',
      ...change,
    };
    return msal.acquireTokenByCode(request);
  };
  const api = () => msalClient(rig, { clientId: rig.ids.apps.api, clientSecret: 'api-secret' });
  const job = () => msalClient(rig, { clientId: rig.ids.apps.job, clientSecret: 'job-secret' });
  const onBehalf = async ({ accessToken }: AuthenticationResult, more: object = {}) => {
    const request = { oboAssertion: accessToken, scopes: [graphScope], ...more };
    return (await api().acquireTokenOnBehalfOf(request)) as AuthenticationResult;
  };
  const toAccount = ({ account }: AuthenticationResult) => account as AccountInfo;
  /** The AADSTS number of a refusal, and its suberror. */
  const refusal = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => assert.fail('it was not refused'),
      (reason: unknown) => reason as { errorMessage: string; subError: string; name: string },
    );
    const [, code] = /AADSTS(\d+)/.exec(error.errorMessage) ?? [];
    return {
      code: Number(code),
      suberror: error.subError || undefined,
      interaction: error.name === 'InteractionRequiredAuthError',
    };
  };

  describe('is granted', () => {
    it('a code, with an account and tokens for the API', async () => {
      const result = await byCode();
      assert.equal(toAccount(result).homeAccountId, `${rig.ids.users.alice}.${rig.tenant}`);
      assert.equal(toAccount(result).username, 'alice@contoso.test');
      assert.equal(readClaims(result.accessToken).aud, rig.ids.apps.api);
      assert.equal(readClaims(result.accessToken).scp, 'access_as_user');
    });

    it('a refresh when it is forced, and nothing when its cache will do', async () => {
      const msal = msalClient(rig);
      const first = await byCode(msal);
      const account = toAccount(first);
      const hit = await msal.acquireTokenSilent({ account, scopes: [apiScope] });
      const fresh = await msal.acquireTokenSilent({ account, scopes: [apiScope], forceRefresh: true });
      assert.equal(hit.accessToken, first.accessToken);
      assert.notEqual(fresh.accessToken, first.accessToken);
      const { counts } = await rig.admin('GET', '/counters');
      assert.deepEqual(
        counts
          .filter(({ endpoint }: { endpoint: string }) => endpoint === 'token')
          .map(({ grant, count }: { grant: string; count: number }) => [grant, count]),
        [
          ['authorization_code', 1],
          ['refresh_token', 1],
        ],
      );
    });

    it('another resource by the same refresh token once it is consented', async () => {
      const msal = msalClient(rig);
      const account = toAccount(await byCode(msal));
      assert.equal((await refusal(msal.acquireTokenSilent({ account, scopes: [graphScope] }))).code, 65001);
      await rig.code('alice@contoso.test', { scope: graphScope });
      const { accessToken } = await msal.acquireTokenSilent({ account, scopes: [graphScope] });
      assert.equal(readClaims(accessToken).aud, 'https://graph.microsoft.com');
    });

    it('client credentials by secret, with the roles an administrator granted', async () => {
      const result = await job().acquireTokenByClientCredential({ scopes: [appScope] });
      const { roles, azpacr, oid, sub, scp } = readClaims(result?.accessToken ?? '');
      assert.deepEqual([roles, azpacr, oid === sub, scp], [['Reports.Read'], '1', true, undefined]);
    });

    it('client credentials by certificate', async () => {
      const { cert = '', key = '' } = rig.emulator.clientCertificates.web ?? {};
      const thumbprintSha256 = new X509Certificate(cert).fingerprint256.replaceAll(':', '');
      const msal = msalClient(rig, { clientCertificate: { thumbprintSha256, privateKey: key } });
      const result = await msal.acquireTokenByClientCredential({ scopes: [appScope] });
      assert.equal(readClaims(result?.accessToken ?? '').azpacr, '2');
    });

    it('client credentials by a federated token from a file, also after its issuer rotated', async (t) => {
      const directory = await mkdtemp(join(tmpdir(), 'emulator-'));
      t.after(() => rm(directory, { recursive: true }));
      const file = join(directory, 'azure-identity-token');
      const ask = async () => {
        await writeFile(file, await issuer.token());
        const msal = msalClient(rig, { clientAssertion: createMountedFile(file) });
        return readClaims((await msal.acquireTokenByClientCredential({ scopes: [appScope] }))?.accessToken ?? '');
      };
      assert.equal((await ask()).azpacr, '2');
      await issuer.rotate();
      // Keys are fetched at most once a second.
      assert.equal((await eventually(ask)).azpacr, '2');
      assert.equal(issuer.fetched(), 2);
    });

    it('on behalf of a user, whose session carries on', async () => {
      const first = await byCode();
      const { accessToken } = await onBehalf(first);
      const claims = readClaims(accessToken);
      assert.equal(claims.oid, rig.ids.users.alice);
      assert.equal(claims.azp, rig.ids.apps.api);
      assert.equal(claims.sid, readClaims(first.accessToken).sid);
      const me = await fetch(`${rig.emulator.origin}/v1.0/me`, { headers: { authorization: `Bearer ${accessToken}` } });
      assert.equal(((await me.json()) as { displayName: string }).displayName, 'Alice Ahrens');
    });

    it('a long token with claims challenges, which a revocation ends at once', async () => {
      const first = await byCode();
      const cp1 = JSON.stringify({ access_token: { xms_cc: { values: ['CP1'] } } });
      const { accessToken, expiresOn } = await onBehalf(first, { claims: cp1 });
      assert.ok(Number(expiresOn) - Date.now() > 80_000_000);
      const plain = await onBehalf(first, { skipCache: true });
      await rig.admin('POST', '/users/alice@contoso.test/revoke');
      const ask = (token: string) =>
        fetch(`${rig.emulator.origin}/v1.0/me`, { headers: { authorization: `Bearer ${token}` } });
      const refused = await ask(accessToken);
      const challenge = refused.headers.get('www-authenticate') ?? '';
      assert.equal(refused.status, 401);
      assert.match(
        challenge,
        /^Bearer realm="", authorization_uri="[^"]+", error="insufficient_claims", claims="[^"]+"$/,
      );
      const claims = JSON.parse(Buffer.from(/claims="([^"]+)"/.exec(challenge)?.[1] ?? '', 'base64').toString());
      assert.equal(claims.access_token.nbf.essential, true);
      assert.ok(Math.abs(Number(claims.access_token.nbf.value) - Date.now() / 1000) < 5);
      assert.equal((await ask(plain.accessToken)).status, 200);
      const again = await onBehalf(await byCode(), { claims: cp1 });
      assert.equal((await ask(again.accessToken)).status, 200);
    });
  });

  describe('is refused', () => {
    it('a wrong secret', async () => {
      const msal = msalClient(rig, { clientSecret: 'wrong' });
      assert.equal((await refusal(msal.acquireTokenByClientCredential({ scopes: [appScope] }))).code, 7000215);
    });

    it('a wrong redirect URI', async () => {
      const other = { redirectUri: 'http://localhost:3000/' };
      assert.equal((await refusal(byCode(msalClient(rig), 'alice@contoso.test', other))).code, 50011);
    });

    it('a replayed code', async () => {
      const code = await rig.code();
      const request = { code, scopes: [apiScope], redirectUri: callback, codeVerifier: verifier, nonce: 'some-nonce' };
      await msalClient(rig).acquireTokenByCode(request);
      assert.equal((await refusal(msalClient(rig).acquireTokenByCode(request))).code, 54005);
    });

    it('a bad verifier', async () => {
      const bad = { codeVerifier: 'x'.repeat(43) };
      assert.equal((await refusal(byCode(msalClient(rig), 'alice@contoso.test', bad))).code, 501481);
    });

    it('an unknown scope', async () => {
      const msal = msalClient(rig);
      const account = toAccount(await byCode(msal));
      assert.equal(
        (await refusal(msal.acquireTokenSilent({ account, scopes: ['api://onbehalf-api/nothing'] }))).code,
        70011,
      );
    });

    it('missing consent', async () => {
      const result = await byCode(msalClient(rig), 'carol@contoso.test');
      assert.deepEqual(await refusal(onBehalf(result)), {
        code: 65001,
        suberror: 'consent_required',
        interaction: true,
      });
    });

    it('claims it has not, until the person has stepped up', async () => {
      const msal = msalClient(rig);
      const account = toAccount(await byCode(msal));
      const silent = () => msal.acquireTokenSilent({ account, scopes: [apiScope], claims: c1 });
      assert.deepEqual(await refusal(silent()), { code: 50076, suberror: 'basic_action', interaction: true });
      const code = await rig.code('alice@contoso.test', { scope: `openid offline_access ${apiScope}`, claims: c1 });
      const stepped = { code, scopes: [apiScope], redirectUri: callback, codeVerifier: verifier, nonce: 'some-nonce' };
      await msal.acquireTokenByCode(stepped);
      assert.deepEqual(readClaims((await silent()).accessToken).acrs, ['c1']);
    });

    it('as Entra throttles: a text, which its own HTTP client cannot read', async () => {
      await rig.admin('PUT', '/faults', [{ match: { grant: 'client_credentials' }, count: 1, then: { status: 429 } }]);
      const work = job().acquireTokenByClientCredential({ scopes: [appScope] });
      await assert.rejects(work, (error: { errorCode: string }) => error.errorCode === 'token_parsing_error');
    });

    it('as Entra throttles with JSON: then for as long as Retry-After says', async () => {
      const then = { aadsts: 90055, retryAfter: 30 };
      await rig.admin('PUT', '/faults', [{ match: { grant: 'client_credentials' }, count: 1, then }]);
      const msal = job();
      assert.equal((await refusal(msal.acquireTokenByClientCredential({ scopes: [appScope] }))).code, 90055);
      await assert.rejects(msal.acquireTokenByClientCredential({ scopes: [appScope] }));
      assert.equal((await rig.admin('GET', '/faults'))[0].hits, 1);
    });

    it('a revoked session', async () => {
      const msal = msalClient(rig);
      const account = toAccount(await byCode(msal));
      await rig.admin('POST', '/users/alice@contoso.test/revoke');
      const silent = msal.acquireTokenSilent({ account, scopes: [apiScope], forceRefresh: true });
      assert.deepEqual(await refusal(silent), { code: 50173, suberror: 'bad_token', interaction: true });
    });
  });
});
