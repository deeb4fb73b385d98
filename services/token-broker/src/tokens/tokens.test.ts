import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { Fault } from '@onbehalf/node/core/fault';
import { faultOf } from '@onbehalf/node/core/fault.fake';
import { refusal } from '../entra/entra.fake.ts';
import type { Refusal } from '../entra/entra-errors.ts';
import { refusalSeconds } from '../lifetimes.ts';
import { openPods, openSignedIn, type Pods, readScope, settled, tenantId, web, writeScope } from './pods.fake.ts';

type Pod = Pods['first'];
const retryAfter = async (work: Promise<unknown>): Promise<number> => {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  assert.ok(error instanceof Fault && error.retryAfterSeconds !== undefined, `${error}`);
  return error.retryAfterSeconds;
};

/** What a caller repeats to get the same token again, by grant. */
const grants: [string, (pods: Pods) => Promise<(pod: Pod, claims?: string) => Promise<string>>][] = [
  [
    'token exchange',
    async (pods) => {
      const token = await pods.first.signIn(randomUUID());
      return (pod, claims) => pod.exchange(token, readScope, claims);
    },
  ],
  [
    'on behalf of',
    async (pods) => {
      const assertion = pods.makeAssertion(randomUUID());
      return (pod, claims) => pod.onBehalfOf(assertion, readScope, claims);
    },
  ],
  ['client credentials', async () => (pod, claims) => pod.appToken(claims)],
];

async function openGrant(name: string, options?: Parameters<typeof openPods>[0]) {
  const pods = openPods(options);
  const [, prepare] = grants.find(([one]) => one === name) ?? [];
  const get = await prepare?.(pods);
  assert.ok(get);
  pods.entra.reset();
  return { pods, get };
}

describe('the limit of a session', () => {
  it('counts equal exchanges under way at once as one, and each that memory serves', async () => {
    const { pods, token: session } = await openSignedIn();
    const ask = (scope: string, times: number) =>
      Promise.all(Array.from({ length: times }, () => pods.first.exchange(session, scope)));
    await ask(readScope, 300);
    assert.equal(pods.counts.exchanges, 1);
    await ask(readScope, 5);
    assert.equal(pods.counts.exchanges, 6);
    await Promise.all([ask(readScope, 1), ask(writeScope, 100)]);
    assert.equal(pods.counts.exchanges, 8, 'another scope is another exchange');
  });
});

