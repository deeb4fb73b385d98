import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import { record } from '../../tools/run/figures.ts';
import { openRedisInspector } from '../kit/redis/inspector.ts';
import { openSystem } from '../kit/system/open.ts';
import { apiScope, appScope, grants, graphScope } from '../kit/system/registrations.ts';
import type { BrokerResponse } from '../kit/system/system.ts';

const people = 20;
const manyPeople = 50;
const rounds = 20;
const values = Array.from({ length: 10 }, (_, i) => `part.${i}`);
const scopes = values.map((value) => `api://onbehalf-api/${value}`);
const otherScope = 'api://other-api/access_as_user';

const system = await openSystem({
  name: 'broker-accounts',
  brokers: 3,
  signing: 'each',
  people: manyPeople,
  scopes: [...scopes, otherScope],
  seed: (usual) => ({
    ...usual,
    apps: usual.apps.map((app) => {
      const offered = values.map((value) => ({ value, description: value }));
      if (app.name === 'api') return { ...app, scopes: [...(app.scopes ?? []), ...offered] };
      if (app.name === 'web') return { ...app, adminConsent: [...scopes, otherScope, graphScope] };
      return app;
    }),
  }),
  clients: (usual) => ({
    ...usual,
    'web-any': { ...usual.web, tenantId: 'organizations', subjects: ['system:serviceaccount:onbehalf:web-any'] },
    'api-any': { ...usual.api, tenantId: 'organizations', subjects: ['system:serviceaccount:onbehalf:api-any'] },
  }),
});
after(() => system.close());
const inspector = system.use(await openRedisInspector(system));

type Person = { upn: string; session: string; oid: string; key: string };
const signedIn: Person[] = [];

async function signIn(upn: string): Promise<Person> {
  const session = await system.signIn(upn);
  // One after the other, so that every broker is warm before all ask at once.
  for (const broker of [1, 2]) await token(broker, session, apiScope);
  const { oid, tid } = decodeJwt<{ oid: string; tid: string }>(await token(0, session, apiScope));
  return { upn, session, oid, key: inspector.redisKeys.account('web', `${oid}.${tid}`) };
}

async function token(broker: number, session: string, scope: string): Promise<string> {
  const { status, body } = await system.exchange(broker, session, scope);
  assert.equal(status, 200, JSON.stringify(body));
  return String(body.access_token);
}

/** What a partition holds: its access tokens, and whom its MSAL cache is of. */
async function contentOf(key: string): Promise<{ tokens: string[]; owners: Set<string> }> {
  const fields = await inspector.fields(key);
  const tokens: string[] = [];
  for (const field of fields.filter((name) => name.startsWith('t:'))) {
    tokens.push(JSON.parse(String((await inspector.open(key, field))?.plaintext)).accessToken);
  }
  const msal = (await inspector.open(key, 'msal'))?.plaintext;
  const { Account, RefreshToken, AccessToken, IdToken } = JSON.parse(String(msal ?? '{}'));
  const entries = [Account, RefreshToken, AccessToken, IdToken].flatMap((kind) => Object.values(kind ?? {}));
  return { tokens, owners: new Set(entries.map((entry) => (entry as { home_account_id: string }).home_account_id)) };
}

