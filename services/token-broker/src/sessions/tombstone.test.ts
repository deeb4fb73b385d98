import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { faultOf } from '@onbehalf/node/core/fault.fake';
import { backdatingSeconds } from '../lifetimes.ts';
import {
  api,
  assertEnded,
  assertTaken,
  openPods,
  openSignedIn,
  otherWeb,
  tenantId,
  web,
  writeScope,
} from '../tokens/pods.fake.ts';
import { Tombstones } from './tombstone.ts';

const toHomeAccount = (person: string) => `${person}.${tenantId}`;

/** How far Entra dates `iat` back; an identity provider that does not; and a clock that is behind besides. */
const backdated = [300, 0, 590];

describe('the tombstone of a person who left', () => {
  for (const seconds of backdated) {
    it(`refuses what was issued before, and never what a new session gets, in the same second too: ${seconds} s back`, async () => {
      const pods = openPods({ pods: 2 });
      pods.writeAssertions(seconds);
      const person = randomUUID();
      const [other, first] = [await pods.first.signIn(person, otherWeb), await pods.first.signIn(person)];
      const olds = [await pods.first.exchange(first)];
      await assertTaken(pods, String(olds[0]));
      for (let round = 0; round < 3; round += 1) {
        if (round === 0) {
          await pods.first.broker.revoke(web, first);
          await pods.second.broker.revoke(otherWeb, other);
        }
        for (const old of olds) await assertEnded(pods, old);
        const session = await pods.second.signIn(person);
        for (const old of olds) await assertEnded(pods, old, 'a new sign-in revives nothing');
        const fresh = await pods.first.exchange(session);
        await assertTaken(pods, fresh);
        assert.equal(await pods.second.exchange(session), fresh, 'from the store too');
        await pods.first.broker.endAccount(web, session);
        olds.push(fresh);
        pods.advance(round * 20);
      }
      for (const old of olds) await assertEnded(pods, old);
    });
  }

  it('lets an assertion of elsewhere pass that was issued since', async () => {
    const pods = openPods();
    const person = randomUUID();
    await pods.first.broker.revoke(web, await pods.first.signIn(person));
    await assertEnded(pods, pods.makeAssertion(person, 0));
    pods.advance(5);
    await assertTaken(pods, pods.makeAssertion(person, 4));
  });

  it('lets pass what was acquired on behalf of a new session, and what was acquired on behalf with that', async () => {
    const pods = openPods({ pods: 2 });
    pods.writeAssertions(300);
    const person = randomUUID();
    await pods.first.broker.revoke(web, await pods.first.signIn(person));
    const first = await pods.first.exchange(await pods.first.signIn(person));
    const second = await pods.second.onBehalfOf(first);
    const third = await pods.first.onBehalfOf(second);
    assert.equal(new Set([first, second, third]).size, 3);
    await pods.first.broker.endPerson(api, tenantId, person);
    for (const old of [first, second, third]) await assertEnded(pods, old);
  });

  it('stays for as long as an assertion may live, whoever signs in; what it lets pass is noted for its first minutes', async () => {
    const pods = openPods();
    pods.writeAssertions(300);
    const person = randomUUID();
    const old = await pods.first.exchange(await pods.first.signIn(person));
    await pods.first.broker.endPerson(api, tenantId, person);
    assert.equal(pods.watch.ttls().get(pods.redisKeys.ended(toHomeAccount(person))), 28 * 3_600_000);
    const session = await pods.first.signIn(person);
    await pods.first.exchange(session);
    assert.equal(pods.keys('issued').length, 1);
    assert.ok(Math.max(...pods.keys('issued').map((key) => pods.watch.ttls().get(key) ?? 0)) <= 3_600_000);
    pods.advance(backdatingSeconds);
    await pods.first.exchange(session, writeScope);
    assert.equal(pods.keys('issued').length, 1, 'its iat shows it by now');
    await assertEnded(pods, old);
  });

  it('is not moved back by an end that a pod with a slow clock saw, nor lets pass what came between', async () => {
    const pods = openPods();
    pods.writeAssertions(300);
    const person = randomUUID();
    await pods.first.broker.revoke(web, await pods.first.signIn(person));
    const session = await pods.first.signIn(person);
    const between = await pods.first.exchange(session);
    pods.advance(-3);
    await pods.first.broker.revoke(web, session);
    await assertEnded(pods, between);
    pods.advance(3);
    await assertEnded(pods, between);
    await assertEnded(pods, pods.makeAssertion(person, 0));
  });

  it('is as late as the latest end, whatever an end that broke off had proposed', async () => {
    for (const [first, second] of [
      [50, 100],
      [100, 50],
      [100, 100],
    ] as const) {
      const { store, redisKeys } = openPods();
      const tombstones = new Tombstones({ store, redisKeys, everybody: () => undefined, nowMs: Date.now });
      await assert.rejects(tombstones.add('a', first, () => Promise.reject(new Error('gone'))));
      const passes = (issuedAtSeconds: number) => tombstones.refuseEnded('a', { token: 't', issuedAtSeconds });
      await passes(1);
      await tombstones.add('a', second, async () => false);
      await assert.rejects(passes(100), faultOf('invalid_grant'));
      await passes(101);
    }
  });

  it('lets nothing pass that was acquired before it and given though it could not be kept', async () => {
    const pods = openPods({ pods: 2 });
    pods.writeAssertions(300);
    const person = randomUUID();
    const token = await pods.first.signIn(person);
    pods.entra.gate = async () => {
      pods.entra.gate = async () => {};
      await pods.second.broker.revoke(web, token);
      pods.watch.step = async (when, operation) => {
        if (when === 'before' && operation === 'writeToken') pods.watch.away = true;
      };
    };
    const given = await pods.first.exchange(token);
    pods.watch.step = undefined;
    pods.watch.away = false;
    await assertEnded(pods, given);
  });

  it('refuses a call on behalf of that was under way, though the store fails before the token is written', async () => {
    const { pods, person, token } = await openSignedIn({ pods: 2 });
    const assertion = pods.makeAssertion(person, 0);
    pods.entra.gate = async () => {
      await pods.second.broker.revoke(web, token);
      pods.watch.step = async (when, operation) => {
        if (when === 'before' && operation === 'writeToken') pods.watch.away = true;
      };
    };
    await assert.rejects(pods.first.onBehalfOf(assertion), faultOf('invalid_grant'));
  });

  it('is looked for before Entra is asked', async () => {
    const pods = openPods();
    const person = randomUUID();
    await pods.first.broker.revoke(web, await pods.first.signIn(person));
    pods.entra.reset();
    await assertEnded(pods, pods.makeAssertion(person, 0));
    assert.deepEqual(pods.entra.calls, []);
  });

  it('costs a token from memory or store no look', async () => {
    const pods = openPods({ pods: 2 });
    const person = randomUUID();
    await pods.first.broker.revoke(web, await pods.first.signIn(person));
    const session = await pods.first.signIn(person);
    pods.advance(1);
    await pods.first.exchange(session);
    const operations: string[] = [];
    pods.watch.step = async (when, operation) => void (when === 'before' && operations.push(operation));
    await pods.first.exchange(session);
    assert.deepEqual(operations, []);
    await pods.second.exchange(session);
    assert.deepEqual(operations, ['get', 'readRecord']);
  });
});