for (const [name] of grants) {
  describe(`a token by ${name}`, () => {
    it('is acquired once for a hundred concurrent callers', async () => {
      const { pods, get } = await openGrant(name);
      const tokens = await Promise.all(Array.from({ length: 100 }, () => get(pods.first)));
      assert.equal(new Set(tokens).size, 1);
      assert.equal(pods.entra.calls.length, 1);
      assert.deepEqual(pods.keys('lease'), []);
    });

    it('is acquired once over two pods, a hundred callers each', async () => {
      const { pods, get } = await openGrant(name, { pods: 2 });
      const asked = Promise.all(Array.from({ length: 200 }, (_, i) => get(pods.all[i % 2] ?? pods.first)));
      const tokens = await asked;
      assert.equal(new Set(tokens).size, 1);
      assert.equal(pods.entra.calls.length, 1);
      assert.deepEqual(pods.keys('lease'), []);
    });

    it('is acquired once in whatever order the pods come forward', async () => {
      for (let seed = 1; seed <= 40; seed += 1) {
        const { pods, get } = await openGrant(name, { pods: 2 });
        const ask = (pod: Pod) => () => get(pod);
        const tokens = await pods.interleave(
          seed,
          ask(pods.first),
          ask(pods.second),
          ask(pods.first),
          ask(pods.second),
        );
        assert.equal(new Set(tokens).size, 1, `seed ${seed}: ${tokens}`);
        assert.equal(pods.entra.calls.length, 1, `seed ${seed}`);
        assert.deepEqual(pods.keys('lease'), []);
      }
    });

    it('comes from memory without a look at the store, else by one read of it', async () => {
      const { pods, get } = await openGrant(name, { pods: 2 });
      const acquired = await get(pods.first);
      const operations: string[] = [];
      pods.watch.step = async (when, operation) => void (when === 'before' && operations.push(operation));
      assert.equal(await get(pods.first), acquired);
      assert.deepEqual(operations, []);
      assert.equal(await get(pods.second), acquired);
      assert.deepEqual(
        operations.filter((one) => one !== 'get'),
        ['readRecord'],
      );
      assert.equal(pods.entra.calls.length, 1);
    });

    it('is served while it has more than 300 s left, and acquired anew after', async () => {
      const { pods, get } = await openGrant(name);
      const acquired = await get(pods.first);
      pods.entra.responses.refresh =
        pods.entra.responses.onBehalfOf =
        pods.entra.responses.appToken =
          () => refusal('scope');
      pods.advance(3_299);
      assert.equal(await get(pods.first), acquired);
      await settled();
      pods.entra.refuse();
      pods.advance(61);
      assert.notEqual(await get(pods.first), acquired);
    });

    for (const outage of ['transient', 'throttled', 'credential'] as const) {
      it(`is served while Entra is ${outage}, to its last minute, but never with claims`, async () => {
        const { pods, get } = await openGrant(name, { pods: 2 });
        const claims = '{"access_token":{}}';
        const acquired = await get(pods.first);
        await get(pods.first, claims);
        pods.entra.refuse(outage);
        const error = ({ transient: 'unavailable', throttled: 'throttled', credential: 'server_error' } as const)[
          outage
        ];
        pods.advance(3_540);
        assert.equal(await get(pods.first), acquired);
        assert.equal(await get(pods.second), acquired, 'also by who has it not in memory');
        await assert.rejects(get(pods.first, claims), faultOf(error));
        pods.advance(1);
        await assert.rejects(get(pods.first), faultOf(error));
      });
    }

    it('is not served in its last minutes where Entra refuses a new one for good', async () => {
      const { pods, get } = await openGrant(name);
      await get(pods.first);
      pods.advance(3_400);
      for (const [refused, error] of [
        ['interaction', 'interaction_required'],
        ['scope', 'invalid_scope'],
        ['sign_in', 'login_required'],
      ] as const) {
        pods.entra.refuse(refused);
        await assert.rejects(get(pods.first), faultOf(error));
        pods.advance(61);
      }
    });

    it('is refreshed though another of the same person is', async () => {
      const { pods, get } = await openGrant(name);
      const claims = '{"access_token":{}}';
      for (const asked of [undefined, claims]) await get(pods.first, asked);
      pods.advance(2_900);
      for (const asked of [undefined, claims]) await get(pods.first, asked);
      await settled();
      assert.equal(pods.entra.calls.length, 4);
    });

    it('is refreshed behind who has it not in memory, too', async () => {
      const { pods, get } = await openGrant(name, { pods: 2 });
      const acquired = await get(pods.first);
      pods.advance(2_900);
      assert.equal(await get(pods.second), acquired);
      await settled();
      assert.equal(pods.entra.calls.length, 2);
    });

    it('is refreshed behind its callers, once, and by nobody who finds that done', async () => {
      const { pods, get } = await openGrant(name, { pods: 2 });
      const acquired = await get(pods.first);
      assert.equal(await get(pods.second), acquired);
      pods.advance(2_900);
      let open = () => {};
      pods.entra.gate = () =>
        new Promise((resolve) => {
          open = resolve;
        });
      const during = await Promise.all(Array.from({ length: 50 }, (_, i) => get(pods.all[i % 2] ?? pods.first)));
      assert.deepEqual(new Set(during), new Set([acquired]), 'nobody waits');
      await settled();
      assert.equal(pods.entra.calls.length, 2);
      open();
      await settled();
      const after = await get(pods.first);
      assert.notEqual(after, acquired);
      await get(pods.second);
      await settled();
      assert.equal(pods.entra.calls.length, 2);
    });

    it('is served on when the refresh fails', async () => {
      const { pods, get } = await openGrant(name);
      const acquired = await get(pods.first);
      pods.advance(2_900);
      for (const refused of ['transient', 'interaction', 'sign_in', 'configuration'] as const) {
        pods.entra.refuse(refused);
        assert.equal(await get(pods.first), acquired);
        await settled();
        assert.equal(await get(pods.first), acquired);
      }
    });

    it('is given though it cannot be kept', async () => {
      const { pods, get } = await openGrant(name);
      if (name === 'token exchange') await get(pods.first, '{"a":1}');
      pods.entra.gate = async () => {
        pods.watch.away = true;
      };
      assert.ok(await get(pods.first));
      pods.entra.gate = async () => {};
      pods.watch.away = false;
      // The lease could not be given back either.
      pods.advance(3.1);
      assert.ok(await get(pods.first));
      assert.deepEqual(pods.keys('lease'), []);
    });

    it('is acquired once per pod and given unsaved while the store is full, and the old one is served', async () => {
      const { pods, get } = await openGrant(name, { pods: 2 });
      const kept = await get(pods.second, '{"kept":1}');
      pods.watch.full = true;
      const tokens = await Promise.all(Array.from({ length: 20 }, () => get(pods.first)));
      assert.equal(new Set(tokens).size, 1);
      assert.equal(pods.entra.calls.length, 2);
      assert.equal(await get(pods.first, '{"kept":1}'), kept);
      pods.watch.full = false;
      const saved = await get(pods.first);
      assert.equal(await get(pods.second), saved);
    });

    it('is refused as Entra said, though that cannot be remembered', async () => {
      const { pods, get } = await openGrant(name);
      for (const [refused, error] of [
        ['interaction', 'interaction_required'],
        ['throttled', 'throttled'],
      ] as const) {
        pods.entra.refuse(refused);
        pods.entra.gate = async () => {
          pods.watch.away = true;
        };
        await assert.rejects(get(pods.first), faultOf(error));
        pods.watch.away = false;
        pods.advance(3.1);
      }
    });

    it('is not acquired while the store is away', async () => {
      const { pods, get } = await openGrant(name);
      pods.watch.away = true;
      await assert.rejects(get(pods.first), faultOf('unavailable'));
      assert.equal(pods.entra.calls.length, 0);
    });

    it('is acquired anew when its record does not open, and that harms nobody', async () => {
      const { pods, get } = await openGrant(name, { pods: 2 });
      await get(pods.first);
      const operations = pods.store.readRecord;
      pods.store.readRecord = async (...args) => {
        const record = await operations(...args);
        return record && Buffer.concat([record.subarray(0, -1), Buffer.of((record.at(-1) ?? 0) ^ 1)]);
      };
      const readPartition = pods.store.readPartition;
      pods.store.readPartition = async (...args) => ({
        ...(await readPartition(...args)),
        records: [Buffer.from('x')],
      });
      assert.ok(await get(pods.second));
      assert.equal(pods.entra.calls.length, 2);
    });

    it('gives its lease back whatever happens', async () => {
      const { pods, get } = await openGrant(name);
      for (const refused of ['transient', 'interaction', 'configuration'] as const) {
        pods.advance(100_000 / 3_600);
        pods.entra.refuse(refused);
        await assert.rejects(get(pods.first, `{"${refused}":1}`));
        assert.deepEqual(pods.keys('lease'), []);
      }
    });
  });
}