describe('the accounts of three brokers', () => {
  it(`lose no entry and hold nothing foreign while ${people} x ${scopes.length} tokens are refreshed ${rounds} times at once`, async () => {
    // A life within MSAL's margin is never a hit: every exchange is a refresh.
    await system.admin('PUT', '/lifetimes', { access: 299 });
    for (let i = 1; i <= people; i += 1) signedIn.push(await signIn(`load${String(i).padStart(5, '0')}`));
    await system.admin('DELETE', '/counters');
    let [lost, foreign, appTokens] = [0, 0, 0];
    for (let round = 0; round < rounds; round += 1) {
      const app = system.post(round % 3, '/oauth2/token', { grant_type: 'client_credentials', scope: appScope }, 'job');
      const acquired = await Promise.all(
        signedIn.flatMap(({ session, oid }, p) =>
          scopes.map(async (scope, s) => {
            const jwt = await token((p + s + round) % 3, session, scope);
            const claims = decodeJwt<{ oid: string; scp: string }>(jwt);
            assert.equal(claims.oid, oid, 'a token is of who asked');
            assert.equal(claims.scp, values[s], 'and for what was asked');
            return jwt;
          }),
        ),
      );
      assert.equal((await app).status, 200);
      for (const [p, { key, oid }] of signedIn.entries()) {
        const { tokens, owners } = await contentOf(key);
        const mine = acquired.slice(p * scopes.length, (p + 1) * scopes.length);
        lost += mine.filter((jwt) => !tokens.includes(jwt)).length;
        const claims = tokens.map((jwt) => decodeJwt<{ oid: string; tid: string; scp?: string }>(jwt));
        foreign += claims.filter((one) => one.oid !== oid).length;
        appTokens += claims.filter((one) => one.scp === undefined).length;
        assert.deepEqual(owners, new Set([`${oid}.${claims[0]?.tid}`]));
      }
    }
    const calls = await system.calls('refresh_token');
    record('20 accounts x 10 scopes, 20 rounds: refreshes', calls);
    record('20 accounts x 10 scopes, 20 rounds: entries lost', lost);
    record('20 accounts x 10 scopes, 20 rounds: entries of another account', foreign + appTokens);
  });

  it(`give ${manyPeople} people who ask 64 at once nothing of another, 10,000 times, 1 in 10 a refresh`, async () => {
    await system.admin('PUT', '/lifetimes', { access: 3_600 });
    for (let i = people + 1; i <= manyPeople; i += 1) signedIn.push(await signIn(`load${String(i).padStart(5, '0')}`));
    for (const { session } of signedIn) await token(0, session, otherScope);
    await system.admin('PUT', '/lifetimes', { access: 299 });
    let [asked, wrong, failed] = [0, 0, 0];
    const worker = async () => {
      while (asked < 10_000) {
        const n = asked++;
        const { session, oid } = signedIn[n % manyPeople] as Person;
        const scope = n % 10 === 0 ? (scopes[(n / 10) % scopes.length] ?? '') : otherScope;
        const { status, body } = await system.exchange(Math.floor(n / manyPeople) % 3, session, scope);
        if (status !== 200) failed += 1;
        else {
          const claims = decodeJwt<{ oid: string; scp: string }>(String(body.access_token));
          if (claims.oid !== oid || claims.scp !== scope.slice(scope.lastIndexOf('/') + 1)) wrong += 1;
        }
      }
    };
    await Promise.all(Array.from({ length: 64 }, worker));
    let foreign = 0;
    for (const { key, oid } of signedIn) {
      const { tokens, owners } = await contentOf(key);
      const [owner = '', ...others] = owners;
      const strangers = tokens.filter((jwt) => decodeJwt<{ oid: string }>(jwt).oid !== oid);
      if (!owner.startsWith(`${oid}.`) || others.length + strangers.length > 0) foreign += 1;
    }
    record('50 people x 64 at once, 1 in 10 a refresh: requests', asked);
    record('50 people x 64 at once, 1 in 10 a refresh: requests that failed', failed);
    record('50 people x 64 at once, 1 in 10 a refresh: tokens of another, or for another scope', wrong);
    record('50 people x 64 at once, 1 in 10 a refresh: partitions with anything of another', foreign);
  });

  it('hold every partition apart from every other, whatever its kind', async () => {
    const kinds = { account: 0, obo: 0, app: 0 };
    const alice = await signIn('alice');
    const assertion = await token(1, alice.session, apiScope);
    assert.equal((await system.onBehalfOf(2, assertion)).status, 200);
    for (const key of await inspector.keys()) {
      const kind = key.slice(system.redisPrefix.length).split(':')[0] as keyof typeof kinds;
      if (!(kind in kinds)) continue;
      kinds[kind] += 1;
      const { tokens } = await contentOf(key);
      assert.ok(tokens.length > 0, key);
      const claims = tokens.map((jwt) => decodeJwt<{ oid: string; scp?: string }>(jwt));
      assert.equal(new Set(claims.map(({ oid }) => oid)).size, 1, 'one owner a partition');
      assert.ok(claims.every(({ scp }) => (scp === undefined) === (kind === 'app')));
    }
    assert.deepEqual(kinds, { account: manyPeople + 1, obo: 1, app: 1 });
  });

  it('give several resources from one sign-in, each token for its own', async () => {
    await system.admin('PUT', '/lifetimes', { access: 3_600 });
    const { session } = await signIn('bob');
    const { apps } = system.emulator.ids;
    const graph = 'https://graph.microsoft.com';
    const audiences = { [apiScope]: apps.api, [graphScope]: graph, [otherScope]: apps['other-api'] };
    for (const pass of ['acquired', 'from the store', 'from memory']) {
      const asked = [0, 1, 2].flatMap((broker) => Object.entries(audiences).map((one) => ({ broker, one })));
      await Promise.all(
        asked.map(async ({ broker, one: [scope, audience] }) => {
          const claims = decodeJwt<{ scp: string }>(await token(broker, session, scope));
          assert.equal(claims.aud, audience, pass);
          // Graph's tokens also say which OpenID scopes were asked.
          assert.equal(claims.scp.split(' ')[0], scope.slice(scope.lastIndexOf('/') + 1), pass);
        }),
      );
    }
    const mixed = await system.exchange(0, session, `${apiScope} ${otherScope}`);
    assert.equal(mixed.body.error, 'invalid_scope', 'one token is for one resource');
  });

  it('sign in people of other organisations, and act for them at their own', async () => {
    const { contoso, fabrikam } = system.emulator.ids.tenants;
    for (const [upn, home] of Object.entries({ 'fay@fabrikam.test': fabrikam, 'carol@contoso.test': contoso })) {
      const { fields } = await system.startSignIn(upn, 'organizations');
      const session = await system.post(0, '/oauth2/token', fields, 'web-any');
      assert.equal(session.status, 200, JSON.stringify(session.body));
      const exchange = {
        grant_type: grants.exchange,
        subject_token: String(session.body.access_token),
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        scope: apiScope,
      };
      const acquired = await system.post(1, '/oauth2/token', exchange, 'web-any');
      assert.equal(acquired.status, 200, JSON.stringify(acquired.body));
      const assertion = String(acquired.body.access_token);
      const claims = decodeJwt<{ tid: string; preferred_username: string }>(assertion);
      assert.deepEqual([claims.tid, claims.preferred_username], [home, upn]);
      const elsewhere = await system.post(1, '/oauth2/token', exchange, 'web');
      assert.equal(elsewhere.body.error, 'invalid_grant', "another client's session is none");

      await system.admin('PATCH', '/apps/api', { adminConsent: [graphScope] });
      const graph = await system.onBehalfOf(2, assertion, graphScope, 'api-any');
      assert.equal(graph.status, 200, JSON.stringify(graph.body));
      assert.equal(decodeJwt<{ tid: string }>(String(graph.body.access_token)).tid, home);
      const single = await system.onBehalfOf(2, assertion);
      assert.equal(single.status === 200, home === contoso, "a single-tenant client takes no other tenant's people");
    }
  });

  it('act for guests, whose accounts at home are others, until they leave', async () => {
    await system.admin('PATCH', '/apps/api', { adminConsent: [graphScope] });
    const { tenants, users } = system.emulator.ids;
    const gina = await system.signIn('gina_fabrikam.test#EXT#@contoso.test');
    const fay = await system.signIn('fay_fabrikam.test#EXT#@contoso.test');
    const ends: [string, () => Promise<BrokerResponse>][] = [
      [gina, () => system.post(0, '/sessions/end', { subject_token: gina })],
      [fay, () => system.post(0, '/sessions/end', { tid: tenants.fabrikam, oid: String(users.fay) }, 'operator')],
    ];
    for (const [session, end] of ends) {
      const assertion = await token(1, session, apiScope);
      assert.equal(decodeJwt<{ tid: string }>(assertion).tid, tenants.contoso);
      for (const broker of [0, 1, 2]) assert.equal((await system.onBehalfOf(broker, assertion)).status, 200);
      assert.ok(Number((await end()).body.ended) >= 1);
      for (const broker of [0, 1, 2]) {
        await system.until(async () => (await system.onBehalfOf(broker, assertion)).body.error === 'invalid_grant');
      }
    }
  });

  it('leave no key without a TTL', async () => {
    record('keys without an end after the accounts', (await system.immortalKeys()).length);
  });
});
