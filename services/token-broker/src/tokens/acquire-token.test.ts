import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { faultOf } from '@onbehalf/node/core/fault.fake';
import { refusal } from '../entra/entra.fake.ts';
import type { Acquired, Refused } from '../entra/entra.ts';
import { leaseMs } from '../lifetimes.ts';
import { openPods, openSignedIn, tenantId } from './pods.fake.ts';

const claims = '{"access_token":{}}';

describe('a token that another pod acquires', () => {
  it('is waited for until the lease ends or is given back, and for eight seconds in all', async () => {
    const pods = openPods();
    const log: (string | number)[] = [];
    const laterMs = [2_000, 4_000, 1_999, 1];
    pods.store.takeLease = async () => {
      log.push('held');
      pods.clock.ms += laterMs.shift() ?? 0;
      return { heldForMs: 50 };
    };
    pods.store.channel.listenForRelease = () => ({
      async heard(timeoutMs) {
        await turn();
        log.push(timeoutMs);
      },
      [Symbol.dispose]() {},
    });
    await assert.rejects(
      pods.first.appToken(),
      faultOf('unavailable', (fault) => {
        assert.equal(fault.retryAfterSeconds, 5);
      }),
    );
    assert.deepEqual(log, ['held', 55, 'held', 55, 'held', 1, 'held']);
    assert.deepEqual(pods.entra.calls, []);
  });

  it('is acquired at once where that pod gave up between the question for the lease and the wait for it', async () => {
    const pods = openPods({ pods: 2 });
    const broken = Promise.withResolvers<void>();
    pods.entra.gate = () => broken.promise;
    const first = pods.first.appToken().catch(() => {});
    while (pods.entra.calls.length < 1) await turn();
    const takeLease = pods.store.takeLease.bind(pods.store);
    pods.store.takeLease = async (...lease) => {
      const taken = await takeLease(...lease);
      if ('heldForMs' in taken) {
        pods.entra.gate = async () => {};
        broken.reject(new Error('Entra is away.'));
        await first;
      }
      return taken;
    };
    assert.ok(await Promise.race([pods.second.appToken(), delay(leaseMs / 2)]));
  });

  it('later and is no hit by then is not taken for the own one', async () => {
    const pods = openPods({ pods: 2 });
    const [gates, { life }] = [[] as (() => void)[], pods.entra];
    pods.entra.gate = () => new Promise<void>((resolve) => void gates.push(resolve));
    const first = pods.first.appToken();
    while (gates.length < 1) await turn();
    // The lease of the first is over.
    pods.advance(4);
    const second = pods.second.appToken();
    while (gates.length < 2) await turn();
    life.expiresInSeconds = 200;
    gates[1]?.();
    await second;
    life.expiresInSeconds = 3_600;
    gates[0]?.();
    assert.notEqual(await first, await second);
  });
});

describe('what is acquired', () => {
  /** A request whose every step is logged, each a turn after it was begun, with the store's. */
  function openLogged(response: Acquired | Refused) {
    const pods = openPods();
    const log: string[] = [];
    const step = (name: string) => async () => {
      await turn();
      log.push(name);
    };
    const key = pods.redisKeys.app('web', tenantId);
    const request = {
      ...{
        client: 'web',
        partition: { key, kind: 'app' as const, throttleKey: key },
        tenantId,
        scope: 's',
        claims: undefined,
        traceId: 'a'.repeat(32),
      },
      ...{ prepare: step('prepare'), beforeWrite: step('beforeWrite'), afterWrite: step('afterWrite') },
      onRefused: step('onRefused'),
      acquire: async () => {
        log.push('acquire');
        return response;
      },
    };
    pods.watch.step = async (when, operation) => {
      if (when === 'before' && ['readPartition', 'writeToken', 'set'].includes(operation)) log.push(operation);
    };
    return { log, get: () => pods.first.tokens.get(request) };
  }

  it('is prepared before its partition is read, and seen to before and after it is written', async () => {
    const life = { issuedAtSeconds: 1_800_000_000, expiresInSeconds: 3_600, refreshInSeconds: undefined };
    const acquired: Acquired = { ...life, kind: 'token', accessToken: 't', scope: 's', msal: '', account: undefined };
    const { log, get } = openLogged(acquired);
    assert.equal((await get()).record.accessToken, 't');
    assert.deepEqual(log, ['prepare', 'readPartition', 'acquire', 'beforeWrite', 'writeToken', 'afterWrite']);
  });

  it('is remembered as refused once its effects are there', async () => {
    const { log, get } = openLogged(refusal('consent'));
    await assert.rejects(get(), faultOf('consent_required'));
    assert.deepEqual(log, ['prepare', 'readPartition', 'acquire', 'onRefused', 'set']);
  });

  it('is no token once the account is gone, though its session is not', async () => {
    const { pods, token: session } = await openSignedIn();
    await pods.store.delete(String(pods.keys('account')[0]));
    await assert.rejects(pods.first.exchange(session), faultOf('invalid_grant'));
  });

  it('is no token where the account went while it was acquired', async () => {
    const { pods, token: session } = await openSignedIn();
    pods.entra.gate = async () => await pods.store.delete(String(pods.keys('account')[0]));
    await assert.rejects(pods.first.exchange(session), faultOf('invalid_grant'));
  });

  it("is given to an app though its partition went meanwhile: nobody revokes an app's token", async () => {
    const pods = openPods();
    await pods.first.appToken();
    pods.entra.gate = async () => await pods.store.delete(String(pods.keys('app')[0]));
    assert.ok(await pods.first.appToken(claims));
  });

  it("is kept with MSAL's cache where that refreshes it, and without it elsewhere", async () => {
    const pods = openPods();
    const person = randomUUID();
    await pods.first.exchange(await pods.first.signIn(person));
    const assertion = pods.makeAssertion(person);
    for (const asked of [undefined, claims]) {
      await pods.first.onBehalfOf(assertion, undefined, asked);
      await pods.first.appToken(asked);
    }
    const msal = async (kind: string) => (await pods.store.readPartition(String(pods.keys(kind)[0]), [])).msal;
    assert.ok(await msal('account'));
    assert.deepEqual([await msal('obo'), await msal('app')], [undefined, undefined]);
  });

  it('is refused with claims and without them, each for itself', async () => {
    const { pods, token: session } = await openSignedIn();
    pods.entra.reset();
    pods.entra.responses.refresh = () => refusal('interaction');
    for (const asked of [undefined, claims, undefined, claims]) {
      await assert.rejects(pods.first.exchange(session, undefined, asked), faultOf('interaction_required'));
    }
    assert.deepEqual(
      pods.entra.calls.map((call) => call.claims),
      [undefined, claims],
    );
  });
});