describe('a refusal', () => {
  it('is remembered and shared: interaction and consent 30 s, scope 60 s', async () => {
    for (const [refused, seconds, error] of [
      ['interaction', 30, 'interaction_required'],
      ['consent', 30, 'consent_required'],
      ['scope', 60, 'invalid_scope'],
    ] as const) {
      const { pods, token } = await openSignedIn({ pods: 2 });
      pods.entra.reset();
      pods.entra.responses.refresh = () =>
        refusal(refused, { members: { claims: '{"a":1}', error_codes: [1], correlation_id: 'c' } });
      for (let i = 0; i < 6; i += 1) {
        await assert.rejects(
          (pods.all[i % 2] ?? pods.first).exchange(token),
          faultOf(error, (fault) => {
            assert.deepEqual([fault.members.claims, fault.members.error_codes], ['{"a":1}', [1]]);
            if (refused === 'consent') assert.equal(fault.members.scope, readScope);
          }),
        );
      }
      assert.equal(pods.entra.calls.length, 1);
      await assert.rejects(pods.first.exchange(token, writeScope), faultOf(error));
      assert.equal(pods.entra.calls.length, 2, 'of these scopes only');
      pods.advance(seconds + 1);
      await assert.rejects(pods.second.exchange(token), faultOf(error));
      assert.equal(pods.entra.calls.length, 3);
    }
  });

  it('is voided by a new sign-in', async () => {
    for (const refused of ['interaction', 'consent', 'sign_in'] as const) {
      const { pods, person, token } = await openSignedIn({ pods: 2 });
      pods.entra.responses.refresh = () => refusal(refused);
      await assert.rejects(pods.first.exchange(token));
      pods.entra.responses.refresh = undefined;
      await assert.rejects(pods.second.exchange(token));
      const next = await pods.first.signIn(person);
      assert.ok(await pods.second.exchange(next));
    }
  });

  it("of a guest is voided by their sign-in, though the assertion names another account than their home's", async () => {
    const pods = openPods({ pods: 2 });
    const guest = randomUUID();
    pods.entra.homes.set(guest, `${randomUUID()}.${randomUUID()}`);
    const assertion = pods.makeAssertion(guest);
    pods.entra.responses.onBehalfOf = () => refusal('consent');
    await assert.rejects(pods.first.onBehalfOf(assertion), faultOf('consent_required'));
    pods.entra.responses.onBehalfOf = undefined;
    await pods.first.signIn(guest);
    assert.ok(await pods.second.onBehalfOf(pods.makeAssertion(guest, -1)));
    assert.ok(await pods.second.onBehalfOf(assertion));
  });

  it('to wait is kept by all pods; Retry-After falls; others are not held up', async () => {
    const pods = openPods({ pods: 2 });
    const [alice, bob] = [await pods.first.signIn(randomUUID()), await pods.first.signIn(randomUUID())];
    const cached = await pods.first.exchange(alice, writeScope);
    pods.entra.reset();
    pods.entra.responses.refresh = () => refusal('throttled', { retryAfterSeconds: 30 });
    assert.equal(await retryAfter(pods.first.exchange(alice)), 30);
    pods.entra.responses.refresh = undefined;
    pods.advance(10);
    assert.equal(await retryAfter(pods.second.exchange(alice)), 20);
    assert.equal(await retryAfter(pods.second.exchange(alice, readScope, '{"a":1}')), 20, 'with claims too');
    assert.equal(pods.entra.calls.length, 1);
    assert.equal(await pods.second.exchange(alice, writeScope), cached);
    assert.ok(await pods.second.exchange(bob));
    pods.advance(19.5);
    assert.equal(await retryAfter(pods.second.exchange(alice)), 1);
    pods.advance(0.6);
    assert.ok(await pods.second.exchange(alice));
  });

  it('to wait without a time is kept for 60 s, a loop for 60, 120, 240, 300 s', async () => {
    const { pods, token } = await openSignedIn();
    pods.entra.responses.refresh = () => refusal('throttled');
    for (let i = 0; i < 3; i += 1) {
      assert.equal(await retryAfter(pods.first.exchange(token)), 60);
      pods.advance(61);
    }
    pods.entra.responses.refresh = () => refusal('throttled', { members: { error_codes: [50196] } });
    for (const seconds of [60, 120, 240, 300, 300]) {
      assert.equal(await retryAfter(pods.first.exchange(token, writeScope)), seconds);
      pods.advance(seconds + 1);
    }
  });

  it('by an outage backs off: 5, 10, 20, 40, 60 s, and begins anew after a success', async () => {
    const { pods, token } = await openSignedIn({ pods: 2, idleSeconds: 40_000 });
    pods.entra.responses.refresh = () => refusal('transient');
    for (const [i, seconds] of [5, 10, 20, 40, 60, 60].entries()) {
      assert.equal(await retryAfter(pods.all[i % 2]?.exchange(token) ?? Promise.resolve()), seconds);
      pods.advance(seconds + 0.1);
    }
    pods.entra.responses.refresh = undefined;
    await pods.first.exchange(token);
    pods.advance(3_400);
    pods.entra.responses.refresh = () => refusal('transient');
    pods.advance(200);
    assert.equal(await retryAfter(pods.first.exchange(token)), 5);
  });

  it('is remembered whatever its class: thirty requests like it are one call, until its time is over', async () => {
    for (const [refused, seconds] of Object.entries(refusalSeconds) as [Refusal['class'], number][]) {
      const pods = openPods({ pods: 2 });
      const assertion = pods.makeAssertion(randomUUID());
      pods.entra.responses.onBehalfOf = () => refusal(refused);
      for (let i = 0; i < 30; i += 1) await assert.rejects((pods.all[i % 2] ?? pods.first).onBehalfOf(assertion));
      assert.equal(pods.entra.calls.length, 1, refused);
      pods.entra.responses.onBehalfOf = undefined;
      pods.advance(seconds + 0.1);
      assert.ok(await pods.first.onBehalfOf(assertion), refused);
    }
  });

  it('to wait counts by itself: what else came before makes no first loop, throttling or outage a later one', async () => {
    const { pods, token } = await openSignedIn({ idleSeconds: 40_000 });
    const loop = () => refusal('throttled', { members: { error_codes: [50196] } });
    const rows = [
      [() => refusal('throttled'), 60],
      [() => refusal('transient'), 5],
      [loop, 60],
      [() => refusal('transient'), 5],
      [() => refusal('transient'), 10],
      [loop, 120],
      [() => refusal('throttled'), 60],
      [loop, 240],
    ] as const;
    for (const [i, [response, seconds]] of rows.entries()) {
      pods.entra.responses.refresh = response;
      assert.equal(await retryAfter(pods.first.exchange(token)), seconds, `response ${i + 1}`);
      pods.advance(seconds + 0.1);
    }
  });

  it('to wait longer is not cut short by one that was under way with it', async () => {
    const { pods, token } = await openSignedIn({ pods: 2 });
    const responses = [refusal('throttled', { retryAfterSeconds: 90 }), refusal('transient')];
    const opened: (() => void)[] = [];
    pods.entra.gate = () => new Promise((resolve) => void opened.push(resolve));
    pods.entra.responses.refresh = () => responses.shift() ?? refusal('scope');
    const asked = [pods.first.exchange(token), pods.second.exchange(token, readScope, '{"a":1}')];
    await settled();
    for (const [i, open] of opened.entries()) {
      open();
      await assert.rejects(asked[i] ?? Promise.resolve());
    }
    assert.equal(responses.length, 0);
    assert.equal(await retryAfter(pods.first.exchange(token)), 90);
  });

  it('of claims that change with every request takes a bounded place', async () => {
    const { pods, token } = await openSignedIn();
    pods.entra.responses.refresh = () => refusal('sign_in');
    for (let i = 0; i < 500; i += 1) {
      await assert.rejects(pods.first.exchange(token, readScope, `{"i":${i}}`), faultOf('login_required'));
    }
    assert.ok(pods.keys('throttle').length <= 64, `${pods.keys('throttle').length}`);
    assert.equal(pods.entra.calls.length, 501, 'and none is taken for another');
  });

  it('reaches every caller that waited for it', async () => {
    const { pods, token } = await openSignedIn();
    pods.entra.reset();
    pods.entra.responses.refresh = () => refusal('interaction');
    const all = await Promise.allSettled(Array.from({ length: 50 }, () => pods.first.exchange(token)));
    assert.ok(all.every(({ status }) => status === 'rejected'));
    assert.equal(pods.entra.calls.length, 1);
  });
});

