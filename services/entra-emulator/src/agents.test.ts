import { strict as assert } from 'node:assert';
import { after, before, beforeEach, describe, it } from 'node:test';
import { openRig, type Rig, readClaims, type TokenResponse } from './rig.fake.ts';

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const exchange = 'api://AzureADTokenExchange/.default';
const appScope = 'api://onbehalf-api/.default';
const userScope = 'api://onbehalf-api/access_as_user';

describe('an agent', () => {
  let rig: Rig;
  let ids: Record<string, string>;
  before(async () => {
    rig = await openRig();
    ids = rig.ids.apps;
  });
  beforeEach(() => rig.admin('POST', '/reset'));
  after(() => rig.emulator.close());

  const id = (name: string) => ids[name] ?? '';
  const fetchT1 = (agent: string, blueprint = 'agents', more: Record<string, string> = {}) =>
    rig.post({
      ...{ client_id: id(blueprint), client_secret: `${blueprint}-secret`, grant_type: 'client_credentials' },
      ...{ scope: exchange, fmi_path: id(agent), ...more },
    });
  const t1 = async (agent = 'scout', blueprint = 'agents') => (await fetchT1(agent, blueprint)).body.access_token;
  const as = (agent: string, client_assertion: string, form: Record<string, string>) =>
    rig.post({ client_id: id(agent), client_assertion_type: assertionType, client_assertion, ...form });
  const appOnly = (agent: string, assertion: string, scope = appScope) =>
    as(agent, assertion, { grant_type: 'client_credentials', scope });
  const mint = async (claims: object, key = 'active'): Promise<string> =>
    (await rig.admin('POST', '/mint', { claims, key })).token;
  const forUser = (claims: object = {}) =>
    mint({ aud: id('agents'), azp: id('web'), oid: rig.ids.users.alice, scp: 'access_agent', sid: 's', ...claims });
  const onBehalf = async (assertion: string, agent = 'scout', blueprint = 'agents') => {
    const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', requested_token_use: 'on_behalf_of' };
    return as(agent, await t1(agent, blueprint), { ...grant, assertion, scope: userScope });
  };
  const userFic = async (form: Record<string, string>, { agent = 'scout', t2 = '' } = {}) => {
    const assertion = await t1(agent);
    const own = t2 || (await appOnly(agent, assertion, exchange)).body.access_token;
    const grant = { grant_type: 'user_fic', user_federated_identity_credential: own, scope: userScope };
    return as(agent, assertion, { ...grant, ...form });
  };
  const code = ({ status, body }: TokenResponse) => [status, body.error_codes?.[0]];

  it('is impersonated by its blueprint, whose token names both', async () => {
    const claims = readClaims(await t1());
    assert.deepEqual([claims.aud, claims.azp, claims.idtyp], [id('token-exchange'), id('agents'), 'app']);
    assert.match(String(claims.sub), new RegExp(`^/eid1/c/pub/t/[\\w-]{22}/a/[\\w-]{22}/${id('scout')}$`));
  });

  it('acts for itself: roles, no scope, its blueprint as its parent', async () => {
    const claims = readClaims((await appOnly('scout', await t1())).body.access_token);
    assert.deepEqual([claims.azp, claims.idtyp, claims.roles], [id('scout'), 'app', ['Reports.Read']]);
    assert.deepEqual([claims.scp, claims.xms_par_app_azp], ['/', id('agents')]);
    assert.deepEqual([claims.xms_act_fct, claims.xms_sub_fct], ['3 9 11', '9 3 11']);
    assert.notEqual(claims.oid, claims.sub);
  });

  it('acts on behalf of a person, by a token for its blueprint', async () => {
    const claims = readClaims((await onBehalf(await forUser())).body.access_token);
    assert.deepEqual([claims.azp, claims.oid, claims.idtyp], [id('scout'), rig.ids.users.alice, 'user']);
    assert.deepEqual(
      [claims.xms_act_fct, claims.xms_par_app_azp, claims.scp],
      ['3 9 11', id('agents'), 'access_as_user'],
    );
    assert.equal(claims.xms_sub_fct, undefined);
  });

  it('acts as its own user, by name or by id, also with the refresh token', async () => {
    const { body } = await userFic({
      username: 'Scout@contoso.test',
      client_info: '1',
      scope: `${userScope} offline_access`,
    });
    const claims = readClaims(body.access_token);
    assert.deepEqual([claims.azp, claims.oid, claims.idtyp], [id('scout'), rig.ids.users.scout, 'user']);
    assert.deepEqual([claims.xms_sub_fct, claims.scp], ['1 13', 'access_as_user']);
    assert.ok(body.client_info);
    assert.equal((await userFic({ user_id: rig.ids.users.scout ?? '' })).status, 200);
    const refresh = { grant_type: 'refresh_token', refresh_token: body.refresh_token ?? '', scope: userScope };
    assert.equal((await as('scout', await t1(), refresh)).status, 200);
    assert.deepEqual(code(await as('clerk', await t1('clerk'), refresh)), [400, 70000]);
  });

  it('is refused to another blueprint, to an app that is none, and under a name', async () => {
    assert.deepEqual(code(await fetchT1('stranger')), [401, 700213]);
    assert.deepEqual(code(await fetchT1('scout', 'other-agents')), [401, 700213]);
    assert.deepEqual(code(await fetchT1('scout', 'job')), [401, 700213]);
    assert.deepEqual(code(await fetchT1('scout', 'agents', { fmi_path: 'scout' })), [401, 700213]);
  });

  it('does not take the token of another, nor of another purpose, nor an expired or forged one', async () => {
    const good = await t1();
    const { iss, sub, aud } = readClaims(good);
    const expired = Math.floor(Date.now() / 1_000) - 301;
    for (const [assertion, expected] of [
      [await t1('clerk'), 700213],
      [(await appOnly('scout', good, exchange)).body.access_token, 700213],
      [await mint({ sub, aud: id('api') }), 700212],
      [await mint({ sub, aud, exp: expired }), 700024],
      [await mint({ sub, aud }, 'foreign'), 700027],
      [await mint({ sub, aud, iss: `${iss}/` }), 700211],
    ] as const) {
      assert.deepEqual(code(await appOnly('scout', assertion)), [401, expected]);
    }
    assert.deepEqual(code(await appOnly('job', good)), [401, 700211], 'replayed by another client');
    assert.deepEqual(code(await appOnly('agents', good)), [401, 700211], 'replayed by its blueprint');
    assert.deepEqual(
      code(await rig.post({ client_id: id('scout'), client_secret: 'x', grant_type: 'user_fic' })),
      [401, 7000215],
    );
  });

  it('acts on behalf of nobody by a token for another app, and its blueprint by none', async () => {
    assert.deepEqual(code(await onBehalf(await forUser({ aud: id('api') }))), [400, 500131]);
    assert.deepEqual(code(await onBehalf(await forUser({ aud: id('scout') }))), [400, 500131]);
    assert.deepEqual(code(await onBehalf(await forUser(), 'stranger', 'other-agents')), [400, 500131]);
    const assertion = await forUser();
    const own = { client_id: id('agents'), client_secret: 'agents-secret', scope: userScope };
    const refused = await rig.onBehalf(assertion, own);
    assert.deepEqual(code(refused), [400, 82002]);
    assert.deepEqual(code(await fetchT1('', 'agents', { scope: appScope })), [400, 82001]);
  });

  it('acts as no other user', async () => {
    assert.deepEqual(code(await userFic({})), [400, 900144]);
    assert.deepEqual(code(await userFic({ username: 'nobody@contoso.test' })), [400, 50034]);
    assert.deepEqual(code(await userFic({ username: 'fay@fabrikam.test' })), [400, 50034]);
    assert.deepEqual(code(await userFic({ username: 'alice@contoso.test' })), [401, 700213]);
    assert.deepEqual(code(await userFic({ username: 'scout@contoso.test' }, { agent: 'clerk' })), [401, 700213]);
    assert.deepEqual(code(await userFic({ username: 'scout@contoso.test' }, { t2: await t1() })), [400, 500131]);
    const others = (await appOnly('clerk', await t1('clerk'), exchange)).body.access_token;
    assert.deepEqual(code(await userFic({ username: 'scout@contoso.test' }, { t2: others })), [400, 500131]);
    await rig.admin('POST', '/users/scout@contoso.test/disable');
    assert.deepEqual(code(await userFic({ username: 'scout@contoso.test' })), [400, 50057]);
  });

  it('gets nothing while it or its blueprint is disabled', async () => {
    const assertion = await t1();
    await rig.admin('PATCH', '/apps/scout', { accountEnabled: false });
    assert.deepEqual(code(await appOnly('scout', assertion)), [400, 7000112]);
    assert.equal((await appOnly('clerk', await t1('clerk'))).status, 200);
    await rig.admin('PATCH', '/apps/scout', { accountEnabled: true });
    await rig.admin('PATCH', '/apps/agents', { accountEnabled: false });
    assert.deepEqual(code(await appOnly('scout', assertion)), [400, 7000112]);
    assert.deepEqual(code(await fetchT1('scout')), [400, 7000112]);
  });

  it('shows no account on the page of accounts', async () => {
    const person = rig.person();
    await person.visit(rig.authorizeUrl());
    assert.doesNotMatch(person.page().html, /scout@contoso/);
    assert.match(person.page().html, /bob@contoso/);
  });
});
