import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { Fault } from '@onbehalf/node/core/fault';
import { faultOf } from '@onbehalf/node/core/fault.fake';
import type { Client } from '../clients/clients.ts';
import { refusal } from '../entra/entra.fake.ts';
import type { EntraClass, Refusal } from '../entra/entra-errors.ts';
import { openPods, otherWeb, type Pods, web } from '../tokens/pods.fake.ts';

const asked = { redirectUri: 'https://app.test/callback', codeVerifier: 'v', traceId: '0'.repeat(32) };
const send = (pod: Pods['first'], code: string, client: Client = web) => pod.broker.redeem(client, { ...asked, code });
const responding = (pods: Pods, name: EntraClass, more: Partial<Refusal> = {}) => {
  pods.entra.responses.redeemCode = () => refusal(name, more);
};

describe('a code', () => {
  for (const name of ['transient', 'throttled', 'credential'] as const) {
    it(`may be sent once more when Entra did not look at it (${name}), and not a third time`, async () => {
      const pods = openPods({ pods: 2 });
      const members = { error_codes: [1] };
      responding(pods, name, { members });
      await assert.rejects(send(pods.first, 'a'));
      pods.entra.responses.redeemCode = undefined;
      assert.ok((await send(pods.second, 'a')).token);
      await assert.rejects(send(pods.first, 'a'), faultOf('invalid_grant'));
      responding(pods, name, { members });
      for (const pod of pods.all)
        await assert.rejects(send(pod, 'b'), (error) => error instanceof Fault && error.code !== 'invalid_grant');
      pods.entra.responses.redeemCode = undefined;
      await assert.rejects(send(pods.first, 'b'), faultOf('invalid_grant'));
      assert.equal(pods.entra.calls.length, 4);
    });
  }

  it('is redeemed for a sign-in alone, whose API tokens are asked for later', async () => {
    const pods = openPods();
    await send(pods.first, 'a');
    assert.deepEqual(pods.entra.calls[0]?.scopes, ['openid', 'profile', 'offline_access']);
  });

  for (const name of ['code', 'interaction', 'consent', 'sign_in', 'revoked', 'scope', 'configuration'] as const) {
    it(`is spent by a response: ${name}`, async () => {
      const pods = openPods();
      responding(pods, name);
      await assert.rejects(send(pods.first, 'a'));
      pods.entra.responses.redeemCode = undefined;
      await assert.rejects(send(pods.first, 'a'), faultOf('invalid_grant'));
      assert.equal(pods.entra.calls.length, 1);
    });
  }

  it('is with Entra once at a time, in whatever order the pods come forward', async () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const pods = openPods({ pods: 2 });
      let [flying, most, calls] = [0, 0, 0];
      const { redeemCode } = pods.entra.entra;
      pods.entra.entra.redeemCode = async (...request) => {
        calls += 1;
        flying += 1;
        most = Math.max(most, flying);
        if (calls === 1) responding(pods, 'transient');
        const response = await redeemCode(...request);
        pods.entra.responses.redeemCode = undefined;
        flying -= 1;
        return response;
      };
      const results = await pods.interleave(
        seed,
        ...[pods.first, pods.second, pods.first, pods.second].map((pod) => () => send(pod, 'a')),
      );
      const sessions = results.filter((one) => typeof one === 'object').length;
      assert.ok(most === 1 && calls <= 2 && sessions <= 1, `seed ${seed}: ${most} at once, ${calls}, ${sessions}`);
      assert.equal(pods.keys('lease').length, 0);
    }
  });

  it('is not sent, and not spent, while Entra throttles the sign-ins of its client', async () => {
    const pods = openPods({ pods: 2 });
    responding(pods, 'throttled', { retryAfterSeconds: 30 });
    await assert.rejects(send(pods.first, 'a'), faultOf('throttled'));
    pods.entra.responses.redeemCode = undefined;
    pods.advance(10);
    for (const pod of pods.all) {
      await assert.rejects(
        send(pod, 'b'),
        faultOf('throttled', (fault) => assert.equal(fault.retryAfterSeconds, 20)),
      );
    }
    assert.equal(pods.entra.calls.length, 1);
    assert.ok((await send(pods.first, 'c', otherWeb)).token, 'another client has another throttle key');
    pods.advance(20.1);
    for (const code of ['a', 'b']) assert.ok((await send(pods.second, code)).token);
  });

  it('that Entra refuses for itself holds up no other: an outage, a loop, a number of any kind', async () => {
    const pods = openPods();
    const rows: [EntraClass, number[]][] = [
      ['transient', []],
      ['throttled', [50196]],
      ['throttled', [90055]],
      ['credential', []],
      ['configuration', []],
    ];
    for (const [name, error_codes] of rows) {
      responding(pods, name, { members: { error_codes } });
      await assert.rejects(send(pods.first, randomUUID()));
      pods.entra.responses.redeemCode = undefined;
      assert.ok((await send(pods.first, randomUUID())).token, name);
    }
  });

  it('stays unspent while the store is away', async () => {
    const pods = openPods();
    pods.watch.away = true;
    await assert.rejects(send(pods.first, 'a'), faultOf('unavailable'));
    pods.watch.away = false;
    assert.ok((await send(pods.first, 'a')).token);
  });
});