describe('tokens', () => {
  it('serve exactly what was asked: person, scopes, claims', async () => {
    const pods = openPods({ pods: 2 });
    const people = Array.from({ length: 20 }, () => randomUUID());
    const sessions = await Promise.all(people.map((person) => pods.first.signIn(person)));
    const scopes = [readScope, writeScope, `${readScope} ${writeScope}`];
    const asked = Array.from({ length: 600 }, (_, i) => ({ who: (i * 7) % 20, scope: scopes[i % 3] ?? readScope, i }));
    await Promise.all(
      asked.map(async ({ who, scope, i }) => {
        const given = await pods.all[i % 2]?.exchange(
          sessions[who] ?? '',
          scope,
          i % 5 === 0 ? `{"i":${i % 2}}` : undefined,
        );
        assert.ok(given?.includes(`-${people[who]}.${tenantId}-${scope.replace(' ', ',')}-`), given);
      }),
    );
    const refreshed = pods.entra.calls.filter(({ method }) => method === 'refresh');
    assert.ok(refreshed.every(({ msal }) => msal?.startsWith('rt-')));
    for (const { msal, scopes: list } of refreshed) assert.ok(msal && list.length > 0);
  });

  it('do not depend on the order or number in which scopes are named', async () => {
    const { pods, token } = await openSignedIn();
    pods.entra.reset();
    const one = await pods.first.exchange(token, `${writeScope} ${readScope}`);
    assert.equal(await pods.first.exchange(token, ` ${readScope}  ${writeScope} ${readScope}`), one);
    assert.equal(pods.entra.calls.length, 1);
    assert.notEqual(await pods.first.exchange(token, readScope), one, 'a wider token does not serve');
  });

  it('of two scopes acquired at once are both kept, and the refresh token is one of theirs', async () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const { pods, token } = await openSignedIn({ pods: 2 });
      const [a, b] = await pods.interleave(
        seed,
        () => pods.first.exchange(token, readScope),
        () => pods.second.exchange(token, writeScope),
      );
      pods.entra.reset();
      assert.equal(await pods.second.exchange(token, readScope), a);
      assert.equal(await pods.first.exchange(token, writeScope), b);
      assert.equal(pods.entra.calls.length, 0);
      await pods.first.exchange(token, `${readScope} ${writeScope}`);
      assert.match(String(pods.entra.calls[0]?.msal), /^rt-[23]-/);
    }
  });

  it("of a holder that was overtaken give way to its successor's", async () => {
    const { pods, token } = await openSignedIn({ pods: 2 });
    const opened: (() => void)[] = [];
    pods.entra.gate = () => new Promise((resolve) => void opened.push(resolve));
    const overtaken = pods.first.exchange(token);
    await settled();
    pods.advance(3.1);
    const successor = pods.second.exchange(token);
    await settled();
    assert.equal(opened.length, 2);
    opened[1]?.();
    const newer = await successor;
    opened[0]?.();
    assert.equal(await overtaken, newer);
    assert.equal(await pods.first.exchange(token), newer);
  });

  it('swapped in the store do not open', async () => {
    const pods = openPods({ pods: 2 });
    const [alice, bob] = [await pods.first.signIn(randomUUID()), await pods.first.signIn(randomUUID())];
    const ofAlice = await pods.first.exchange(alice);
    const ofBob = await pods.first.exchange(bob);
    const [a = '', b = ''] = pods.keys('account');
    const { readRecord, readPartition } = pods.store;
    const other = (key: string) => (key === a ? b : a);
    pods.store.readRecord = (key, field) => readRecord(other(key), field);
    await assert.doesNotReject(pods.first.exchange(alice), 'memory is not touched');
    pods.store.readPartition = async (key, fields) => ({ ...(await readPartition(other(key), fields)) });
    await assert.rejects(pods.second.exchange(alice), faultOf('login_required'));
    await assert.rejects(pods.second.exchange(bob), faultOf('login_required'));
    pods.store.readRecord = readRecord;
    pods.store.readPartition = readPartition;
    assert.equal(await pods.second.exchange(alice), ofAlice);
    assert.equal(await pods.second.exchange(bob), ofBob);
  });

  it('are acquired with what the last sign-in left, and login_required when that does not open', async () => {
    const { pods, token } = await openSignedIn({ pods: 2 });
    const { readPartition } = pods.store;
    pods.store.readPartition = async (...args) => ({ ...(await readPartition(...args)), msal: Buffer.from('broken') });
    pods.entra.reset();
    await assert.rejects(pods.first.exchange(token), faultOf('login_required'));
    assert.equal(pods.entra.calls.length, 0);
    pods.store.readPartition = readPartition;
    assert.ok(await pods.first.exchange(token));
    assert.match(String(pods.entra.calls[0]?.msal), /^rt-1-/);
  });

  it('are not served in an outage of Entra when the store has them no more', async () => {
    const pods = openPods();
    const assertion = pods.makeAssertion(randomUUID());
    await pods.first.onBehalfOf(assertion);
    pods.advance(3_400);
    pods.entra.responses.onBehalfOf = () => refusal('transient');
    assert.ok(await pods.first.onBehalfOf(assertion));
    // As after a sign-out whose message was lost.
    for (const key of pods.keys('obo')) await pods.store.delete(key);
    await assert.rejects(pods.first.onBehalfOf(assertion), faultOf('unavailable'));
  });

  it('are not served from memory after the person left, on any pod', async () => {
    const { pods, token } = await openSignedIn({ pods: 2 });
    for (const pod of pods.all) await pod.exchange(token);
    await pods.first.broker.revoke(web, token);
    pods.watch.away = true;
    for (const pod of pods.all) await assert.rejects(pod.exchange(token));
  });
});

