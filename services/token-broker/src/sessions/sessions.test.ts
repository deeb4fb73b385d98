import assert from 'node:assert/strict';
import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { Fault } from '@onbehalf/node/core/fault';
import { faultOf } from '@onbehalf/node/core/fault.fake';
import { makeAccount, refusal } from '../entra/entra.fake.ts';
import { api, openPods, openSignedIn, otherWeb, type Pods, settled, tenantId, web } from '../tokens/pods.fake.ts';
import { Tombstones } from './tombstone.ts';

const toHomeAccount = (person: string) => `${person}.${tenantId}`;
const toSid = (person: string) => `sid-${person}`;
const ended = async (pods: Pods, person: string) => {
  const tombstone = await pods.store.get(pods.redisKeys.ended(toHomeAccount(person)));
  return tombstone && JSON.parse(tombstone.toString()).standing;
};

/** Nothing of a person may be left but names that lead nowhere and the tombstone. */
function assertNothingLeft(pods: Pods): void {
  for (const kind of ['session', 'account', 'obo', 'sid']) assert.deepEqual(pods.keys(kind), [], kind);
}

describe('a session', () => {
  it('lives from its sign-in on, on every pod', async () => {
    const { pods, token } = await openSignedIn({ pods: 2 });
    assert.ok(await pods.second.isActive(token));
    assert.ok(await pods.second.exchange(token));
  });

  it("is another client's nothing", async () => {
    const { pods, token } = await openSignedIn();
    pods.advance(1_000);
    pods.watch.writes.splice(0);
    assert.equal(await pods.first.broker.introspect(otherWeb, token), undefined);
    await settled();
    assert.deepEqual(pods.watch.writes, [], 'it does not count as activity either');
    await pods.first.broker.revoke(otherWeb, token);
    assert.ok(await pods.first.isActive(token));
  });

  it('ends when it is idle for too long; use prolongs it', async () => {
    const pods = openPods({ pods: 2, idleSeconds: 600 });
    const [used, idle] = [await pods.first.signIn(randomUUID()), await pods.first.signIn(randomUUID())];
    for (let i = 0; i < 10; i += 1) {
      pods.advance(300);
      assert.ok(await pods.all[i % 2]?.isActive(used), `after ${i * 300} s`);
      await settled();
    }
    assert.equal(await pods.first.isActive(idle), false);
    await assert.rejects(pods.first.exchange(idle), faultOf('invalid_grant'));
    pods.advance(601);
    assert.equal(await pods.first.isActive(used), false);
    assertNothingLeft({
      ...pods,
      keys: (kind) => (kind === 'sid' ? [] : pods.keys(kind).filter((key) => (pods.watch.ttls().get(key) ?? 0) > 0)),
    });
  });

  it('is not called idle by a pod that has not heard of its use', async () => {
    const { pods, token } = await openSignedIn({ pods: 2, idleSeconds: 60 });
    pods.advance(52);
    assert.ok(await pods.second.isActive(token), 'the second pod holds it in memory');
    await settled();
    const late = openPods({ pods: 2, idleSeconds: 60 });
    const other = await late.first.signIn(randomUUID());
    late.watch.away = false;
    late.advance(5.9);
    assert.ok(await late.second.isActive(other), 'too early to be written as seen');
    late.advance(4);
    assert.ok(await late.second.isActive(other));
    await settled();
  });

  it('ends at its absolute end, however much it is used', async () => {
    const { pods, token } = await openSignedIn({ idleSeconds: 600, absoluteSeconds: 3_600 });
    for (let i = 0; i < 11; i += 1) {
      pods.advance(300);
      assert.ok(await pods.first.isActive(token));
      await settled();
    }
    pods.advance(300);
    assert.equal(await pods.first.isActive(token), false);
    await assert.rejects(pods.first.exchange(token), faultOf('invalid_grant'));
  });

  it('is looked for in the store every ten seconds, not more often', async () => {
    const { pods, token } = await openSignedIn();
    const operations: string[] = [];
    pods.watch.step = async (when, operation) => void (when === 'before' && operations.push(operation));
    assert.ok(await pods.first.isActive(token));
    pods.advance(9.999);
    assert.ok(await pods.first.isActive(token));
    assert.deepEqual(operations, []);
    pods.advance(0.001);
    assert.ok(await pods.first.isActive(token));
    assert.deepEqual(operations, ['get']);
  });

  it('that the store has lost is remembered by nobody who asked, in an outage neither', async () => {
    const { pods, token } = await openSignedIn();
    await pods.store.delete(String(pods.keys('session')[0]));
    pods.advance(11);
    assert.equal(await pods.first.isActive(token), false);
    pods.watch.away = true;
    await assert.rejects(pods.first.isActive(token), faultOf('unavailable'));
  });

  it('that the store loses while it is written as seen is remembered by nobody', async () => {
    const { pods, token } = await openSignedIn({ idleSeconds: 600 });
    pods.advance(60);
    let gets = 0;
    pods.watch.step = async (when, operation) => {
      if (when !== 'before' || operation !== 'get') return;
      gets += 1;
      if (gets === 2) await pods.store.delete(String(pods.keys('session')[0]));
    };
    assert.ok(await pods.first.isActive(token));
    await settled();
    assert.equal(gets, 2);
    assert.equal(await pods.first.isActive(token), false);
  });

  it('whose end broke off is ended by whoever asks for it', async () => {
    const { pods, token } = await openSignedIn({ pods: 2 });
    pods.watch.step = async (when, operation) => {
      if (when === 'before' && operation === 'closeSessions') pods.watch.away = true;
    };
    await assert.rejects(pods.first.broker.revoke(web, token), faultOf('unavailable'));
    pods.watch.step = undefined;
    pods.watch.away = false;
    assert.equal(pods.keys('account').length, 1);
    assert.equal(await pods.second.isActive(token), false);
    await settled();
    assertNothingLeft(pods);
  });

  it('ends though the store keeps its record for longer', async () => {
    const { pods, token } = await openSignedIn({ pods: 2, idleSeconds: 600 });
    const [key = ''] = pods.keys('session');
    await pods.store.set(key, (await pods.store.get(key)) ?? Buffer.of(), 86_400_000);
    pods.advance(600);
    for (const pod of pods.all) assert.equal(await pod.isActive(token), false);
  });

  it('that is used is sealed anew with its refresh token when another key is current', async () => {
    const { pods, token } = await openSignedIn({ pods: 2 });
    pods.ring.keys.set('k2', createSecretKey(randomBytes(32)));
    pods.ring.current = 'k2';
    assert.ok(await pods.second.isActive(token));
    await settled();
    pods.ring.keys.delete('k1');
    pods.advance(11);
    for (const pod of pods.all) assert.ok(await pod.exchange(token));
  });

  it('writes that it was seen at most once per tenth of the idle limit, off the path', async () => {
    const { pods, token } = await openSignedIn({ idleSeconds: 600 });
    pods.watch.writes.splice(0);
    for (let i = 0; i < 120; i += 1) {
      pods.advance(1);
      await Promise.all([pods.first.isActive(token), pods.first.isActive(token)]);
      await settled();
    }
    assert.equal(pods.watch.writes.filter((one) => one.startsWith('replace')).length, 2);
  });

  it('never comes twice: each sign-in gives a new token', async () => {
    const pods = openPods();
    const person = randomUUID();
    const [a, b] = [await pods.first.signIn(person), await pods.first.signIn(person)];
    assert.notEqual(a, b);
    assert.match(a, /^[\w-]{43}$/);
  });

  it('is kept until it idles, and what it is found by for as long as it may last', async () => {
    const { pods, token } = await openSignedIn({ idleSeconds: 600, absoluteSeconds: 3_600 });
    const lives = () =>
      ['session', 'account', 'user', 'sid'].map((kind) => pods.watch.ttls().get(pods.keys(kind)[0] ?? ''));
    assert.deepEqual(lives(), [600_000, 600_000, 3_600_000, 3_600_000]);
    pods.advance(60);
    await pods.first.isActive(token);
    await settled();
    assert.deepEqual(lives(), [600_000, 600_000, 3_540_000, 3_540_000]);
  });

  it('leaves no key without a TTL, in its life and after', async () => {
    const { pods, person, token } = await openSignedIn();
    await pods.first.exchange(token);
    await pods.first.onBehalfOf(pods.makeAssertion(person));
    await pods.first.appToken();
    pods.entra.responses.refresh = () => refusal('throttled');
    await assert.rejects(pods.first.exchange(token, 'api://api/write'), faultOf('throttled'));
    const check = () => {
      for (const [key, ttlMs] of pods.watch.ttls()) assert.ok(Number.isFinite(ttlMs) && ttlMs <= 43_200_000 * 3, key);
    };
    check();
    await pods.first.broker.revoke(web, token);
    check();
    for (const [key, ttlMs] of pods.watch.ttls()) assert.ok(!/session|account|obo|sid:/.test(key), `${key} ${ttlMs}`);
  });

  it('is carried through an outage by what memory holds, and not a second longer than the bound', async () => {
    const { pods, token } = await openSignedIn();
    assert.ok(await pods.first.isActive(token));
    pods.watch.away = true;
    pods.watch.channel.down();
    pods.advance(60);
    await assert.doesNotReject(pods.first.isActive(token));
    pods.advance(1);
    await assert.rejects(pods.first.isActive(token), faultOf('unavailable'));
    const stranger = await openPods().first.signIn(randomUUID());
    await assert.rejects(pods.first.isActive(stranger), faultOf('unavailable'));
  });

  it('is never called ended by an outage, though it looks idle from here', async () => {
    const { pods, token } = await openSignedIn({ idleSeconds: 60 });
    assert.ok(await pods.first.isActive(token));
    pods.advance(59);
    pods.watch.away = true;
    assert.ok(await pods.first.isActive(token));
    pods.advance(1);
    await assert.rejects(pods.first.isActive(token), faultOf('unavailable'), 'another pod may have seen it in use');
  });

  it('does not begin while the store is full; those that live go on, and end', async () => {
    const { pods, person, token } = await openSignedIn();
    pods.watch.full = true;
    await assert.rejects(pods.first.signIn(randomUUID()), faultOf('unavailable'));
    assert.ok(await pods.first.isActive(token));
    await pods.first.broker.revoke(web, token);
    assert.equal(await pods.first.isActive(token), false);
    assertNothingLeft(pods);
    assert.ok(await ended(pods, person), 'the tombstone takes no more room than what it follows');
  });

  it('is invalid_grant when its record does not open, and nothing breaks', async () => {
    const { pods, token } = await openSignedIn();
    const [key = ''] = pods.keys('session');
    const value = await pods.store.get(key);
    await pods.store.set(key, Buffer.concat([value ?? Buffer.of(), Buffer.of(0)]), 60_000);
    // The pod that signed in knows the session for as long as it need not look again.
    pods.advance(11);
    assert.equal(await pods.first.isActive(token), false);
    await assert.rejects(pods.first.exchange(token), faultOf('invalid_grant'));
    await pods.first.broker.revoke(web, token);
    assert.deepEqual(pods.keys('session'), [], 'nor at a pod that may still open it');
  });
});

