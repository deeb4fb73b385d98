import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { faultOf } from '@onbehalf/node/core/fault.fake';
import fc from 'fast-check';
import { refusal } from '../entra/entra.fake.ts';
import { agents, api, openPods, otherApi, type Pods, readScope, tenantId, writeScope } from '../tokens/pods.fake.ts';

type Pod = Pods['first'];
type Flow = {
  name: string;
  calls: number;
  get: (pods: Pods, pod: Pod, agent?: string, person?: string) => Promise<string>;
};

const [one, another] = agents;
const somebody = randomUUID();
const assertions = new WeakMap<Pods, Map<string, string>>();
/** The one assertion of a person. */
function assertionOf(pods: Pods, person: string): string {
  const known = assertions.get(pods) ?? new Map<string, string>();
  assertions.set(pods, known);
  const assertion = known.get(person) ?? pods.makeAssertion(person);
  known.set(person, assertion);
  return assertion;
}

/** What an agent may do, and what that costs at Entra at first. */
const flows: Flow[] = [
  { name: 'for itself', calls: 2, get: (_, pod, agent = one) => pod.appToken(undefined, agent) },
  {
    name: 'on behalf of a person',
    calls: 2,
    get: (pods, pod, agent = one, person = somebody) =>
      pod.onBehalfOf(assertionOf(pods, person), readScope, undefined, agent),
  },
  { name: 'as its user', calls: 3, get: (_, pod, agent = one, person = somebody) => pod.agentUser(agent, person) },
];

const hundred = (pods: Pods, get: Flow['get']) =>
  Promise.all(Array.from({ length: 100 }, (_, i) => get(pods, pods.all[i % 2] ?? pods.first)));
/** How often Entra had been asked when a tombstone was last written. */
function countUntilEnded({ watch, entra }: Pods): () => number {
  let asked = 0;
  const { writes } = watch;
  const push = writes.push.bind(writes);
  writes.push = (...more) => {
    if (more[0]?.startsWith('replace ob:v1:ended')) asked = entra.calls.length;
    return push(...more);
  };
  return () => asked;
}

/** Ends all that an agent has, as an operator does. */
const revoke = ({ first }: Pods, id: string = one) => first.broker.endPerson(api, tenantId, id);

for (const { name, calls, get } of flows) {
  describe(`an agent that acts ${name}`, () => {
    it('has one token acquired over two pods, and its credentials once', async () => {
      const pods = openPods({ pods: 2 });
      assert.equal(new Set(await hundred(pods, get)).size, 1);
      assert.equal(pods.entra.calls.length, calls);
      assert.deepEqual(pods.keys('lease'), []);
    });

    it('is one that its client may act as', async () => {
      const pods = openPods();
      await assert.rejects(get(pods, pods.first, randomUUID()), faultOf('unauthorized_client'));
      assert.deepEqual(pods.entra.calls, []);
    });

    it('loses what it has when an operator revokes it, and asks anew', async () => {
      const pods = openPods({ pods: 2 });
      const before = await get(pods, pods.second);
      await revoke(pods);
      for (const kind of ['agent', 'obo', 'ending', 'endings']) assert.deepEqual(pods.keys(kind), [], kind);
      pods.entra.reset();
      assert.notEqual(await get(pods, pods.second), before);
      assert.equal(pods.entra.calls.length, calls, 'with new credentials');
    });

    it('keeps what another agent does when that one is revoked', async () => {
      const pods = openPods();
      const before = await get(pods, pods.first);
      await get(pods, pods.first, another);
      await revoke(pods, another);
      assert.equal(await get(pods, pods.first), before);
    });

    it('keeps nothing that was asked of Entra before it was revoked, in 30 orders of the steps', async () => {
      for (let seed = 1; seed <= 30; seed += 1) {
        const pods = openPods({ pods: 2 });
        if (seed % 2) await pods.second.agentUser(one, 'another');
        const asked = countUntilEnded(pods);
        await pods.interleave(
          seed,
          () => revoke(pods),
          () => get(pods, pods.second),
        );
        const [, number] = (await get(pods, pods.first)).split('-');
        assert.ok(Number(number) > asked(), `${seed}`);
      }
    });

    it('asks for a refused token again only when the refusal has passed, with the agent in the log', async () => {
      const pods = openPods();
      pods.entra.refuse('configuration');
      for (let i = 0; i < 3; i += 1) await assert.rejects(get(pods, pods.first), faultOf('server_error'));
      assert.equal(pods.entra.calls.length, 1);
      assert.deepEqual(
        pods.refused().map(({ agent }) => agent),
        [one],
      );
    });

    it('leaves every key with a TTL, and a line that names agent and account', async () => {
      const pods = openPods();
      await get(pods, pods.first);
      assert.ok([...pods.watch.ttls().values()].every((ttl) => ttl > 0));
      const [line, ...more] = pods.acted();
      assert.deepEqual([line?.client, line?.agent, more], [api.name, one, []]);
      assert.equal(typeof line?.account, name === 'for itself' ? 'undefined' : 'string');
    });
  });
}

