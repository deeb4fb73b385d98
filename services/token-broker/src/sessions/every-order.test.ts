import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { faultOf } from '@onbehalf/node/core/fault.fake';
import {
  api,
  assertEnded,
  assertTaken,
  everyOrder,
  openPods,
  openSignedIn,
  type Pods,
  tenantId,
  web,
} from '../tokens/pods.fake.ts';

type End = (pods: Pods, person: string, token: string) => Promise<unknown>;
const signOut: End = (pods, _, token) => pods.first.broker.revoke(web, token);
const bySid: End = (pods, person) => pods.first.broker.endBySid(web, `sid-${person}`);
const byOperator: End = (pods, person) => pods.first.broker.endPerson(api, tenantId, person);

type Prepare = Parameters<typeof everyOrder>[0];
/** By the statement of its test. */
const races = new Map<string, Prepare>();
const race = (statement: string, prepare: Prepare) => void races.set(statement, prepare);

for (const [what, end] of [
  ['a sign-out', signOut],
  ['an end by the operator', byOperator],
] as const) {
  race(`${what} wins over a call on behalf of`, async () => {
    const { pods, person, token } = await openSignedIn({ pods: 2 });
    const assertion = pods.makeAssertion(person, 0);
    return {
      pods,
      tasks: [() => end(pods, person, token), () => pods.second.onBehalfOf(assertion)],
      async holds(_, where) {
        await assertEnded(pods, assertion, where);
        assert.deepEqual(pods.keys('obo'), [], where);
      },
    };
  });

  race(`${what} wins over a refresh, and over what that brings`, async () => {
    const pods = openPods({ pods: 2 });
    pods.writeAssertions(300);
    const person = randomUUID();
    const token = await pods.first.signIn(person);
    return {
      pods,
      tasks: [() => end(pods, person, token), () => pods.second.exchange(token)],
      async holds([, given], where) {
        for (const pod of pods.all) await assert.rejects(pod.exchange(token), faultOf('invalid_grant'), where);
        for (const kind of ['session', 'account', 'sid']) assert.deepEqual(pods.keys(kind), [], where);
        if (given !== 'invalid_grant') await assertEnded(pods, String(given), where);
      },
    };
  });
}

for (const [what, end] of [
  ['a sign-out', signOut],
  ['an end by sid', bySid],
  ['an end by the operator', byOperator],
] as const) {
  race(`${what} leaves a sign-in whole or nothing, and a new session's token is taken`, async () => {
    const pods = openPods({ pods: 2 });
    pods.writeAssertions(300);
    const person = randomUUID();
    const before = await pods.first.signIn(person);
    const old = await pods.first.exchange(before);
    let token = '';
    const signIn = async () => {
      token = await pods.second.signIn(person);
      return await pods.second.exchange(token).catch(() => 'ended');
    };
    return {
      pods,
      tasks: [() => end(pods, person, before), signIn],
      async holds([, given], where) {
        const alive = token !== '' && (await pods.second.isActive(token));
        assert.equal(await pods.first.isActive(before), false, where);
        assert.equal(pods.keys('session').length, alive ? 1 : 0, where);
        assert.equal(pods.keys('account').length, alive ? 1 : 0, where);
        assert.ok(alive || what !== 'a sign-out', where);
        if (alive) {
          await assertTaken(pods, await pods.first.exchange(token), where);
          await assertTaken(pods, String(given), where);
          await pods.first.broker.revoke(web, token);
        }
        assert.deepEqual(pods.keys('account'), [], where);
        if (given !== 'ended' && given !== 'invalid_grant') await assertEnded(pods, String(given), where);
        await assertEnded(pods, old, where);
      },
    };
  });
}

/** Tries every order in a thread of its own: node:test watches every promise of its own thread, which takes half the time. */
function countOrders(statement: string): Promise<number> {
  return new Promise((resolve, reject) => {
    new Worker(new URL(import.meta.url), { workerData: statement }).once('message', resolve).once('error', reject);
  });
}

if (isMainThread) {
  describe('in every order of their steps', { concurrency: 2 }, () => {
    for (const statement of races.keys()) {
      it(statement, async () => {
        const orders = await countOrders(statement);
        assert.ok(orders > 100, `${orders}`);
      });
    }
  });
} else {
  parentPort?.postMessage(await everyOrder(races.get(workerData) as Prepare));
}