describe('a sign-in', () => {
  const away = () => new Fault('unavailable', 'away');

  /** Fails the first operation of this name once. */
  function failOnce(pods: Pods, name: string): void {
    pods.watch.step = async (when, operation) => {
      if (when !== 'before' || operation !== name) return;
      pods.watch.step = undefined;
      throw away();
    };
  }

  for (const step of ['addMember', 'set', 'openSession']) {
    it(`gives no session where the store fails it: ${step}`, async () => {
      const pods = openPods();
      failOnce(pods, step);
      await assert.rejects(pods.first.signIn(randomUUID()), faultOf('unavailable'));
      assert.deepEqual(pods.keys('account'), []);
    });
  }

  it('strikes out the end that was proposed before it, or does not begin', async () => {
    const pods = openPods();
    const person = randomUUID();
    const { store, redisKeys } = pods;
    const tombstones = new Tombstones({ store, redisKeys, everybody: () => undefined, nowMs: () => pods.clock.ms });
    const propose = () =>
      assert.rejects(
        tombstones.add(toHomeAccount(person), 1_000, () => Promise.reject(away())),
        faultOf('unavailable'),
      );
    const proposed = async () => String(await store.get(redisKeys.ended(toHomeAccount(person)))).includes('proposed');
    await propose();
    await pods.first.signIn(person);
    assert.equal(await proposed(), false);
    await pods.first.broker.endPerson(api, tenantId, person);
    await propose();
    failOnce(pods, 'replace');
    await assert.rejects(pods.first.signIn(person), faultOf('unavailable'));
    await settled();
    assertNothingLeft(pods);
  });

  it('that is ended before its session stands in the account leaves nothing', async () => {
    const pods = openPods({ pods: 2 });
    const person = randomUUID();
    pods.watch.step = async (when, operation) => {
      if (when !== 'before' || operation !== 'openSession') return;
      pods.watch.step = undefined;
      assert.equal(await pods.second.broker.endBySid(web, toSid(person)), 1);
    };
    await assert.rejects(pods.first.signIn(person), faultOf('invalid_grant'));
    assertNothingLeft(pods);
  });
});

