import { strict as assert } from 'node:assert';
import { after, before, beforeEach, describe, it } from 'node:test';
import { openRig, type Rig } from '../rig.fake.ts';

describe('a fault', () => {
  let rig: Rig;
  before(async () => {
    rig = await openRig();
  });
  beforeEach(() => rig.admin('POST', '/reset'));
  after(() => rig.emulator.close());

  const form = (client = rig.job) => ({
    ...client,
    grant_type: 'client_credentials',
    scope: 'api://onbehalf-api/.default',
  });
  const raw = (client = rig.job) =>
    fetch(`${rig.authority}/oauth2/v2.0/token`, { method: 'POST', body: new URLSearchParams(form(client)) });
  const set = (...faults: object[]) => rig.admin('PUT', '/faults', faults);
  const outcomes = async () => {
    const { counts } = await rig.admin('GET', '/counters');
    return Object.fromEntries(
      counts
        .filter(({ endpoint }: { endpoint: string }) => endpoint === 'token')
        .map(({ outcome, count }: { outcome: string; count: number }) => [outcome, count]),
    );
  };

  it('throttles in a text, as reported of Entra, or in any body', async () => {
    await set({ then: { status: 429 } });
    const response = await raw();
    assert.deepEqual([response.status, response.headers.get('retry-after')], [429, '60']);
    assert.equal(await response.text(), 'Too Many Requests');
    await set({ then: { status: 503, retryAfter: 7, body: { any: 'thing' } } });
    const other = await raw();
    assert.deepEqual([other.status, other.headers.get('retry-after')], [503, '7']);
    assert.deepEqual(await other.json(), { any: 'thing' });
  });

  it('passes some requests first, takes so many, and counts its hits', async () => {
    await set({ skip: 1, count: 2, then: { status: 500, body: '' } });
    const statuses = [];
    for (let index = 0; index < 5; index += 1) statuses.push((await raw()).status);
    assert.deepEqual(statuses, [200, 500, 500, 200, 200]);
    assert.equal((await rig.admin('GET', '/faults'))[0].hits, 2);
    assert.deepEqual(await outcomes(), { ok: 3, fault: 2 });
  });

  it('takes its share by a generator that repeats itself', async () => {
    const run = async () => {
      await set({ rate: 0.5, then: { status: 500 } });
      const statuses = [];
      for (let index = 0; index < 20; index += 1) statuses.push((await raw()).status);
      return statuses;
    };
    const first = await run();
    assert.ok(first.includes(200) && first.includes(500));
    assert.deepEqual(await run(), first);
  });

  it('matches by path, grant, client, user and scope; the first one wins', async () => {
    const { refresh_token = '' } = await rig.tokens();
    const hit = async (match: object) => {
      await set({ match, then: { status: 418 } }, { match: { path: '/nothing' }, then: { status: 500 } });
      const url = `${rig.authority}/oauth2/v2.0/token`;
      const scope = 'api://onbehalf-api/access_as_user';
      const body = new URLSearchParams({ ...rig.web, grant_type: 'refresh_token', refresh_token, scope });
      return (await fetch(url, { method: 'POST', body })).status === 418;
    };
    for (const match of [
      ...[{}, { path: '/token' }, { grant: 'refresh_token' }, { client: 'web' }, { client: rig.ids.apps.web }],
      ...[
        { user: 'alice@contoso.test' },
        { user: rig.ids.users.alice },
        { scope: 'api://onbehalf-api/access_as_user' },
      ],
    ]) {
      assert.equal(await hit(match), true, JSON.stringify(match));
    }
    for (const match of [
      { path: '/authorize' },
      { grant: 'on_behalf_of' },
      { client: 'job' },
      { user: 'bob@contoso.test' },
    ]) {
      assert.equal(await hit(match), false, JSON.stringify(match));
    }
  });

  it('cuts the connection before, in the middle of, or after the work', async () => {
    for (const abort of ['before', 'mid-body', 'after']) {
      await set({ count: 1, then: { abort } });
      await assert.rejects(async () => (await raw()).text(), TypeError, abort);
      assert.equal((await raw()).status, 200);
    }
  });

  it('after the work, redeems the code and loses the response', async () => {
    const code = await rig.code();
    await set({ match: { grant: 'authorization_code' }, count: 1, then: { abort: 'after' } });
    await assert.rejects(rig.redeem(code), TypeError);
    assert.equal((await rig.redeem(code)).body.error_codes[0], 54005);
  });

  it('of latency alone delays, shows how many wait at once, and does not hold up the end', async () => {
    await set({ delayMs: 80 });
    const started = performance.now();
    await Promise.all([raw(), raw(), raw()]);
    assert.ok(performance.now() - started >= 79);
    assert.equal((await rig.admin('GET', '/counters')).maxConcurrent.client_credentials, 3);
    const other = await openRig();
    await other.admin('PUT', '/faults', [{ delayMs: 60_000 }]);
    const waiting = fetch(`${other.authority}/discovery/v2.0/keys`).catch(() => undefined);
    while ((await other.admin('GET', '/faults'))[0].hits === 0);
    await other.emulator.close();
    await waiting;
  });

  it('that is none is refused', async () => {
    for (const wrong of [{ then: { abort: 'sometimes' } }, { rate: 2 }, { when: 'now' }, { then: { status: 9 } }]) {
      await assert.rejects(set(wrong), /400/, JSON.stringify(wrong));
    }
    await assert.rejects(rig.admin('PUT', '/faults', 'text'), /400/);
  });
});