describe('an agent', () => {
  it('has one credential for all that it does, whoever it is for', async () => {
    const pods = openPods();
    for (const { get } of flows) await get(pods, pods.first);
    const credentials = pods.entra.calls.filter(({ scopes }) => scopes[0] === 'api://AzureADTokenExchange/.default');
    assert.deepEqual(
      credentials.map(({ fmiPath, agent }) => [fmiPath, agent]),
      [
        [one, undefined],
        [undefined, one],
      ],
    );
  });

  it('gets another credential when Entra does not take the one it has', async () => {
    const pods = openPods();
    await pods.first.appToken(undefined, one);
    pods.entra.responses.onBehalfOf = () => refusal('credential');
    const assertion = pods.makeAssertion(somebody);
    await assert.rejects(pods.first.onBehalfOf(assertion, readScope, undefined, one), faultOf('server_error'));
    assert.deepEqual(pods.keys('agent'), []);
  });

  it('is refused once for its own token too, though its credential was good', async () => {
    const pods = openPods();
    pods.entra.responses.appToken = () => (pods.entra.calls.at(-1)?.agent ? refusal('configuration') : undefined);
    for (let i = 0; i < 3; i += 1) await assert.rejects(pods.first.appToken(undefined, one), faultOf('server_error'));
    assert.equal(pods.entra.calls.length, 2);
  });

  it('loses with a person what it has on their behalf, and as them', async () => {
    const pods = openPods();
    const assertion = pods.makeAssertion(somebody);
    await pods.first.onBehalfOf(assertion, readScope, undefined, one);
    await pods.first.agentUser(one, somebody);
    const own = await pods.first.appToken(undefined, one);
    assert.equal(pods.keys('agent').length, 2);
    pods.advance(1);
    await pods.first.broker.endPerson(api, tenantId, somebody);
    assert.deepEqual([pods.keys('agent').length, pods.keys('obo').length], [1, 0]);
    await assert.rejects(pods.first.onBehalfOf(assertion, readScope, undefined, one), faultOf('invalid_grant'));
    assert.equal(await pods.first.appToken(undefined, one), own);
  });

  it('keeps nothing as a user that was asked of Entra before the user was revoked, in 60 orders of the steps', async () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const pods = openPods({ pods: 2 });
      await pods.second.agentUser(one, 'another');
      const asked = countUntilEnded(pods);
      await pods.interleave(
        seed,
        () => pods.first.broker.endPerson(api, tenantId, somebody),
        () => pods.second.agentUser(one, somebody),
      );
      pods.advance(1);
      const [, number] = (await pods.first.agentUser(one, somebody)).split('-');
      assert.ok(Number(number) > asked(), `${seed}`);
    }
  });

  it("has a token as its user by which the next API may act, though Entra dates it before that user's last end", async () => {
    const pods = openPods();
    pods.writeAssertions(300);
    const ended = await pods.first.agentUser(one, somebody);
    pods.advance(1);
    await pods.first.broker.endPerson(api, tenantId, somebody);
    pods.advance(1);
    const token = await pods.first.agentUser(one, somebody);
    assert.ok(await pods.first.onBehalfOf(token));
    await assert.rejects(pods.first.onBehalfOf(ended), faultOf('invalid_grant'));
  });

  it('serves nothing for longer than a minute that Redis cannot confirm', async () => {
    const pods = openPods();
    await pods.first.appToken(undefined, one);
    pods.watch.away = true;
    pods.watch.channel.down();
    pods.advance(59);
    assert.ok(await pods.first.appToken(undefined, one));
    pods.advance(2);
    await assert.rejects(pods.first.appToken(undefined, one), faultOf('unavailable'));
  });

  it('never gets the token of another agent, client, person or scope, nor the client one of its agents', async () => {
    const asked = fc.record({
      flow: fc.constantFrom('app', 'obo', 'user'),
      agent: fc.constantFrom(undefined, ...agents),
      person: fc.constantFrom('anna', 'bert'),
      scope: fc.constantFrom(readScope, writeScope),
      other: fc.boolean(),
      pod: fc.nat(1),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(asked, { minLength: 2, maxLength: 12 }), async (requests) => {
        const pods = openPods({ pods: 2 });
        const seen = new Map<string, string>();
        await Promise.all(
          requests.map(async ({ flow, agent, person, scope, other, pod: at }) => {
            const pod = pods.all[at] ?? pods.first;
            const as = other && agent === another && flow !== 'obo' ? otherApi : api;
            const kind = flow === 'user' && agent === undefined ? 'app' : flow;
            const token =
              kind === 'app'
                ? await pod.appToken(undefined, agent, as)
                : kind === 'obo'
                  ? await pod.onBehalfOf(assertionOf(pods, person), scope, undefined, agent)
                  : await pod.agentUser(String(agent), person, scope, as);
            const [, number, oid] = token.split('-');
            const call = pods.entra.calls[Number(number) - 1];
            assert.deepEqual([call?.client, call?.agent], [as.name, agent]);
            if (kind !== 'app') assert.deepEqual([oid?.split('.')[0], call?.scopes], [person, [scope]]);
            const what = JSON.stringify([kind, agent, as.name, kind !== 'app' && [person, scope]]);
            assert.equal(seen.get(what) ?? token, token, 'acquired once');
            seen.set(what, token);
          }),
        );
        assert.equal(new Set(seen.values()).size, seen.size);
      }),
      { numRuns: 30 },
    );
  });
});