describe('sessions of one account', () => {
  it('are 20 at most; the oldest ends', async () => {
    const pods = openPods();
    // A store gives sessions in no order.
    const openSession = pods.store.openSession;
    pods.store.openSession = async (...args) => (await openSession(...args)).reverse();
    const person = randomUUID();
    const tokens: string[] = [];
    for (let i = 0; i < 25; i += 1) {
      tokens.push(await pods.first.signIn(person));
      pods.advance(1);
    }
    const alive = await Promise.all(tokens.map((token) => pods.first.isActive(token)));
    assert.deepEqual(
      alive,
      tokens.map((_, i) => i >= 5),
    );
    assert.equal(pods.keys('session').length, 20);
  });

  it('are 20 at most also when they begin in the same second, and the newest is among them', async () => {
    const pods = openPods({ perAccount: 3 });
    const person = randomUUID();
    // A store gives sessions in no order.
    const openSession = pods.store.openSession;
    pods.store.openSession = async (...args) => (await openSession(...args)).reverse();
    let last = '';
    for (let i = 0; i < 6; i += 1) last = await pods.first.signIn(person);
    assert.equal(pods.keys('session').length, 3);
    assert.ok(await pods.first.isActive(last));
  });

  it('share tokens; the last one takes the account and all on-behalf-of partitions along', async () => {
    const pods = openPods({ pods: 2 });
    const person = randomUUID();
    const [a, b] = [await pods.first.signIn(person), await pods.second.signIn(person)];
    const assertion = pods.makeAssertion(person);
    await pods.first.exchange(a);
    await pods.first.onBehalfOf(assertion);
    await pods.second.onBehalfOf(assertion);
    await pods.first.broker.revoke(web, a);
    assert.equal(await pods.second.isActive(a), false, 'the other pod knows at once');
    assert.ok(await pods.first.exchange(b));
    assert.equal(pods.keys('obo').length, 1);
    await pods.second.broker.revoke(web, b);
    assertNothingLeft(pods);
    await assert.rejects(pods.first.exchange(b), faultOf('invalid_grant'));
    for (const pod of pods.all) await assert.rejects(pod.onBehalfOf(assertion), faultOf('invalid_grant'));
    assertNothingLeft(pods);
  });

  it("end together by one of them; another client's stay", async () => {
    const pods = openPods();
    const person = randomUUID();
    const [a, b] = [await pods.first.signIn(person), await pods.first.signIn(person)];
    const other = await pods.first.signIn(person, otherWeb);
    assert.equal(await pods.first.broker.endAccount(otherWeb, a), 0);
    assert.equal(await pods.first.broker.endAccount(web, a), 2);
    assert.deepEqual([await pods.first.isActive(a), await pods.first.isActive(b)], [false, false]);
    assert.ok(await pods.first.broker.introspect(otherWeb, other));
    assert.equal(await ended(pods, person), undefined, 'the person is still signed in');
    assert.equal(pods.keys('account').length, 1);
  });

  it('are gone from this pod at once, whatever becomes of the word to the others', async () => {
    const pods = openPods();
    const person = randomUUID();
    const [a, b] = [await pods.first.signIn(person), await pods.first.signIn(person)];
    pods.store.invalidate = async () => {};
    await pods.first.broker.endAccount(web, a);
    assert.equal(await pods.first.isActive(b), false);
  });

  it('leave no token in the memory of another pod for the next session', async () => {
    const { pods, person, token: before } = await openSignedIn({ pods: 2 });
    const old = await pods.second.exchange(before);
    await pods.first.broker.revoke(web, before);
    pods.advance(1);
    assert.notEqual(await pods.second.exchange(await pods.first.signIn(person)), old);
  });

  it('end by the Entra session that carries them, at their own client', async () => {
    const pods = openPods({ pods: 2 });
    const person = randomUUID();
    const [a, b] = [await pods.first.signIn(person), await pods.first.signIn(person)];
    const other = await pods.first.signIn(person, otherWeb);
    assert.equal(await pods.second.broker.endBySid(web, 'unknown'), 0);
    assert.equal(await pods.second.broker.endBySid(web, toSid(person)), 2);
    assert.deepEqual([await pods.first.isActive(a), await pods.first.isActive(b)], [false, false]);
    assert.ok(await pods.first.broker.introspect(otherWeb, other));
    assert.equal(await pods.second.broker.endBySid(web, toSid(person)), 0);
  });

  it("end over all clients on the operator's word, in whatever case the GUIDs are written", async () => {
    const pods = openPods();
    const person = randomUUID();
    const [a] = [await pods.first.signIn(person), await pods.first.signIn(person, otherWeb)];
    await pods.first.onBehalfOf(pods.makeAssertion(person));
    const number = await pods.first.broker.endPerson(api, tenantId.toUpperCase(), person.toUpperCase());
    assert.equal(number, 2);
    assertNothingLeft(pods);
    assert.equal(await pods.first.isActive(a), false);
    assert.equal(await pods.first.broker.endPerson(api, tenantId, person), 0);
    await assert.rejects(
      pods.first.broker.endPerson({ ...web, permissions: [] }, tenantId, person),
      faultOf('unauthorized_client'),
    );
  });

  it("end on the operator's word also for who has none: assertions issued until now are refused", async () => {
    const pods = openPods();
    const person = randomUUID();
    const assertion = pods.makeAssertion(person);
    await pods.first.onBehalfOf(assertion);
    assert.equal(await pods.first.broker.endPerson(api, tenantId, person), 0);
    assertNothingLeft(pods);
    await assert.rejects(pods.first.onBehalfOf(assertion), faultOf('invalid_grant'));
  });

  it('are gone for introspection too when the ending broke off half-way, and ending again ends the rest', async () => {
    const person = randomUUID();
    for (let cut = 1; cut < 40; cut += 1) {
      const pods = openPods({ pods: 2 });
      const [a, b] = [await pods.first.signIn(person), await pods.first.signIn(person)];
      let steps = 0;
      pods.watch.step = async (when) => {
        if (when === 'before') pods.watch.away = ++steps >= cut;
      };
      const broke = await pods.first.broker.endPerson(api, tenantId, person).then(
        () => false,
        () => true,
      );
      pods.watch.step = undefined;
      pods.watch.away = false;
      if (!broke) {
        assert.ok(cut > 5);
        return;
      }
      for (const token of [a, b]) {
        const active = await pods.second.isActive(token);
        const served = await pods.second.exchange(token).then(
          () => true,
          () => false,
        );
        assert.equal(active, served, `cut at ${cut}: introspection and exchange agree`);
      }
      await pods.first.broker.endPerson(api, tenantId, person);
      for (const kind of ['session', 'account']) assert.deepEqual(pods.keys(kind), [], `cut at ${cut}`);
    }
    assert.fail('it never ran through');
  });
});

