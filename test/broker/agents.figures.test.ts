import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import { record } from '../../tools/run/figures.ts';
import { openSystem } from '../kit/system/open.ts';
import { agentScope, apiScope, appId, appScope, grants, tenantId } from '../kit/system/registrations.ts';
import type { BrokerResponse, System } from '../kit/system/system.ts';

const [scout, clerk, stranger, blueprint] = [appId('scout'), appId('clerk'), appId('stranger'), appId('agents')];
const scoutUser = 'scout@contoso.test';
let system: System;
/** A person's token for the blueprint. */
let assertion: string;

before(async () => {
  system = await openSystem({
    name: 'broker-agents',
    brokers: 3,
    // Else two tokens of one second are the same.
    signing: 'each',
    scopes: [agentScope],
    clients: (usual) => ({
      ...usual,
      // An operator's mistake: an agent whose blueprint the client is not.
      assistant: { ...usual.assistant, agents: [...usual.assistant.agents, stranger] },
    }),
  });
  assertion = String((await system.exchange(0, await system.signIn('alice'), agentScope)).body.access_token);
});
after(() => system.close());

const ask = (broker: number, agent: string, form: Record<string, string>) =>
  system.post(broker, '/oauth2/token', { agent, ...form }, 'assistant');
type Ask = (broker: number, agent?: string) => Promise<BrokerResponse>;
const asItself: Ask = (broker, agent = scout) =>
  ask(broker, agent, { grant_type: 'client_credentials', scope: appScope });
const onBehalf: Ask = (broker, agent = scout) =>
  ask(broker, agent, {
    ...{ grant_type: grants.jwtBearer, requested_token_use: 'on_behalf_of', assertion, scope: apiScope },
  });
const asUser = (broker: number, agent = scout, username = scoutUser) =>
  ask(broker, agent, { grant_type: 'user_fic', username, scope: apiScope });
const flows: Record<string, Ask> = { 'for itself': asItself, 'on behalf': onBehalf, 'as its user': asUser };

const revoke = (agent: string) =>
  system.post(1, '/sessions/end', { tid: tenantId, agent }, 'operator').then(({ body }) => body);

type Count = { grant: string; client: string; outcome: string; count: number };
/** How often Entra was asked by this grant and client. */
async function calls(grant: string, client: string): Promise<number> {
  const { counts } = (await system.admin('GET', '/counters')) as { counts: Count[] };
  const found = counts.filter((one) => one.grant === grant && one.client === client);
  return found.reduce((sum, { count }) => sum + count, 0);
}
const told = ({ status, body }: BrokerResponse) => [status, body.error, body.error_description];

