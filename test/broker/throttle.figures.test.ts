import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { record } from '../../tools/run/figures.ts';
import { openRedisInspector } from '../kit/redis/inspector.ts';
import { openSystem } from '../kit/system/open.ts';
import { apiScope, appScope, consentedWeb, graphScope } from '../kit/system/registrations.ts';
import type { BrokerResponse } from '../kit/system/system.ts';

const brokers = [0, 1, 2];
const claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}';

type Effect = { status: number; error: string; remembered: boolean; active: boolean };
/** What each class of Entra's answers means, as `entra-answer.ts` has it. */
const effects = {
  throttled: { status: 429, error: 'temporarily_unavailable', remembered: true, active: true },
  transient: { status: 503, error: 'temporarily_unavailable', remembered: true, active: true },
  interaction: { status: 400, error: 'interaction_required', remembered: true, active: true },
  consent: { status: 400, error: 'consent_required', remembered: true, active: true },
  signIn: { status: 400, error: 'login_required', remembered: true, active: true },
  revoked: { status: 400, error: 'invalid_grant', remembered: true, active: false },
  scope: { status: 400, error: 'invalid_scope', remembered: true, active: true },
  configuration: { status: 500, error: 'server_error', remembered: true, active: true },
} satisfies Record<string, Effect>;
type Class = keyof typeof effects;
type Row = { says: string; is: Class; then: object };

const number = (is: Class, ...codes: number[]): Row[] =>
  codes.map((aadsts) => ({ says: `${aadsts}`, is, then: { aadsts, error: 'invalid_grant', suberror: null } }));
const word = (is: Class, ...words: string[]): Row[] =>
  words.map((error) => ({ says: error, is, then: { status: 400, body: { error } } }));
const suberror = (is: Class, ...words: string[]): Row[] =>
  words.map((one) => ({ says: one, is, then: { status: 400, body: { error: 'invalid_grant', suberror: one } } }));
/** As Entra also words what is about one user, tenant or scope. */
const invalidClient = (is: Class, ...codes: number[]): Row[] =>
  codes.map((aadsts) => ({ says: `invalid_client ${aadsts}`, is, then: { aadsts, error: 'invalid_client' } }));
const http = (is: Class, ...answers: { status: number; body?: unknown }[]): Row[] =>
  answers.map((then) => ({ says: JSON.stringify(then), is, then }));

/** What Entra may say to a refresh. */
const refreshRows: Row[] = [
  ...number('throttled', 50196, 90055),
  ...http('throttled', { status: 429 }, { status: 429, body: {} }, { status: 429, body: { error: 'invalid_grant' } }),
  ...number('transient', 50033, 70012, 90006, 90012, 90024, 90033, 90090),
  ...word('transient', 'temporarily_unavailable', 'server_error'),
  ...http('transient', { status: 500 }, { status: 502, body: '<html>' }, { status: 503, body: {} }),
  ...http('transient', { status: 504, body: { error: 'invalid_grant' } }, { status: 400, body: '<html>' }),
  ...http('transient', { status: 400, body: {} }, { status: 200, body: {} }, { status: 200, body: '' }),
  ...http('transient', { status: 200, body: { access_token: '', expires_in: 3_600 } }),
  { says: 'a reset', is: 'transient', then: { abort: 'before' } },
  { says: 'half an answer', is: 'transient', then: { abort: 'mid-body' } },
  ...number('interaction', 50055, 50072, 50074, 50076, 50078, 50079, 50097, 50105, 50129, 50131, 50158),
  ...number('interaction', 53000, 53001, 53002, 53003, 53004, 530032, 700020),
  ...word('interaction', 'interaction_required'),
  ...suberror('interaction', 'basic_action', 'additional_action', 'message_only', 'user_password_expired'),
  { says: 'any claims', is: 'interaction', then: { status: 400, body: { error: 'invalid_grant', claims } } },
  ...number('consent', 65001, 65004, 90008, 90094, 90095),
  ...suberror('consent', 'consent_required'),
  ...number('signIn', 50089, 70008, 70043, 700082),
  ...suberror('signIn', 'bad_token', 'token_expired'),
  ...word('signIn', 'login_required'),
  ...number('revoked', 50034, 50057, 50133, 50173),
  {
    says: 'any of several numbers',
    is: 'revoked',
    then: { status: 400, body: { error: 'invalid_grant', suberror: 'bad_token', error_codes: [70000, '50173'] } },
  },
  ...invalidClient('consent', 650051, 650052, 7000229),
  ...number('scope', 28000, 28003),
  ...invalidClient('scope', 650053),
  ...invalidClient('configuration', 7000112, 7000999),
  ...word('consent', 'invalid_scope'),
  ...word('scope', 'invalid_resource'),
  ...word('configuration', 'invalid_request', 'unauthorized_client', 'something_new'),
  { says: 'an unlisted number', is: 'signIn', then: { aadsts: 99999, error: 'invalid_grant', suberror: null } },
];

