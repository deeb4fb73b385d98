import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { signInUrl } from './people.ts';
import { openTrials, type Trials, type Trouble } from './trial.ts';

const opened = new AsyncDisposableStack();
let system: System;
let trials: Trials;

before(async () => {
  const env = { web: { PUBLIC_RATE_BURST: '10000' } };
  system = opened.use(await openSystem({ frontend: true, name: 'outage-entra', brokers: 2, people: 200, env }));
  // A token with less than 300 s left is acquired anew: everybody needs Entra ID every ten seconds.
  await system.admin('PUT', '/lifetimes', { access: 310 });
  trials = opened.use(await openTrials(system));
});
after(() => opened.disposeAsync());

const faults = (...list: object[]) => system.admin('PUT', '/faults', list);
const heal = () => system.admin('DELETE', '/faults');
/** Entra ID itself, not Graph, which is under v1.0 at the same address. */
const match = { path: 'v2.0' };
const always = (fault: object) => ({ strike: () => faults(fault), mend: heal });
const emulator = (signal: NodeJS.Signals) => async () => void system.program('entra-emulator').process.kill(signal);

/**
 * A stored token with a minute left is served. Nothing is stored yet on behalf of those whose own token was renewed a
 * moment ago: of nine requests that are no guest's one is on behalf of somebody.
 */
const storedServe = 8 / 9 - 0.01;
/** Who was refused is refused for as long as the broker's back-off says, a minute at most; the next sign-in is not. */
const backOffMs = 65_000;
const signInWithinMs = 5_000;

/** Somebody new signs in as soon as Entra ID is back. */
async function signInAnew(): Promise<void> {
  const visitor = system.visitor();
  const backMs = performance.now();
  do {
    await visitor.open(signInUrl(system, 'alice@contoso.test', '/'));
    assert.ok(performance.now() - backMs < signInWithinMs, visitor.words.slice(0, 200));
  } while (!visitor.words.includes('You are signed in as alice@contoso.test'));
}

const troubles: Record<string, Trouble> = {
  'breaks every connection': { ...always({ match, then: { abort: 'before' } }), servedShare: storedServe },
  'hangs (SIGSTOP)': {
    strike: emulator('SIGSTOP'),
    mend: emulator('SIGCONT'),
    servedShare: storedServe,
    refuseMs: 9_000,
  },
  'is slow: 3 s an answer': { ...always({ match, delayMs: 3_000 }), servedShare: storedServe, refuseMs: 9_000 },
  'throttles: 429': {
    ...always({ match: { path: '/token' }, then: { status: 429, retryAfter: 5 } }),
    servedShare: storedServe,
  },
  'fails: 500 and 503': {
    strike: () => faults({ match, rate: 0.5, then: { status: 500 } }, { match, then: { status: 503 } }),
    mend: heal,
    servedShare: storedServe,
  },
};

describe('a steady load', () => {
  for (const [what, trouble] of Object.entries(troubles)) {
    it(`signs nobody out, and the next one in within 5 s: Entra ID ${what}`, async (context) => {
      let signedIn = Promise.resolve();
      const mend = async () => {
        await trouble.mend();
        signedIn = signInAnew();
        // It may fail before it is waited for.
        signedIn.catch(() => undefined);
      };
      await trials.pass({ ...trouble, mend, wholeWithinMs: backOffMs }, context);
      await signedIn;
    });
  }

  it('signs nobody out, and takes no such token: Entra ID signs with a key that it does not publish', async (context) => {
    const old = await publishedKeys();
    await system.admin('POST', '/keys/stage');
    await trials.pass(
      {
        strike: async () => {
          await faults({ match: { path: '/keys' }, then: { status: 200, body: old } });
          await system.admin('POST', '/keys/activate');
        },
        mend: heal,
        // A key that was looked for and not found is looked for again after half a minute.
        wholeWithinMs: 35_000,
        lost: Number.POSITIVE_INFINITY,
      },
      context,
    );
  });
});

async function publishedKeys(): Promise<unknown> {
  const response = await fetch(`${system.emulator.browserOrigin}/common/discovery/v2.0/keys`);
  return await response.json();
}