describe('an agent of three brokers', () => {
  it('has its credential and each token acquired once for 100 callers of each flow at once', async () => {
    await system.admin('DELETE', '/counters');
    await system.admin('PUT', '/faults', [{ match: { path: '/token' }, delayMs: 500 }]);
    const asked = Object.values(flows).flatMap((get) => Array.from({ length: 100 }, (_, i) => get(i % 3)));
    const responses = await Promise.all(asked);
    await system.admin('DELETE', '/faults');
    const wrong = responses.filter(({ status }) => status !== 200);
    assert.deepEqual(wrong.map(told).slice(0, 3), []);
    assert.equal(new Set(responses.map(({ body }) => body.access_token)).size, 3);
    record('agents, 300 callers: calls for the credential', await calls('client_credentials', 'agents'));
    // One for its token, one for the token by which it becomes its user.
    record('agents, 300 callers: calls for itself', await calls('client_credentials', 'scout'));
    record('agents, 300 callers: calls on behalf', await calls('on_behalf_of', 'scout'));
    record('agents, 300 callers: calls as its user', await calls('user_fic', 'scout'));
    const [own, person, user] = await Promise.all(
      Object.values(flows).map(async (get) => decodeJwt(String((await get(2)).body.access_token))),
    );
    for (const claims of [own, person, user]) {
      assert.deepEqual([claims?.azp, claims?.xms_par_app_azp], [scout, blueprint]);
    }
    assert.deepEqual([own?.idtyp, own?.roles, own?.scp], ['app', ['Reports.Read'], '/']);
    assert.deepEqual([person?.oid, person?.scp], [system.emulator.ids.users.alice, 'access_as_user']);
    assert.deepEqual([user?.oid, user?.xms_sub_fct], [system.emulator.ids.users.scout, '1 13']);
  });

  it('is served its own tokens and no other agent’s', async () => {
    for (const get of [asItself, onBehalf]) {
      const claims = decodeJwt(String((await get(0, clerk)).body.access_token));
      assert.equal(claims.azp, clerk);
    }
  });

  it('loses everything at all brokers when an operator revokes it, and no other agent does', async () => {
    const before = await Promise.all(Object.values(flows).map(async (get) => (await get(0)).body.access_token));
    const others = (await asItself(2, clerk)).body.access_token;
    assert.deepEqual(await revoke(scout), { ended: 0 });
    await system.admin('DELETE', '/counters');
    await system.until(async () => (await asItself(2)).body.access_token !== before[0]);
    for (const [i, get] of Object.values(flows).entries()) {
      for (const broker of [0, 1, 2]) assert.notEqual((await get(broker)).body.access_token, before[i]);
    }
    assert.equal(await calls('client_credentials', 'agents'), 1, 'with a new credential');
    assert.equal((await asItself(2, clerk)).body.access_token, others);
    assert.deepEqual(await system.immortalKeys(), []);
  });

  it('has nothing more on behalf of a person who has signed out, nor as a user who was revoked', async () => {
    const { oid, tid } = decodeJwt<{ oid: string; tid: string }>(assertion);
    await system.post(0, '/sessions/end', { tid, oid }, 'operator');
    const ended = 'The person has signed out since this assertion was issued.';
    for (const broker of [0, 1, 2]) {
      await system.until(async () => (await onBehalf(broker)).status !== 200);
      assert.deepEqual(told(await onBehalf(broker)), [400, 'invalid_grant', ended]);
    }
    const user = system.emulator.ids.users.scout ?? '';
    const before = (await asUser(0)).body.access_token;
    await system.admin('POST', `/users/${scoutUser}/disable`);
    await system.post(0, '/sessions/end', { tid: tenantId, oid: user }, 'operator');
    await system.until(async () => (await asUser(2)).status !== 200);
    const response = await asUser(1);
    assert.deepEqual(told(response), [400, 'invalid_grant', 'The account was revoked or disabled.']);
    assert.notEqual(response.body.access_token, before);
    await system.admin('POST', `/users/${scoutUser}/enable`);
  });

  for (const [what, get, expected, codes] of [
    [
      'of another blueprint',
      () => asItself(0, stranger),
      [500, 'server_error', 'Something went wrong on our side.'],
      undefined,
    ],
    [
      'as the user of nobody',
      () => asUser(0, clerk, 'nobody@contoso.test'),
      [400, 'invalid_grant', 'The account was revoked or disabled.'],
      [50034],
    ],
    [
      'as a user of another tenant',
      () => asUser(1, clerk, 'fay@fabrikam.test'),
      [400, 'invalid_grant', 'The account was revoked or disabled.'],
      [50034],
    ],
    [
      'as a person',
      () => asUser(2, clerk, 'bob@contoso.test'),
      [400, 'invalid_grant', 'Entra ID does not take this assertion.'],
      [700213],
    ],
    [
      "as another agent's user",
      () => asUser(0, clerk, scoutUser),
      [400, 'invalid_grant', 'Entra ID does not take this assertion.'],
      [700213],
    ],
  ] as const) {
    const [status, error] = expected;
    it(`${what} is refused: ${status} ${error}`, async () => {
      const response = await get();
      assert.deepEqual([told(response), response.body.error_codes], [expected, codes]);
      assert.equal((await asItself(0, clerk)).status, 200, 'which harms no other request');
    });
  }

  it('that is disabled at Entra ID is refused when its token ends, and others go on', async () => {
    await system.admin('PATCH', '/apps/scout', { accountEnabled: false });
    await revoke(scout);
    await system.until(async () => (await asItself(0)).status !== 200);
    assert.deepEqual(told(await asItself(1)), [500, 'server_error', 'Something went wrong on our side.']);
    assert.equal((await asItself(1, clerk)).status, 200);
  });
});
