import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mountFiles } from '../../test/kit/mounts.ts';
import { graphScope } from '../../test/kit/system/registrations.ts';
import type { Stage } from './stage.ts';

/** Something to break: what to watch, what must happen, and a run that breaks it, mends it and gives what did. */
export type Outage = {
  id: string;
  title: string;
  watch: string;
  must: string;
  /** What a number given to the run means; and the usual one. */
  number?: { label: string; usual: number };
  /** @throws AssertionError unless what must happen did. */
  run(stage: Stage, number: number): Promise<string>;
};

const signedIn = /You are signed in as/;
const responded = /The API responded with status 200/;
const crowd = 200;

export const outages: Outage[] = [
  {
    id: 'crowd',
    title: '200 calls at once',
    watch: 'Entra calls, above',
    must: 'One call to Entra for all of them.',
    run: async (stage) => `200 responses, Entra calls: ${await callAtOnce(stage)}`,
  },
  {
    id: 'brokers',
    title: '1 to 3 brokers',
    watch: 'Entra calls: the crowd goes to all brokers in turn',
    must: 'Still one call to Entra: one pod acquires, the others read what it wrote.',
    number: { label: 'Brokers', usual: 3 },
    async run(stage, number) {
      const { system } = stage;
      await using opened = new AsyncDisposableStack();
      const wanted = Math.min(3, Math.max(1, number));
      const more = await Promise.all(Array.from({ length: wanted - 1 }, () => system.startBroker()));
      for (const { child } of more) opened.use(child);
      const aim = () => system.relays.broker.aim(...system.brokers.map(({ port }) => ({ host: '127.0.0.1', port })));
      system.brokers.push(...more);
      opened.defer(() => {
        system.brokers.splice(1);
        aim();
      });
      aim();
      return `${wanted} brokers, Entra calls: ${await callAtOnce(stage)}`;
    },
  },
  {
    id: 'entra-frozen',
    title: 'Stop Entra ID',
    watch: 'a page of somebody who is signed in',
    must: 'Nobody is signed out: tokens are served from memory.',
    async run(stage) {
      const alice = await stage.person('alice');
      using _frozen = stage.freeze('entra-emulator');
      return `the API responded after ${await stage.shows(alice, '/whoami', responded)} ms`;
    },
  },
  {
    id: 'entra-slow',
    title: 'Slow Entra ID',
    watch: 'a page of somebody who is signed in, and a new sign-in',
    must: 'Who is signed in notices nothing; a sign-in takes as long as Entra ID does.',
    number: { label: 'Milliseconds', usual: 2_000 },
    async run(stage, number) {
      const alice = await stage.person('alice');
      await using _slow = await stage.faults({
        match: { path: '/token' },
        delayMs: Math.min(7_000, Math.max(0, number)),
      });
      const ms = await stage.shows(alice, '/whoami', responded, 1_900);
      const startedAtMs = performance.now();
      assert.match(await stage.newSignIn('bob'), signedIn);
      return `the API responded after ${ms} ms, a sign-in took ${Math.round(performance.now() - startedAtMs)} ms`;
    },
  },
  {
    id: 'entra-throttled',
    title: 'Entra ID throttles',
    watch: 'a page of somebody who is signed in, and a new sign-in',
    must: 'Who is signed in goes on; a sign-in is asked to wait as long as Entra ID says.',
    async run(stage) {
      const alice = await stage.person('alice');
      let ms: number;
      {
        await using _throttled = await stage.faults({
          match: { path: '/token' },
          then: { status: 429, retryAfter: 3 },
        });
        ms = await stage.shows(alice, '/whoami', responded);
        assert.match(await stage.newSignIn('bob'), /too many sign-in requests.*Try again in \d+ seconds?/i);
      }
      return `the API responded after ${ms} ms; a sign-in said when, and worked after ${await stage.signsIn('bob')} ms`;
    },
  },
  {
    id: 'aadsts',
    title: 'Any AADSTS error',
    watch: 'a new sign-in',
    must: 'A page that says what to do, with the reference of its trace; nothing of what Entra ID said is shown.',
    number: { label: 'AADSTS', usual: 53_003 },
    async run(stage, aadsts) {
      await using _refused = await stage.faults({ match: { path: '/token' }, then: { aadsts } });
      const says = await stage.newSignIn('bob');
      assert.match(says, /Reference [0-9a-f]{32}/);
      assert.doesNotMatch(says, /AADSTS|You are signed in as/);
      return `the page says: ${says.split(' · ')[0]}`;
    },
  },
  {
    id: 'redis-frozen',
    title: 'Freeze Redis',
    watch: 'a page of somebody who is signed in',
    must: 'Sessions and tokens in memory serve for a minute.',
    async run(stage) {
      const alice = await stage.person('alice');
      stage.system.relays.redis.freeze();
      using _frozen = { [Symbol.dispose]: () => stage.system.relays.redis.restore() };
      return `still signed in, after ${await stage.shows(alice, '/', signedIn)} ms`;
    },
  },
  {
    id: 'broker-frozen',
    title: 'Freeze the broker',
    watch: 'a page of somebody who is signed in',
    must: 'Within ten seconds a page that says so; the session is kept, and goes on afterwards.',
    async run(stage) {
      const alice = await stage.person('alice');
      let ms: number;
      {
        using _frozen = stage.freeze('token-broker');
        ms = await stage.shows(alice, '/', /Sign-in service is unavailable.*Nothing is lost/);
        assert.ok(ms < 10_000);
      }
      return `said so after ${ms} ms; signed in again ${await stage.shows(alice, '/', signedIn)} ms after it went on`;
    },
  },
  {
    id: 'broker-killed',
    title: 'Kill the broker',
    watch: 'the terminal of the demo, and a page of somebody who is signed in',
    must: 'It is started again, and nobody has to sign in.',
    async run(stage) {
      const alice = await stage.person('alice');
      const ms = await stage.kill('token-broker');
      return `back after ${ms} ms; still signed in ${await stage.shows(alice, '/', signedIn)} ms later`;
    },
  },
  {
    id: 'api-frozen',
    title: 'Freeze the API',
    watch: 'the page that calls it',
    must: 'Within ten seconds a page that says so, and the API responds once it goes on.',
    async run(stage) {
      const alice = await stage.person('alice');
      let ms: number;
      {
        using _frozen = stage.freeze('downstream-api');
        ms = await stage.shows(alice, '/whoami', /The service behind this page cannot be reached/);
        assert.ok(ms < 10_000, `${ms} ms`);
      }
      return `said so after ${ms} ms; responded ${await stage.shows(alice, '/whoami', responded)} ms after it went on`;
    },
  },
  {
    id: 'api-killed',
    title: 'Kill the API',
    watch: 'the terminal of the demo, and the page that calls it',
    must: 'It is started again and responds.',
    async run(stage) {
      const alice = await stage.person('alice');
      const ms = await stage.kill('downstream-api');
      return `back after ${ms} ms; it responded ${await stage.shows(alice, '/whoami', responded)} ms later`;
    },
  },
  {
    id: 'revoke',
    title: 'Revoke a person at Entra ID',
    watch: 'the page that calls Graph',
    must: 'The person is sent to sign in, at once.',
    async run(stage) {
      const bob = await stage.person('bob');
      await stage.system.admin('POST', '/users/bob@contoso.test/revoke');
      await bob.open(`${stage.system.web}/graph/me`);
      assert.equal(bob.page.url.origin, stage.system.emulator.browserOrigin, bob.words.slice(0, 200));
      return 'the next call led to the sign-in';
    },
  },
  {
    id: 'disable',
    title: 'Disable a person',
    watch: 'a new sign-in',
    must: 'Entra ID refuses it; nobody else notices.',
    async run(stage) {
      const alice = await stage.person('alice');
      await stage.system.admin('POST', '/users/bob@contoso.test/disable');
      try {
        assert.match(await stage.newSignIn('bob'), /disabled/i);
        await stage.shows(alice, '/whoami', responded);
      } finally {
        await stage.system.admin('POST', '/users/bob@contoso.test/enable');
      }
      return 'refused; alice goes on';
    },
  },
  {
    id: 'clock',
    title: 'Move the clock of Entra ID',
    watch: 'a new sign-in',
    must: 'Some minutes of difference refuse nobody.',
    number: { label: 'Seconds', usual: 120 },
    async run(stage, offsetSeconds) {
      await stage.system.admin('PUT', '/clock', { offsetSeconds });
      try {
        assert.match(await stage.newSignIn('bob'), signedIn);
      } finally {
        await stage.system.admin('PUT', '/clock', { offsetSeconds: 0 });
      }
      return `signed in with ${offsetSeconds} s between the clocks`;
    },
  },
  {
    id: 'key-ring',
    title: 'Rotate the key rings',
    watch: 'a page of somebody who is signed in',
    must: 'Sessions and tokens that the former keys sealed are still good.',
    async run(stage) {
      const alice = await stage.person('alice');
      const id = `k${Date.now()}`;
      const next = { [id]: randomBytes(32).toString('base64'), current: id };
      for (const ring of ['sealing-keys', 'session-keys']) await mountFiles(join(stage.system.stateDir, ring), next);
      const cookie = () => alice.jar.getCookieString(stage.system.web);
      const sealed = await cookie();
      const startedAtMs = performance.now();
      while ((await cookie()) === sealed) {
        await stage.shows(alice, '/', signedIn);
        assert.ok(performance.now() - startedAtMs < 40_000, 'the cookie is not sealed anew');
        await delay(200);
      }
      return `still signed in; the cookie was sealed anew after ${Math.round(performance.now() - startedAtMs)} ms`;
    },
  },
  {
    id: 'redis-killed',
    title: 'Kill Redis',
    watch: 'the terminal of the demo, and a page of somebody who was signed in',
    must: 'It is started again, empty: people sign in once more. The demo’s Redis keeps nothing on disk.',
    async run(stage) {
      const ms = await stage.kill('redis');
      return `back after ${ms} ms; signed in ${await stage.signsIn('alice')} ms later`;
    },
  },
  {
    id: 'signing-key',
    title: 'Rotate the signing key of Entra ID',
    watch: 'a new sign-in',
    must: 'Sign-ins work within a minute: the keys are fetched again for one that is not known, once a minute. Entra ID publishes a key days before it signs with it.',
    async run(stage) {
      for (const step of ['stage', 'activate']) await stage.system.admin('POST', `/keys/${step}`);
      return `signed in with a token of the new key after ${await stage.signsIn('bob', 65_000)} ms`;
    },
  },
];

/** 200 calls on behalf of one person whose token nobody has acquired yet. Gives how many reached Entra; it must be one. */
async function callAtOnce(stage: Stage): Promise<number> {
  const { system } = stage;
  // Whatever was acquired for him goes.
  const bob = await stage.person('bob');
  await bob.open(system.web);
  await bob.press('Sign out everywhere');
  try {
    const session = await system.signIn('bob');
    const { body } = await system.exchange(0, session);
    const assertion = String(body.access_token);
    await system.admin('DELETE', '/counters');
    const responses = await Promise.all(
      Array.from({ length: crowd }, (_, call) =>
        system.onBehalfOf(call % system.brokers.length, assertion, graphScope),
      ),
    );
    const refused = responses.find(({ status }) => status !== 200);
    assert.ok(!refused, `refused: ${JSON.stringify(refused?.body)}`);
    const calls = await system.calls('on_behalf_of');
    assert.equal(calls, 1, `Entra calls: ${calls}`);
    return calls;
  } finally {
    // The sign-in of a script needs no page; people have theirs back.
    await system.admin('PUT', '/interaction', { mode: 'page' });
  }
}