describe('what memory holds while nobody can say that it ended', () => {
  const claims = '{"a":1}';

  /** A person's tokens and an app's, in memory, and how the person leaves without a word on the channel. */
  async function openHeld() {
    const { pods, person, token } = await openSignedIn({ pods: 2 });
    const assertion = pods.makeAssertion(person);
    const gets: [string, () => Promise<string>][] = [];
    for (const asked of [undefined, claims]) {
      gets.push(['exchange', () => pods.first.exchange(token, readScope, asked)]);
      gets.push(['on behalf of', () => pods.first.onBehalfOf(assertion, readScope, asked)]);
    }
    const app = () => pods.first.appToken();
    for (const [, get] of gets) await get();
    await app();
    // What was just invalidated is not held in the same millisecond.
    pods.advance(1);
    for (const [, get] of gets) await get();
    pods.entra.reset();
    const { invalidate } = pods.store;
    const leave = async () => {
      pods.store.invalidate = async () => {};
      await pods.second.broker.revoke(web, token);
      pods.store.invalidate = invalidate;
    };
    return { pods, gets, app, leave };
  }

  it('is read again ten seconds after a channel fell silent, and not served to who left meanwhile', async () => {
    const { pods, gets, app, leave } = await openHeld();
    pods.watch.channel.down();
    await leave();
    pods.advance(10.001);
    for (const [name, get] of gets) await assert.rejects(get(), faultOf('invalid_grant'), name);
    assert.ok(await app());
    assert.deepEqual(pods.entra.calls, []);
  });

  it('is read again after a channel was away and is back: its word may have been missed', async () => {
    const { pods, gets, app, leave } = await openHeld();
    pods.watch.channel.down();
    await leave();
    pods.watch.channel.up();
    for (const [name, get] of gets.filter(([one]) => one !== 'exchange')) {
      await assert.rejects(get(), faultOf('invalid_grant'), name);
    }
    assert.ok(await app());
    assert.deepEqual(pods.entra.calls, []);
  });

  it('is read at most once in ten seconds while the channel is silent', async () => {
    const { pods, gets } = await openHeld();
    pods.watch.channel.down();
    pods.advance(10.001);
    const reads: string[] = [];
    pods.watch.step = async (when, operation) => void (when === 'before' && reads.push(operation));
    for (let i = 0; i < 5; i += 1) {
      for (const [, get] of gets) await get();
      pods.advance(1);
    }
    assert.equal(reads.filter((one) => one === 'readRecord').length, gets.length);
  });

  it('serves in its last minutes in an outage of the store, but not with claims', async () => {
    const { pods, gets, app } = await openHeld();
    pods.advance(3_280);
    pods.watch.channel.down();
    pods.watch.away = true;
    pods.advance(25);
    for (const [i, [name, get]] of gets.entries()) {
      if (i < 2) assert.ok(await get(), name);
      else await assert.rejects(get(), faultOf('unavailable'), name);
    }
    assert.ok(await app());
  });

  it("serves in an outage of the store for a minute, with claims too, and an app's to its end", async () => {
    const { pods, gets, app } = await openHeld();
    pods.watch.channel.down();
    pods.watch.away = true;
    for (const seconds of [0, 9, 2, 48]) {
      pods.advance(seconds);
      for (const [name, get] of gets) assert.ok(await get(), name);
    }
    pods.advance(2);
    for (const [name, get] of gets) await assert.rejects(get(), faultOf('unavailable'), name);
    pods.advance(3_000);
    assert.ok(await app());
    assert.deepEqual(pods.entra.calls, []);
  });
});
