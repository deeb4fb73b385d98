import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import { table } from '../../services/entra-emulator/src/requests/aadsts.ts';
import { readHashTag } from '../../services/token-broker/src/store/redis-keys.ts';
import { record } from '../../tools/run/figures.ts';
import { openRedisInspector } from '../kit/redis/inspector.ts';
import { openSystem } from '../kit/system/open.ts';
import { apiScope, consentedWeb, graphScope } from '../kit/system/registrations.ts';
import type { BrokerResponse } from '../kit/system/system.ts';

const others = 50;
/** Each of them needs a token so often: fifty at once are no load. */
const breakMs = 1_000;
const mallory = 'load00001@contoso.test';

/** What Entra may say to one person: each row of the table, and the word `invalid_client` for what is no client's fault. */
const provocations: object[] = [
  ...Object.keys(table).map((aadsts) => ({ aadsts: Number(aadsts) })),
  ...[650051, 650052, 650053, 650057, 7000112, 7000229, 7000999].map((aadsts) => ({ aadsts, error: 'invalid_client' })),
  ...[70021, 700211].flatMap((aadsts) =>
    ['invalid_request', 'unauthorized_client'].map((error) => ({ aadsts, error, suberror: null })),
  ),
  { status: 401, body: { error: 'invalid_client' } },
  { status: 503 },
  { abort: 'before' },
];

const system = await openSystem({
  name: 'broker-isolation',
  brokers: 3,
  people: others + 1,
  emulator: 'apart',
  seed: (usual) => consentedWeb(usual, [apiScope, graphScope]),
});
after(() => system.close());
const inspector = system.use(await openRedisInspector(system));

const claims = (n: number) => ({
  claims: JSON.stringify({ access_token: { nbf: { essential: true, value: `${n}` } } }),
});

/** One of the others: signs in now and then, and has tokens acquired at each broker in turn, until told to stop. */
async function live(number: number, stop: AbortSignal, refused: string[]): Promise<number> {
  let [requests, session] = [0, ''];
  const good = (answer: BrokerResponse, what: string): BrokerResponse => {
    requests += 1;
    if (answer.status !== 200) refused.push(`${what}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  };
  for (let turn = 0; !stop.aborted; turn += 1) {
    const broker = (number + turn) % 3;
    if (turn % 5 === 0) {
      const { fields } = await system.startSignIn(`load${String(number).padStart(5, '0')}`);
      session = String(good(await system.post(broker, '/oauth2/token', fields), 'signs in').body.access_token);
    }
    const acquired = good(await system.exchange(broker, session, apiScope, claims(turn)), 'exchanges');
    good(await system.onBehalfOf(broker, String(acquired.body.access_token)), 'on behalf of');
    await delay(breakMs);
  }
  return requests;
}

/** Until now nothing was refused her, so that Entra is asked and not remembered. */
async function forgetRefusals({ oid, tid }: { oid: string; tid: string }): Promise<void> {
  const throttleKeys = [
    inspector.redisKeys.account('web', `${oid}.${tid}`),
    inspector.redisKeys.oboThrottleKey('api', tid, oid),
  ];
  for (const throttleKey of throttleKeys) {
    for (const key of await system.keys(`throttle:${readHashTag(throttleKey).replace(/[{}]/g, '\\$&')}:*`)) {
      await system.redisCommand(['DEL', key]);
    }
  }
}

/** Whether Entra's answer to each of her grants is a refusal; gives how many were. */
async function provoke(then: object, broker: number): Promise<number> {
  const session = await system.signIn(mallory, broker);
  const acquired = await system.exchange(broker, session, apiScope, claims(Date.now()));
  const assertion = String(acquired.body.access_token);
  const { oid, tid } = decodeJwt<{ oid: string; tid: string }>(assertion);
  const { fields } = await system.startSignIn(mallory);
  let refusals = 0;
  for (const [grant, ask] of [
    ['authorization_code', () => system.post(broker, '/oauth2/token', fields)],
    ['on_behalf_of', () => system.onBehalfOf(broker, assertion)],
    ['refresh_token', () => system.exchange(broker, session, graphScope)],
  ] as const) {
    await forgetRefusals({ oid, tid });
    await system.admin('PUT', '/faults', [{ match: { path: '/token', user: mallory, grant }, then }]);
    const { status } = await ask();
    const [{ hits }] = (await system.admin('GET', '/faults')) as [{ hits: number }];
    assert.ok(hits > 0, `${JSON.stringify(then)}: Entra was not asked by ${grant}`);
    if (status !== 200) refusals += 1;
  }
  await system.admin('DELETE', '/faults');
  return refusals;
}

describe('one person whom Entra refuses in every way there is', () => {
  it('makes none of fifty others wait or be refused, who sign in and acquire tokens at all brokers', async (t) => {
    const stop = new AbortController();
    const refused: string[] = [];
    const lives = Array.from({ length: others }, (_, i) => live(i + 2, stop.signal, refused));
    let [provoked, requests] = [0, 0];
    try {
      for (const [i, then] of provocations.entries()) provoked += await provoke(then, i % 3);
    } finally {
      stop.abort();
      for (const count of await Promise.all(lives)) requests += count;
    }
    t.diagnostic(`${provoked} refusals of one person, ${requests} requests of ${others} others`);
    for (const one of refused.slice(0, 5)) t.diagnostic(one);
    record('every refusal of one person: provoked', provoked);
    record('every refusal of one person: requests of 50 others meanwhile', requests);
    record('every refusal of one person: requests of 50 others refused', refused.length);
  });
});