const faults: object[] = [];
let lastPerson = 0;

/** A person whom nothing was refused yet. */
const nobody = () => `load${String(++lastPerson).padStart(5, '0')}@contoso.test`;

/** From now on Entra answers this person so. Faults of others stay. */
async function arm(user: string, grant: string, fault: object): Promise<void> {
  faults.push({ match: { path: '/token', user, grant }, ...fault });
  await system.admin('PUT', '/faults', faults);
}

async function disarm(user: string): Promise<void> {
  const others = faults.filter((fault) => (fault as { match: { user: string } }).match.user !== user);
  faults.splice(0, Number.POSITIVE_INFINITY, ...others);
  await system.admin('PUT', '/faults', faults);
}

/** Token requests Entra saw for this person. */
async function callsFor(user: string, grant = 'refresh_token'): Promise<number> {
  const requests = (await system.admin('GET', '/requests')) as { user?: string; grant?: string }[];
  return requests.filter((one) => one.user === user && one.grant === grant).length;
}

const retryAfterOf = ({ headers }: BrokerResponse) => Number(headers.get('retry-after'));
const introspect = (token: string) => system.post(1, '/oauth2/introspect', { token });
function assertAnswer({ status, body, headers }: BrokerResponse, { is, says }: Row): void {
  const expected = effects[is];
  assert.deepEqual([status, body.error], [expected.status, expected.error], `${says}: ${JSON.stringify(body)}`);
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(headers.has('retry-after'), status === 429 || status === 503, says);
  assert.ok(body.trace_id);
}

const system = await openSystem({
  name: 'broker-throttle',
  brokers: 3,
  people: 200,
  seed: (usual) => consentedWeb(usual, [apiScope, graphScope]),
});
after(() => system.close());
const inspector = system.use(await openRedisInspector(system));

