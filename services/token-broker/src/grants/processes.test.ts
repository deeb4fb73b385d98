import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { Fault } from '@onbehalf/node/core/fault';
import { faultOf } from '@onbehalf/node/core/fault.fake';
import { refusal } from '../entra/entra.fake.ts';
import {
  appScope,
  everyOrder,
  nightly,
  openPods,
  openSignedIn,
  otherWeb,
  type Pods,
  processLifeSeconds,
  readScope,
  settled,
  tenantId,
  web,
  writeScope,
} from '../tokens/pods.fake.ts';

/** A person who is signed in, and a process of theirs. */
async function openProcess(options?: Parameters<typeof openPods>[0]) {
  const signedIn = await openSignedIn(options);
  return { ...signedIn, process: await signedIn.pods.first.startProcess(signedIn.token) };
}

function assertNothingLeft(pods: Pods, where = ''): void {
  for (const kind of ['session', 'account', 'endings']) assert.deepEqual(pods.keys(kind), [], `${kind} ${where}`);
}

/** Everything that ends all that a person has at a client, and not one session alone. */
const wholeEnds: [what: string, end: (pods: Pods, token: string, person: string) => Promise<unknown>][] = [
  ['a sign-out everywhere', ({ second }, token) => second.broker.endAccount(web, token)],
  ['the operator', ({ second }, _, person) => second.broker.endPerson(web, tenantId, person)],
];

