import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Fault } from '@onbehalf/node/core/fault';
import { faultOf } from '@onbehalf/node/core/fault.fake';
import { refusal } from '../entra/entra.fake.ts';
import { endingDueSeconds, endingForgottenSeconds } from '../lifetimes.ts';
import { api, openPods, openSignedIn, otherWeb, type Pods, settled, tenantId, web } from '../tokens/pods.fake.ts';

const unavailable = (error: unknown) => error instanceof Fault && error.code === 'unavailable';

/** Waits until the work behind the callers is done, however many steps it takes. */
async function behind(): Promise<void> {
  for (let i = 0; i < 10; i += 1) await settled();
}

/** A person with sessions that are to end, and an assertion of theirs. */
type Scene = {
  pods: Pods;
  person: string;
  assertion: string;
  /** The tokens of what is to end. */
  tokens: string[];
  end(): Promise<unknown>;
  /** What may be said of the end, and how many sessions it names. */
  says: { event: string; reason?: string; ended?: number };
  /** The person stays signed in elsewhere, so that their assertion stays good. */
  stays?: boolean;
};

async function openScene(perAccount = 20) {
  const pods = openPods({ pods: 2, perAccount });
  const person = randomUUID();
  const assertion = pods.makeAssertion(person);
  return { pods, person, assertion };
}

/** Each kind of end. */
const kinds: [string, () => Promise<Scene>][] = [
  [
    'of one session',
    async () => {
      const { pods, person, assertion } = await openScene();
      const tokens = [await pods.first.signIn(person)];
      const end = () => pods.first.broker.revoke(web, tokens[0] ?? '');
      return { pods, person, assertion, tokens, end, says: { event: 'session_ended', reason: 'sign_out' } };
    },
  ],
  [
    'of one session of several',
    async () => {
      const { pods, person, assertion } = await openScene();
      const tokens = [await pods.first.signIn(person)];
      await pods.second.signIn(person);
      const end = () => pods.first.broker.revoke(web, tokens[0] ?? '');
      const says = { event: 'session_ended', reason: 'sign_out' };
      return { pods, person, assertion, tokens, end, stays: true, says };
    },
  ],
  [
    'of all sessions of an account',
    async () => {
      const { pods, person, assertion } = await openScene();
      const tokens: string[] = [];
      for (let i = 0; i < 3; i += 1) tokens.push(await pods.first.signIn(person));
      const end = () => pods.first.broker.endAccount(web, tokens[1] ?? '');
      return { pods, person, assertion, tokens, end, says: { event: 'sessions_ended', reason: 'sign_out', ended: 3 } };
    },
  ],
  [
    'by sid',
    async () => {
      const { pods, person, assertion } = await openScene();
      const tokens = [await pods.first.signIn(person), await pods.second.signIn(person)];
      const end = () => pods.first.broker.endBySid(web, `sid-${person}`);
      const says = { event: 'sessions_ended', reason: 'front_channel', ended: 2 };
      return { pods, person, assertion, tokens, end, says };
    },
  ],
  [
    'by the operator',
    async () => {
      const { pods, person, assertion } = await openScene();
      const tokens = [await pods.first.signIn(person), await pods.second.signIn(person)];
      await pods.first.signIn(person, otherWeb);
      const end = () => pods.first.broker.endPerson(api, tenantId, person);
      return { pods, person, assertion, tokens, end, says: { event: 'sessions_ended', reason: 'operator', ended: 3 } };
    },
  ],
  [
    'by the operator of who has no session',
    async () => {
      const { pods, person, assertion } = await openScene();
      const end = () => pods.first.broker.endPerson(api, tenantId, person);
      const says = { event: 'sessions_ended', reason: 'operator', ended: 0 };
      return { pods, person, assertion, tokens: [], end, says };
    },
  ],
  [
    'because Entra revoked the account',
    async () => {
      const { pods, person, assertion } = await openScene();
      const tokens = [await pods.first.signIn(person), await pods.first.signIn(person)];
      pods.entra.responses.refresh = () => refusal('revoked');
      const end = async () => {
        await assert.rejects(pods.first.exchange(tokens[0] ?? ''), (error) => {
          if (unavailable(error)) throw error;
          return faultOf('invalid_grant')(error);
        });
        // A caller with the token of a session that ends does not wait for its end.
        await behind();
      };
      return { pods, person, assertion, tokens, end, says: { event: 'sessions_revoked', reason: 'revoked', ended: 2 } };
    },
  ],
];