describe('the tombstone of a person who left', () => {
  it('refuses older assertions without a call', async () => {
    const pods = openPods({ pods: 2 });
    const person = randomUUID();
    const old = pods.makeAssertion(person);
    await pods.first.broker.revoke(web, await pods.first.signIn(person));
    pods.entra.reset();
    for (const pod of pods.all) await assert.rejects(pod.onBehalfOf(old), faultOf('invalid_grant'));
    assert.deepEqual(pods.entra.calls, []);
    assertNothingLeft(pods);
  });

  it('is found for a guest by what assertions call them, without a call', async () => {
    const pods = openPods({ pods: 2 });
    const guest = randomUUID();
    const assertion = pods.makeAssertion(guest);
    const redeemCode = pods.entra.entra.redeemCode;
    pods.entra.entra.redeemCode = async (...args) => {
      const response = await redeemCode(...args);
      return response.kind === 'token'
        ? { ...response, account: makeAccount(guest, randomUUID(), tenantId) }
        : response;
    };
    await pods.first.broker.revoke(web, await pods.first.signIn(guest));
    pods.entra.reset();
    for (const pod of pods.all) await assert.rejects(pod.onBehalfOf(assertion), faultOf('invalid_grant'));
    assert.deepEqual(pods.entra.calls, []);
  });

  it('is found for a guest, whose home is not where the assertion is from', async () => {
    const pods = openPods();
    const guest = randomUUID();
    const assertion = pods.makeAssertion(guest);
    const home = makeAccount(randomUUID(), randomUUID(), tenantId);
    const onBehalfOf = pods.entra.entra.onBehalfOf;
    pods.entra.entra.onBehalfOf = async (...args) => {
      const response = await onBehalfOf(...args);
      return response.kind === 'token' ? { ...response, account: home } : response;
    };
    await pods.first.onBehalfOf(assertion);
    const [oid = '', tid = ''] = home.homeAccountId.split('.');
    await pods.first.broker.endPerson(api, tid, oid);
    assert.deepEqual(pods.keys('obo'), []);
    await assert.rejects(pods.first.onBehalfOf(assertion), faultOf('invalid_grant'));
    assert.deepEqual(pods.keys('obo'), []);
  });
});