describe('a process', () => {
  it('acquires tokens after its session has ended, however long nobody asked, until its own end', async () => {
    const { pods, token, process } = await openProcess({ pods: 2 });
    await pods.first.broker.revoke(web, token);
    await assert.rejects(pods.first.exchange(token), faultOf('invalid_grant'));
    const first = await pods.second.processToken(process);
    assert.equal(await pods.first.processToken(process), first, 'one for all pods');
    pods.advance(6 * 86_400);
    assert.notEqual(await pods.first.processToken(process), first);
    pods.advance(86_400);
    await assert.rejects(pods.second.processToken(process), faultOf('invalid_grant'));
    assert.equal(processLifeSeconds, 7 * 86_400);
  });

  it('outlives the idle limit, a sign-out here, and the front-channel logout of Entra ID', async () => {
    const { pods, token, person, process } = await openProcess();
    await pods.first.broker.endBySid(web, `sid-${person}`);
    assert.equal(await pods.first.isActive(token), false);
    pods.advance(4_000);
    assert.ok(await pods.first.processToken(process));
  });

  for (const [what, end] of wholeEnds) {
    it(`ends at once with ${what}, on every pod, and leaves nothing`, async () => {
      const { pods, token, person, process } = await openProcess({ pods: 2 });
      await pods.first.processToken(process);
      assert.equal(await end(pods, token, person), 2);
      for (const pod of pods.all) await assert.rejects(pod.processToken(process), faultOf('invalid_grant'));
      assertNothingLeft(pods);
    });

    it(`does not outlive ${what} that it is begun beside, in every order of their steps`, async () => {
      const orders = await everyOrder(async () => {
        const { pods, token, person } = await openSignedIn({ pods: 2 });
        return {
          pods,
          tasks: [() => end(pods, token, person), () => pods.first.startProcess(token)],
          async holds([, process], where) {
            if (typeof process === 'string' && process.startsWith('process.')) {
              await assert.rejects(pods.first.processToken(process), faultOf('invalid_grant'), where);
            }
            assertNothingLeft(pods, where);
          },
        };
      });
      assert.ok(orders > 100, `${orders}`);
    });

    it(`has no token that ${what} leaves behind, in 30 orders of their steps`, async () => {
      for (let seed = 1; seed <= 30; seed += 1) {
        const { pods, token, person, process } = await openProcess({ pods: 2 });
        await pods.interleave(
          seed,
          () => end(pods, token, person),
          () => pods.first.processToken(process),
        );
        await assert.rejects(pods.first.processToken(process), faultOf('invalid_grant'), `${seed}`);
        assertNothingLeft(pods, `${seed}`);
      }
    });
  }

  it('is refused to a session that ends while it begins', async () => {
    const { pods, token } = await openSignedIn({ pods: 2 });
    pods.watch.step = async (when, operation) => {
      if (when !== 'before' || operation !== 'touchSession') return;
      pods.watch.step = undefined;
      await pods.second.broker.endAccount(web, token);
    };
    await assert.rejects(pods.first.startProcess(token), faultOf('invalid_grant'));
    assertNothingLeft(pods);
  });

  it('is found by an operator until its own end, long after its session', async () => {
    const { pods, person, process } = await openProcess();
    pods.advance(6 * 86_400);
    assert.equal(await pods.first.broker.endPerson(web, tenantId, person), 1);
    await assert.rejects(pods.first.processToken(process), faultOf('invalid_grant'));
    assertNothingLeft(pods);
  });

  it('ends with a sign-out everywhere of another browser, long after its own session', async () => {
    const { pods, token, person, process } = await openProcess();
    await pods.first.broker.revoke(web, token);
    const later = await pods.first.signIn(person);
    await pods.first.broker.endAccount(web, later);
    await assert.rejects(pods.first.processToken(process), faultOf('invalid_grant'));
    assertNothingLeft(pods);
  });

  it('ends when Entra ID says that the account is gone, with all else of the person', async () => {
    const { pods, token, process } = await openProcess();
    pods.entra.responses.refresh = () => refusal('revoked');
    await assert.rejects(pods.first.processToken(process), (error) => error instanceof Fault);
    await settled();
    assert.equal(await pods.first.isActive(token), false);
    assertNothingLeft(pods);
  });

  it('is ended by the client that has it and by the one that began it, alone', async () => {
    for (const client of [nightly, web]) {
      const { pods, token, process } = await openProcess();
      await pods.first.broker.revoke(client, process);
      await assert.rejects(pods.first.processToken(process), faultOf('invalid_grant'));
      assert.ok(await pods.first.isActive(token));
      assert.deepEqual(
        pods.ended().map(({ event, client: by }) => [event, by]),
        [['audit.process_ended', client.name]],
      );
    }
  });

  it('is nothing to another client that stole it, nor is a session one to the client of processes', async () => {
    const { pods, token, process } = await openProcess();
    for (const thief of [otherWeb, web]) {
      await assert.rejects(pods.first.processToken(process, '', thief), faultOf('invalid_grant'));
    }
    await pods.first.broker.revoke(otherWeb, process);
    assert.equal(await pods.first.broker.endAccount(nightly, process), 0);
    await assert.rejects(pods.first.processToken(token), faultOf('invalid_grant'));
    assert.ok(await pods.first.processToken(process));
    assert.ok(await pods.first.isActive(token));
  });

  it('is no session: it begins no process, is exchanged for nothing, and lists nothing', async () => {
    const { pods, token } = await openSignedIn();
    const own = await pods.first.startProcess(token, readScope, web.name);
    assert.ok(await pods.first.processToken(own, '', web));
    await assert.rejects(pods.first.startProcess(own), faultOf('invalid_grant'));
    await assert.rejects(pods.first.exchange(own), faultOf('invalid_grant'));
    await assert.rejects(pods.first.broker.listProcesses(web, own), faultOf('invalid_grant'));
  });

  it('has the scopes it was begun with, never more, and none that its client has lost', async () => {
    const { pods, token, process } = await openProcess();
    await assert.rejects(pods.first.processToken(process, writeScope), faultOf('invalid_scope'));
    await assert.rejects(pods.first.startProcess(token, 'api://other/read'), faultOf('invalid_scope'));
    const both = await pods.first.startProcess(token, `${writeScope} ${readScope}`);
    assert.match(await pods.first.processToken(both), new RegExp(`${readScope},${writeScope}`));
    assert.match(await pods.first.processToken(both, readScope), new RegExp(`-${readScope}-`));
    web.scopes = [readScope, appScope];
    await assert.rejects(pods.first.processToken(both), faultOf('invalid_scope'));
    web.scopes = [readScope, writeScope, appScope];
  });

  it('is begun only where the configuration says so, for the clients that it names', async () => {
    const { pods, token } = await openSignedIn();
    const asked = { scope: readScope, client: 'weekly', traceId: '0'.repeat(32) };
    await assert.rejects(pods.first.broker.startProcess(web, token, asked), faultOf('unauthorized_client'));
    const other = await pods.first.signIn(randomUUID(), otherWeb);
    await assert.rejects(pods.first.broker.startProcess(otherWeb, other, asked), faultOf('unauthorized_client'));
    const process = await pods.first.startProcess(token);
    const { clients } = web.processes;
    web.processes.clients = ['web'];
    await assert.rejects(pods.first.processToken(process), faultOf('unauthorized_client'));
    web.processes.clients = clients;
    assert.ok(await pods.first.processToken(process));
  });

  it('never gets the token of another person', async () => {
    const pods = openPods({ pods: 2 });
    const people = Array.from({ length: 5 }, () => randomUUID());
    const processes = await Promise.all(
      people.map(async (person) => pods.first.startProcess(await pods.first.signIn(person))),
    );
    const tokens = await Promise.all(
      Array.from({ length: 50 }, (_, i) => pods.all[i % 2]?.processToken(processes[i % 5] ?? '')),
    );
    for (const [i, token] of tokens.entries()) assert.ok(token?.includes(people[i % 5] ?? 'nobody'));
    assert.equal(new Set(tokens).size, 5);
  });

  it('is no session that a further sign-in ends, and is one of few', async () => {
    const { pods, token, person, process } = await openProcess({ perAccount: 2 });
    for (let i = 0; i < 3; i += 1) await pods.first.signIn(person);
    assert.ok(await pods.first.processToken(process));
    const session = await pods.first.signIn(person);
    await pods.first.startProcess(session);
    await assert.rejects(pods.first.startProcess(session), faultOf('throttled'));
    assert.equal(await pods.first.isActive(token), false);
  });

  it('is listed for its person and for an operator until it ends, with who has it and for what', async () => {
    const { pods, token, person, process } = await openProcess();
    const now = pods.clock.ms / 1_000;
    const listed = { client: 'nightly', startedBy: 'web', scope: readScope };
    const all = [{ ...listed, createdAt: now, endsAt: now + processLifeSeconds }];
    assert.deepEqual(await pods.first.broker.listProcesses(web, token), all);
    assert.deepEqual(await pods.first.broker.listPersonsProcesses(web, tenantId, person), all);
    const nobody = { ...web, permissions: [] };
    await assert.rejects(
      pods.first.broker.listPersonsProcesses(nobody, tenantId, person),
      faultOf('unauthorized_client'),
    );
    pods.watch.step = async (when, operation) => {
      if (when === 'before' && operation === 'closeSessions') throw new Fault('unavailable', 'The store is away.');
    };
    await assert.rejects(pods.first.broker.revoke(nightly, process), faultOf('unavailable'));
    pods.watch.step = undefined;
    assert.deepEqual(await pods.first.broker.listProcesses(web, token), [], 'its end has begun');
    await pods.first.broker.revoke(nightly, process);
    assert.deepEqual(await pods.first.broker.listProcesses(web, token), []);
  });

  it('is told in the log: by whom, for whom, for which person; and leaves every key with a TTL', async () => {
    const { pods, token, process } = await openProcess();
    const [line] = pods.started();
    assert.deepEqual([line?.client, line?.for, line?.scope], ['web', 'nightly', readScope]);
    assert.match(String(line?.account), /^[0-9a-f]{12}$/);
    assert.ok(!JSON.stringify([line, ...pods.keys('session')]).includes(process.slice('process.'.length)));
    const ttls = [...pods.watch.ttls().values()];
    assert.ok(ttls.every((ttl) => ttl > 0));
    assert.equal(Math.max(...ttls), processLifeSeconds * 1_000);
    await pods.first.broker.endAccount(web, token);
    const [end] = pods.ended();
    assert.deepEqual([end?.event, end?.ended, end?.processes], ['audit.sessions_ended', 2, 1]);
  });

  it('counts against the rate of its session when it begins, then against its own', async () => {
    const { pods, token } = await openSignedIn();
    const process = await pods.first.startProcess(token);
    assert.equal(pods.counts.exchanges, 1);
    await pods.first.processToken(process);
    assert.equal(pods.counts.exchanges, 2);
  });

  it('that the store did not take to the end keeps nobody signed in', async () => {
    for (const operation of ['addMember', 'set', 'touchSession', 'get']) {
      const { pods, token } = await openSignedIn();
      let met = false;
      pods.watch.step = async (when, name) => {
        const isHere =
          name === operation &&
          when === 'before' &&
          pods.keys('session').length + Number(['addMember', 'set'].includes(name)) > 1;
        if (!isHere || met) return;
        met = true;
        throw new Fault('unavailable', 'The store is away.');
      };
      await assert.rejects(pods.first.startProcess(token), faultOf('unavailable'), operation);
      pods.watch.step = undefined;
      assert.ok(met, operation);
      await settled();
      await pods.first.broker.revoke(web, token);
      assertNothingLeft(pods, operation);
    }
  });
});