const isDead = async ({ pods, tokens, assertion, stays }: Scene, where: string) => {
  for (const pod of pods.all) {
    for (const token of tokens) {
      assert.equal(await pod.isActive(token), false, where);
      await assert.rejects(pod.exchange(token), faultOf('invalid_grant'), where);
    }
    if (!stays) await assert.rejects(pod.onBehalfOf(assertion), faultOf('invalid_grant'), where);
  }
};

/** Everything is done, and said once. */
async function assertDone(scene: Scene, where: string, signedInSince = 0): Promise<number> {
  const { pods, stays, says } = scene;
  await isDead(scene, where);
  const left = (stays ? 1 : 0) + signedInSince;
  assert.equal(pods.keys('session').length, left, where);
  for (const kind of ['account', 'sid']) assert.equal(pods.keys(kind).length, Math.min(left, 1), `${where}: ${kind}`);
  assert.deepEqual([...pods.keys('ending'), ...(stays ? [] : pods.keys('obo'))], [], where);
  for (const [key, ttlMs] of pods.watch.ttls()) assert.ok(Number.isFinite(ttlMs), `${where}: ${key}`);
  const lines = pods.ended().map(({ event, reason, ended }) => ({ event, reason, ended }));
  const [line, ...again] = lines;
  assert.deepEqual(line, { ended: undefined, ...says, event: `audit.${says.event}` }, where);
  for (const one of again) assert.ok(one.ended === 0 || isDeepStrictEqual(one, line), where);
  // The operator's second word is another end, of whatever came since.
  return lines.filter((one) => one.ended !== 0).length;
}

/** The ways to come upon an end that broke off. */
const later: [string, (scene: Scene) => Promise<unknown>][] = [
  ['the same once more', ({ end }) => end()],
  ['any pod, some seconds later', ({ pods }) => pods.second.sweep()],
  [
    'whoever shows the token',
    async ({ pods, tokens }) => {
      for (const token of tokens) await pods.second.isActive(token);
      await behind();
    },
  ],
  ['the next sign-in of the person', ({ pods, person }) => pods.second.signIn(person)],
];