describe('sign-out wins', () => {
  const seeds = Array.from({ length: 60 }, (_, i) => i + 1);

  it('over refreshes in flight, at every point and in every order', async () => {
    for (const seed of seeds) {
      const { pods, token } = await openSignedIn({ pods: 2 });
      if (seed % 2 === 0) await pods.first.exchange(token, 'api://api/write');
      if (seed % 3 === 0) pods.advance(400);
      const [out] = await pods.interleave(
        seed,
        () => pods.first.broker.revoke(web, token),
        () => pods.first.exchange(token),
        () => pods.second.exchange(token),
        () => pods.second.exchange(token, 'api://api/write'),
        () => pods.second.isActive(token),
      );
      assert.equal(out, undefined);
      assertNothingLeft(pods);
      pods.entra.reset();
      for (const pod of pods.all) {
        assert.equal(await pod.isActive(token), false, `seed ${seed}`);
        await assert.rejects(pod.exchange(token), faultOf('invalid_grant'));
      }
      assert.deepEqual(pods.entra.calls, []);
    }
  });

  it('over on-behalf-of calls in flight, at every point and in every order', async () => {
    for (const seed of seeds) {
      const { pods, person, token } = await openSignedIn({ pods: 2 });
      const assertion = pods.makeAssertion(person);
      await pods.interleave(
        seed,
        () => pods.first.broker.revoke(web, token),
        () => pods.first.onBehalfOf(assertion),
        () => pods.second.onBehalfOf(assertion),
        () => pods.second.onBehalfOf(assertion, 'api://api/write'),
      );
      for (const pod of pods.all) {
        await assert.rejects(pod.onBehalfOf(assertion), faultOf('invalid_grant'), `seed ${seed}`);
        await assert.rejects(pod.onBehalfOf(assertion, 'api://api/write'), faultOf('invalid_grant'), `seed ${seed}`);
      }
      assertNothingLeft(pods);
    }
  });

  it('and never over the sign-in that follows', async () => {
    for (const seed of seeds) {
      const pods = openPods({ pods: 2 });
      pods.writeAssertions(300);
      const person = randomUUID();
      const before = await pods.first.signIn(person);
      const [, token] = await pods.interleave(
        seed,
        () => pods.first.broker.revoke(web, before),
        () => pods.second.signIn(person),
      );
      assert.ok(await pods.first.onBehalfOf(await pods.first.exchange(String(token))), `seed ${seed}`);
      assert.equal(await pods.first.broker.endBySid(web, toSid(person)), 1, `seed ${seed}: still found by its sid`);
    }
  });

  const ends: [string, (pods: Pods, person: string, token: string) => Promise<number>][] = [
    ['by sid', (pods, person) => pods.first.broker.endBySid(web, toSid(person))],
    ['of the account', (pods, _, token) => pods.first.broker.endAccount(web, token)],
    ['of the person', (pods, person) => pods.first.broker.endPerson(api, tenantId, person)],
  ];
  for (const [what, end] of ends) {
    it(`or the sign-in wins, but nothing in between: an end ${what}`, async () => {
      for (const seed of seeds) {
        const pods = openPods({ pods: 2 });
        pods.writeAssertions(300);
        const person = randomUUID();
        const before = seed % 2 === 0 ? await pods.first.signIn(person) : '';
        const [token] = await pods.interleave(
          seed,
          () => pods.second.signIn(person),
          () => end(pods, person, before),
        );
        const alive = token !== 'invalid_grant' && (await pods.second.isActive(String(token)));
        assert.equal(pods.keys('session').length, alive ? 1 : 0, `seed ${seed}`);
        assert.equal(pods.keys('account').length, alive ? 1 : 0, `seed ${seed}`);
        if (!alive) continue;
        assert.ok(await pods.first.onBehalfOf(await pods.first.exchange(String(token))), `seed ${seed}`);
        assert.equal(await end(pods, person, String(token)), 1, `seed ${seed}: it can be ended`);
        assert.equal(await pods.first.isActive(String(token)), false);
      }
    });
  }
});

describe('the word that an account is revoked', () => {
  it('ends its sessions when its home tenant says it', async () => {
    const pods = openPods({ pods: 2 });
    const person = randomUUID();
    const [a, b] = [await pods.first.signIn(person), await pods.first.signIn(person)];
    pods.entra.responses.refresh = () => refusal('revoked');
    await assert.rejects(pods.first.exchange(a), faultOf('invalid_grant'));
    assert.equal(await pods.second.isActive(b), false);
    assertNothingLeft(pods);
  });

  it('ends nothing when another tenant says it', async () => {
    const pods = openPods();
    const guest = randomUUID();
    const redeemCode = pods.entra.entra.redeemCode;
    pods.entra.entra.redeemCode = async (...args) => {
      const response = await redeemCode(...args);
      return response.kind === 'token'
        ? { ...response, account: makeAccount(guest, randomUUID(), tenantId) }
        : response;
    };
    const token = await pods.first.signIn(guest);
    pods.entra.responses.refresh = () => refusal('revoked');
    await assert.rejects(pods.first.exchange(token), faultOf('invalid_grant'));
    assert.ok(await pods.first.isActive(token));
  });
});
