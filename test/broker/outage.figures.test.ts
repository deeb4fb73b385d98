import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { record } from '../../tools/run/figures.ts';
import { openSystem } from '../kit/system/open.ts';
import type { BrokerResponse, System } from '../kit/system/system.ts';

const perSecond = 100;
const outageMs = 10_000;
const outages = { cut: 'cut', freeze: 'frozen' } as const;
let system: System;
const sessions: string[] = [];

before(async () => {
  system = await openSystem({
    ...{ name: 'broker-outage', brokers: 2, people: 20, relayed: true },
    // As it ships: how soon a silent Redis is given up is what is measured.
    env: { broker: { REDIS_COMMAND_TIMEOUT_MS: '250' } },
  });
  for (let n = 1; n <= 20; n += 1) sessions.push(await system.signIn(`load${String(n).padStart(5, '0')}`));
});
beforeEach(() => system.until(areHeld));
after(() => system.close());

/** Whether both brokers give everybody's token without a look into Redis: news of a write withdraws what was just read. */
async function areHeld(): Promise<boolean> {
  const looks = async () => /keyspace_hits:\d+/.exec(String(await system.redisCommand(['INFO', 'stats'])))?.[0];
  const before = await looks();
  for (const broker of [0, 1]) await Promise.all(sessions.map((session) => system.exchange(broker, session)));
  return before !== undefined && (await looks()) === before;
}

type Sample = { atMs: number; answer: BrokerResponse };

/** Asks for held tokens at a steady rate until told to stop; every answer with the time it was asked for. */
function load(): AsyncDisposable & { samples: Sample[]; stop(): Promise<void> } {
  const samples: Sample[] = [];
  const running: Promise<unknown>[] = [];
  let n = 0;
  const timer = setInterval(() => {
    n += 1;
    const atMs = performance.now();
    const asked = system.exchange(n % 2, String(sessions[n % sessions.length]));
    running.push(asked.then((answer) => samples.push({ atMs, answer })));
  }, 1_000 / perSecond);
  const stop = async () => {
    clearInterval(timer);
    await Promise.all(running);
  };
  return { samples, stop, [Symbol.asyncDispose]: stop };
}

describe('while Redis is away', () => {
  for (const kind of ['cut', 'freeze'] as const) {
    it(`serves what it holds for 10 s of ${kind}, refuses the rest at once, and heals within 5 s`, async () => {
      const relay = system.relays.redis;
      assert.ok(relay);
      await using traffic = load();
      await system.admin('DELETE', '/counters');
      using _away = { [Symbol.dispose]: relay.restore };
      relay[kind]();
      const cutMs = performance.now();
      // A request for what no memory holds: another scope, and a new sign-in.
      const colds: BrokerResponse[] = [];
      while (performance.now() - cutMs < outageMs) {
        const session = String(sessions[colds.length % sessions.length]);
        colds.push(await system.exchange(colds.length % 2, session, 'https://graph.microsoft.com/User.Read'));
        await delay(200);
      }
      let code = await system.startSignIn('alice');
      const signIn = await system.post(0, '/oauth2/token', code.fields);
      assert.equal(signIn.status, 503);
      relay.restore();
      const backMs = performance.now();
      let healedMs = Number.NaN;
      await system.until(async () => {
        const answer = await system.post(0, '/oauth2/token', code.fields);
        if (answer.status === 200) healedMs = performance.now() - backMs;
        // Entra takes a code once, whether or not Redis then took the session.
        if (answer.status === 400) code = await system.startSignIn('alice');
        return answer.status === 200;
      });
      await traffic.stop();

      const during = traffic.samples.filter(({ atMs }) => atMs > cutMs && atMs < backMs);
      const served = during.filter(({ answer }) => answer.status === 200).length / during.length;
      const refused = [...colds, ...during.map((one) => one.answer)].filter(({ status }) => status !== 200);
      for (const answer of refused) {
        assert.equal(answer.status, 503);
        assert.ok(Number(answer.headers.get('retry-after')) >= 1);
      }
      assert.equal(await system.calls('refresh_token'), 0, 'Entra is not asked without Redis');
      const restarted = system.brokers.filter(({ child }) => child.process.exitCode !== null).length;
      const away = `Redis ${outages[kind]} for 10 s` as const;
      record(`${away}: requests for held tokens served`, served * 100);
      record(`${away}: slowest refusal`, Math.max(...refused.map(({ ms }) => ms)));
      record(`${away}: until the first success after it`, healedMs / 1_000);
      record(`${away}: brokers restarted`, restarted);
      for (const { admin } of system.brokers) assert.equal((await fetch(`${admin}/readyz`)).status, 200);
    });
  }

  it('ends no session', async () => {
    let ended = 0;
    for (const session of sessions) {
      const { status, body } = await system.post(1, '/oauth2/introspect', { token: session });
      assert.equal(status, 200);
      if (body.active !== true) ended += 1;
    }
    record('Redis cut and frozen: sessions ended', ended);
    record('keys without an end after the outages', (await system.immortalKeys()).length);
  });
});