describe('an end', () => {
  for (const [kind, open] of kinds) {
    for (const lost of ['the command', 'the response'] as const) {
      it(`${kind} that breaks off at any step, ${lost} lost, is resumed, and logged only when it is done`, async () => {
        let cuts = 0;
        for (const [who, resume] of later) {
          let saidTwice = 0;
          for (let cut = 1, broke = true; broke; cut += 1) {
            const scene = await open();
            const { pods, end } = scene;
            const where = `${who}, cut at ${cut}`;
            await pods.first.onBehalfOf(scene.assertion);
            let steps = 0;
            pods.watch.step = async (when) => {
              if (when === 'before') steps += 1;
              if (steps >= cut + (lost === 'the response' && when === 'before' ? 1 : 0)) pods.watch.away = true;
              // The response is lost by the next look at the store, which is away, or here.
              if (when === 'after' && pods.watch.away) throw new Fault('unavailable', 'The response is lost.');
            };
            broke = await end().then(
              () => false,
              (error) => {
                assert.ok(unavailable(error), `${where}: ${error}`);
                return true;
              },
            );
            pods.watch.step = undefined;
            pods.watch.away = false;
            if (!broke) {
              assert.ok((await assertDone(scene, `${where}: in one go`)) <= 1);
              break;
            }
            cuts += 1;
            if (pods.ended().length > 0) await isDead(scene, `${where}: said, so it is so`);
            pods.advance(endingDueSeconds + 1);
            const active = await Promise.all(scene.tokens.map((token) => pods.second.isActive(token)));
            await resume(scene);
            // It may have broken off before it began: then all is as it was, and the caller knows.
            const begun = active.includes(false) || pods.ended().length > 0;
            if (!begun && who !== 'the same once more') {
              assert.ok(!active.includes(false), where);
              await end();
            }
            // These marks lie under tokens that nobody shows here.
            if (kind.startsWith('by the operator') && who === 'whoever shows the token') await pods.second.sweep();
            const since = who.startsWith('the next sign-in') && begun ? 1 : 0;
            if (!begun && who.startsWith('the next sign-in')) continue;
            if ((await assertDone(scene, where, since)) > 1) saidTwice += 1;
            pods.advance(endingForgottenSeconds);
            await pods.first.sweep();
            assert.equal(await pods.store.get(pods.redisKeys.endings), undefined, `${where}: nothing is under way`);
          }
          assert.ok(saidTwice <= 1, 'only where the last command may be lost, or its response');
        }
        assert.ok(cuts > 30, `${cuts}`);
      });
    }
  }

  /** Lets an end run up to this operation; from then on the store is away for it. */
  async function breakOffAfter(pods: Pods, operation: string, end: () => Promise<unknown>): Promise<void> {
    pods.watch.step = async (when, name) => {
      if (when === 'before' && pods.watch.away) throw new Fault('unavailable', 'The store is away.');
      if (when === 'after' && name === operation) pods.watch.away = true;
    };
    await assert.rejects(end(), unavailable);
    pods.watch.step = undefined;
    pods.watch.away = false;
  }

  it('of one session that broke off grows into one of all, if that is asked for next', async () => {
    const pods = openPods({ pods: 2 });
    const person = randomUUID();
    const [a, b] = [await pods.first.signIn(person), await pods.first.signIn(person)];
    await breakOffAfter(pods, 'replace', () => pods.first.broker.revoke(web, a));
    await breakOffAfter(pods, 'replace', () => pods.second.broker.endAccount(web, a));
    assert.ok(await pods.first.isActive(b), 'its own turn had not come');
    pods.advance(endingDueSeconds);
    await pods.first.sweep();
    assert.equal(await pods.second.isActive(b), false);
    for (const kind of ['session', 'account']) assert.deepEqual(pods.keys(kind), []);
    assert.deepEqual(
      pods.ended().map(({ event, ended }) => [event, ended]),
      [['audit.sessions_ended', 2]],
    );
  });

  it('of a person that broke off is counted by the next, with what began since', async () => {
    const pods = openPods();
    const person = randomUUID();
    const end = () => pods.first.broker.endPerson(api, tenantId, person);
    for (let i = 0; i < 2; i += 1) await pods.first.signIn(person);
    await breakOffAfter(pods, 'replace', end);
    assert.equal(await end(), 2);
    await pods.first.signIn(person);
    await breakOffAfter(pods, 'replace', end);
    for (let i = 0; i < 2; i += 1) await pods.first.signIn(person, otherWeb);
    assert.equal(await end(), 2, 'the next sign-in had it completed');
  });

  it('is not called done where its last mark could not be removed, and is resumed', async () => {
    let [replaces, failing] = [0, 0];
    const revoke = async () => {
      const { pods, token } = await openSignedIn();
      replaces = 0;
      pods.watch.step = async (when, operation) => {
        if (when !== 'before' || operation !== 'replace') return;
        replaces += 1;
        if (replaces === failing) throw new Fault('unavailable', 'The store is away.');
      };
      return { pods, ended: pods.first.broker.revoke(web, token) };
    };
    await (await revoke()).ended;
    failing = replaces;
    const { pods, ended } = await revoke();
    await assert.rejects(ended, unavailable);
    pods.watch.step = undefined;
    pods.advance(endingDueSeconds);
    await pods.first.sweep();
    assert.deepEqual(pods.keys('session'), []);
  });

  it('leaves the mark of another end alone, and both are logged', async () => {
    const pods = openPods();
    const person = randomUUID();
    const [a, b] = [await pods.first.signIn(person), await pods.first.signIn(person)];
    await breakOffAfter(pods, 'replace', () => pods.first.broker.revoke(web, b));
    assert.equal(await pods.first.broker.endAccount(web, a), 2);
    pods.advance(endingDueSeconds);
    await pods.first.sweep();
    assert.deepEqual(pods.keys('session'), []);
    const said = pods.ended().map(({ event }) => event);
    assert.deepEqual(said, ['audit.sessions_ended', 'audit.session_ended']);
  });

  it('is logged once, however many complete it at once', async () => {
    const { pods, token } = await openSignedIn({ pods: 2 });
    await Promise.all(Array.from({ length: 10 }, (_, i) => (pods.all[i % 2] ?? pods.first).broker.revoke(web, token)));
    assert.equal(pods.ended().length, 1);
  });

  it('is not held up by announcements that are none', async () => {
    const { pods, token } = await openSignedIn({ pods: 2 });
    for (const member of ['', '{}', '["a"]', '[1,2,3]'])
      await pods.store.addMember(pods.redisKeys.endings, member, 60_000);
    await breakOffAfter(pods, 'replace', () => pods.first.broker.revoke(web, token));
    pods.advance(endingDueSeconds);
    await pods.second.sweep();
    assert.equal(pods.ended().length, 1);
    assert.equal(await pods.store.get(pods.redisKeys.endings), undefined);
  });

  it('that cannot be resumed keeps no other waiting, and the sweep fails', async () => {
    const pods = openPods();
    for (let i = 0; i < 2; i += 1) {
      const token = await pods.first.signIn(randomUUID());
      await breakOffAfter(pods, 'replace', () => pods.first.broker.revoke(web, token));
    }
    pods.advance(endingDueSeconds);
    let failed = false;
    pods.watch.step = async (when, operation) => {
      if (failed || when !== 'before' || operation !== 'get') return;
      failed = true;
      throw new Fault('unavailable', 'The store is away.');
    };
    await assert.rejects(pods.first.sweep(), unavailable);
    assert.equal(pods.ended().length, 1);
    await pods.first.sweep();
    assert.equal(pods.ended().length, 2);
  });

  it('of what has ended ends nothing, and says so', async () => {
    const { pods, token } = await openSignedIn();
    assert.equal(await pods.first.broker.endAccount(web, token), 1);
    assert.equal(await pods.first.broker.endAccount(web, token), 0);
  });

  it('that is announced and has no mark yet is waited for', async () => {
    const { pods, token } = await openSignedIn({ pods: 2 });
    let go = () => {};
    const paused = new Promise<void>((resolve) => {
      go = resolve;
    });
    pods.watch.step = async (when, name) => (when === 'after' && name === 'forceMember' ? await paused : undefined);
    const slow = pods.first.broker.revoke(web, token);
    await settled();
    pods.watch.step = undefined;
    pods.advance(endingForgottenSeconds - 1);
    await pods.second.sweep();
    assert.ok(await pods.second.isActive(token));
    pods.watch.step = async (when, name) => {
      if (when === 'after' && name === 'replace') pods.watch.away = true;
    };
    go();
    await assert.rejects(slow, unavailable);
    pods.watch.step = undefined;
    pods.watch.away = false;
    await pods.second.sweep();
    assert.equal(pods.ended().length, 1);
    assert.equal(await pods.store.get(pods.redisKeys.endings), undefined);
  });
});