describe('what Entra refuses one person, three brokers', () => {
  it('ask once while it throttles, and serve everybody else and every stored token', async () => {
    const [throttled, other] = [nobody(), nobody()];
    const [session, others] = [await system.signIn(throttled), await system.signIn(other)];
    const held = await system.exchange(0, session, apiScope);
    await arm(throttled, 'refresh_token', { then: { status: 429, retryAfter: 60 } });
    const before = await callsFor(throttled);
    const storm = await Promise.all(Array.from({ length: 60 }, (_, i) => system.exchange(i % 3, session, graphScope)));
    for (const answer of storm) assertAnswer(answer, { says: 'the storm', is: 'throttled', then: {} });
    const told = storm.filter((answer) => retryAfterOf(answer) > 50 && retryAfterOf(answer) <= 60);
    record('429, Retry-After 60: of 60 callers, those told Retry-After', told.length);
    await disarm(throttled);
    let [last, unserved, refused] = [60, 0, 0];
    await system.until(async () => {
      const answer = await system.exchange(1, session, graphScope);
      assert.equal(answer.status, 429, 'the window is not over');
      assert.ok(retryAfterOf(answer) <= last, 'Retry-After falls');
      last = retryAfterOf(answer);
      for (const broker of brokers) {
        const stored = await system.exchange(broker, session, apiScope);
        if (stored.body.access_token !== held.body.access_token) unserved += 1;
        if ((await system.exchange(broker, others, graphScope)).status !== 200) refused += 1;
      }
      return last <= 58;
    });
    record(
      '429, Retry-After 60: further calls for that person inside the window',
      (await callsFor(throttled)) - before - 1,
    );
    record('429, Retry-After 60: stored tokens not served', unserved);
    record('429, Retry-After 60: other people refused', refused);
    assert.equal(
      (await system.onBehalfOf(2, String(held.body.access_token))).status,
      200,
      'another client has another throttle key',
    );
  });

  it('serve a token in its last minutes while no new one can be had, but not its last', async () => {
    for (const [access, then, status] of [
      [200, { status: 503 }, 200],
      [200, { status: 429 }, 200],
      [200, { aadsts: 50076 }, 400],
      [50, { status: 503 }, 503],
    ] as const) {
      const user = nobody();
      const session = await system.signIn(user);
      await system.admin('PUT', '/lifetimes', { access });
      const acquired = await system.exchange(0, session, apiScope);
      await system.admin('PUT', '/lifetimes', { access: 3_600 });
      await arm(user, 'refresh_token', { then });
      for (const broker of brokers) {
        const answer = await system.exchange(broker, session, apiScope);
        assert.equal(answer.status, status, `${access} s, ${JSON.stringify(then)}`);
        if (status !== 200) continue;
        assert.equal(answer.body.access_token, acquired.body.access_token);
        assert.ok(Number(answer.body.expires_in) <= access);
      }
      const demanding = await system.exchange(0, session, apiScope, { claims });
      assert.notEqual(demanding.status, 200, 'a claims challenge asks for another token');
    }
  });

  it('wait twice as long after each failure in a row', async (t) => {
    const user = nobody();
    const session = await system.signIn(user);
    await arm(user, 'refresh_token', { then: { status: 503 } });
    const first = await system.exchange(0, session, graphScope);
    assert.ok(first.status === 503 && retryAfterOf(first) <= 5, `${first.status} ${retryAfterOf(first)}`);
    let longest = 0;
    await system.until(async () => {
      const answers = await Promise.all(brokers.map((broker) => system.exchange(broker, session, graphScope)));
      assert.ok(answers.every(({ status }) => status === 503));
      longest = Math.max(...answers.map(retryAfterOf));
      return (await callsFor(user)) > 1;
    });
    await system.until(async () => {
      longest = Math.max(longest, retryAfterOf(await system.exchange(2, session, graphScope)));
      return longest > 5;
    });
    assert.equal(await callsFor(user), 2);
    assert.ok(longest > 5 && longest <= 11, `the second pause is ${longest} s`);
    t.diagnostic(`2 calls, the second pause is ${longest} s`);
  });

  it('refresh ahead behind their callers, once a back-off step while Entra cannot', async (t) => {
    // Acquired with 312 s to live, a token is a hit for 12 s, of which refresh_in opens all but the first.
    const user = nobody();
    const session = await system.signIn(user);
    await system.admin('PUT', '/lifetimes', { access: 312, refreshIn: 1 });
    const acquired = await system.exchange(0, session, apiScope);
    await system.admin('PUT', '/lifetimes', { access: 3_600, refreshIn: null });
    await arm(user, 'refresh_token', { then: { status: 503 }, delayMs: 500 });
    const before = await callsFor(user);
    const startedMs = performance.now();
    const ms: number[] = [];
    await system.until(async () => {
      const answers = await Promise.all(brokers.map((broker) => system.exchange(broker, session, apiScope)));
      for (const answer of answers) {
        assert.equal(answer.status, 200, JSON.stringify(answer.body));
        assert.equal(answer.body.access_token, acquired.body.access_token);
        ms.push(answer.ms);
      }
      return (await callsFor(user)) - before >= 2;
    });
    const elapsed = (performance.now() - startedMs) / 1_000;
    assert.ok(elapsed > 5, 'the second call came a back-off step after the first');
    const slowest = ms.sort((a, b) => a - b)[Math.floor(ms.length * 0.99)] ?? 0;
    assert.ok(slowest < 500, `p99 is ${slowest} ms while Entra takes 500`);
    t.diagnostic(`${ms.length} requests in ${elapsed.toFixed(1)} s, 0 failed, 2 calls, p99 ${slowest.toFixed(1)} ms`);
  });

  it(`answer ${refreshRows.length} refusals of a refresh, each by its class`, async () => {
    const work = async (row: Row) => {
      const user = nobody();
      const session = await system.signIn(user);
      await arm(user, 'refresh_token', { then: row.then });
      const expected = effects[row.is];
      const answer = await system.exchange(0, session, graphScope);
      assertAnswer(answer, row);
      if (row.is === 'consent') assert.equal(answer.body.scope, graphScope);
      const aadsts = (row.then as { aadsts?: number }).aadsts;
      if (aadsts && expected.status < 500) assert.deepEqual(answer.body.error_codes, [aadsts]);
      const again = await system.exchange(1, session, graphScope);
      assertAnswer(again, row);
      assert.equal(await callsFor(user), expected.remembered ? 1 : 2, `${row.says}: calls`);
      assert.equal((await introspect(session)).body.active, expected.active, `${row.says}: the session`);
    };
    const left = [...refreshRows];
    const worker = async () => {
      for (let row = left.shift(); row; row = left.shift()) await work(row);
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    const logs = system.brokers.map(({ child }) => readFileSync(child.logFile, 'utf8')).join('');
    assert.match(logs, /"event":"entra.unclassified"[^\n]*99999/, 'what no rule names is said');
  });

  it('hand claims on, and remember the demand until the person signs in anew', async () => {
    const user = nobody();
    const session = await system.signIn(user);
    await arm(user, 'refresh_token', { then: { aadsts: 50076, claims }, count: 1 });
    const demanded = await system.exchange(0, session, graphScope);
    assert.deepEqual([demanded.body.error, demanded.body.claims], ['interaction_required', claims]);
    assert.deepEqual([demanded.body.suberror, demanded.body.error_codes], ['basic_action', [50076]]);
    assert.ok(demanded.body.correlation_id);
    assert.equal((await system.exchange(1, session, apiScope)).status, 200, 'another token is another matter');
    for (const broker of brokers) {
      const again = await system.exchange(broker, session, graphScope);
      assert.deepEqual([again.body.error, again.body.claims], ['interaction_required', claims]);
    }
    assert.equal(await callsFor(user), 2, 'one call each for the two scopes');
    const anew = await system.signIn(user);
    assert.equal((await system.exchange(2, anew, graphScope)).status, 200);
    assert.equal((await system.exchange(2, session, graphScope)).status, 200, 'the older sign-in gains by it');
  });

  it('end every session of a person whom Entra revoked', async () => {
    const user = nobody();
    const [first, second] = [await system.signIn(user), await system.signIn(user)];
    const assertion = String((await system.exchange(0, first, apiScope)).body.access_token);
    assert.equal((await system.onBehalfOf(1, assertion)).status, 200);
    await system.admin('POST', `/users/${user}/revoke`);
    const refused = await system.exchange(0, first, graphScope);
    assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_grant']);
    assert.deepEqual(refused.body.error_codes, [50173]);
    for (const session of [first, second]) {
      for (const broker of brokers) {
        await system.until(
          async () => (await system.exchange(broker, session, apiScope)).body.error === 'invalid_grant',
        );
      }
      assert.equal((await introspect(session)).body.active, false);
    }
    await system.until(async () => (await system.onBehalfOf(2, assertion)).body.error === 'invalid_grant');
    const anew = await system.signIn(user);
    assert.equal((await system.exchange(0, anew, graphScope)).status, 200);
  });

  it('refuse a call on behalf of by its class, and keep the session', async () => {
    const assertionRows: [number, string][] = [
      [50013, 'invalid_grant'],
      [500131, 'invalid_grant'],
      [500133, 'invalid_grant'],
      [7000114, 'invalid_grant'],
      [99998, 'invalid_grant'],
      [50076, 'interaction_required'],
      [65001, 'consent_required'],
      [50196, 'temporarily_unavailable'],
      [90033, 'temporarily_unavailable'],
    ];
    for (const [aadsts, error] of assertionRows) {
      const user = nobody();
      const session = await system.signIn(user);
      const assertion = String((await system.exchange(0, session, apiScope)).body.access_token);
      await arm(user, 'on_behalf_of', { then: { aadsts, error: 'invalid_grant', suberror: null } });
      const answer = await system.onBehalfOf(0, assertion);
      assert.deepEqual([answer.body.error, answer.body.error_codes], [error, [aadsts]]);
      const key = inspector.redisKeys.obo('api', assertion);
      assert.equal(await inspector.type(key), 'none', `${aadsts}: nothing is kept of it`);
      assert.equal((await system.exchange(1, session, apiScope)).status, 200);
    }
  });

  it('refuse a code by its class, and start no session', async () => {
    for (const aadsts of [54005, 501481, 70008, 70000]) {
      const user = nobody();
      await arm(user, 'authorization_code', { then: { aadsts, error: 'invalid_grant', suberror: null } });
      const { fields } = await system.startSignIn(user);
      const answer = await system.post(0, '/oauth2/token', fields);
      assert.deepEqual([answer.status, answer.body.error], [400, 'invalid_grant'], `${aadsts}`);
      const replay = await system.post(1, '/oauth2/token', fields);
      assert.equal(replay.body.error, 'invalid_grant');
      assert.equal(await callsFor(user, 'authorization_code'), 1, 'a code is spent once, whatever came of it');
    }
  });

  it('throttle an app by its own account, for every process', async () => {
    faults.push({ match: { client: 'job', grant: 'client_credentials' }, then: { status: 429, retryAfter: 30 } });
    await system.admin('PUT', '/faults', faults);
    const ask = (broker: number) =>
      system.post(broker, '/oauth2/token', { grant_type: 'client_credentials', scope: appScope }, 'job');
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => ask(i % 3)));
    assert.ok(answers.every((answer) => answer.status === 429 && retryAfterOf(answer) > 20));
    assert.equal(await system.calls('client_credentials'), 1);
  });

  it('leave no key without a TTL', async () => {
    record('keys without an end after the throttling', (await system.immortalKeys()).length);
  });
});
