import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ended } from '../kit/child.ts';
import { type Line, linesOf, referenceOn } from '../kit/references.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import type { Visitor } from '../kit/visitor.ts';
import { type OwnRedis, openOwnRedis } from './own-redis.ts';
import { signInUrl } from './people.ts';

const opened = new AsyncDisposableStack();
let redis: OwnRedis;
let system: System;
/** Signed in from the start. */
let alice: Visitor;

before(async () => {
  redis = opened.use(await openOwnRedis('outage-references'));
  const env = { web: { PUBLIC_RATE_BURST: '10000' } };
  system = opened.use(await openSystem({ frontend: true, name: 'outage-references', redis: redis.redis, env }));
  await instruct();
  alice = system.visitor();
  await whole();
});
after(() => opened.disposeAsync());

/** The emulator forgets it when it is killed. */
async function instruct(): Promise<void> {
  await system.admin('PUT', '/interaction', { mode: 'auto', user: 'alice@contoso.test' });
  // A token with less than 300 s left is acquired anew with each call.
  await system.admin('PUT', '/lifetimes', { access: 310 });
}

const signal = (name: string, to: NodeJS.Signals) => async () => void system.program(name).process.kill(to);
const frozen = (name: string) => ({ strike: signal(name, 'SIGSTOP'), mend: signal(name, 'SIGCONT') });
const killed = (name: string) => ({
  strike: async () => {
    system.program(name).process.kill('SIGKILL');
    await ended(system.program(name).process);
  },
  mend: () => system.restart(name),
});
type Trouble = { strike: () => unknown; mend: () => unknown; told: [string, string] };

/** What is taken away, how, and who says so of what. */
const troubles: Record<string, () => Trouble> = {
  'Redis refuses connections': () => ({
    ...{ strike: () => system.relays.redis.cut(), mend: () => system.relays.redis.restore() },
    told: ['token-broker', 'redis'],
  }),
  'Redis is frozen': () => ({
    ...{ strike: async () => redis.signal('SIGSTOP'), mend: async () => redis.signal('SIGCONT') },
    told: ['token-broker', 'redis'],
  }),
  'Redis is killed': () => ({
    strike: () => redis.stop(),
    mend: async () => {
      redis = opened.use(await redis.reopen());
      system.relays.redis.aim(redis.redis);
    },
    told: ['token-broker', 'redis'],
  }),
  // People still get there and back: it is the broker that gets no response.
  'Entra ID breaks connections': () => ({
    strike: () => system.admin('PUT', '/faults', [{ match: { path: '/token' }, then: { abort: 'before' } }]),
    mend: () => system.admin('DELETE', '/faults'),
    told: ['token-broker', 'entra'],
  }),
  'Entra ID hangs': () => ({
    strike: () => system.admin('PUT', '/faults', [{ match: { path: '/token' }, delayMs: 60_000 }]),
    mend: () => system.admin('DELETE', '/faults'),
    told: ['token-broker', 'entra'],
  }),
  'Entra ID is killed': () => {
    const { strike, mend } = killed('entra-emulator');
    return { strike, mend: () => mend().then(instruct), told: ['token-broker', 'entra'] };
  },
  // A broker that runs keeps them for a day.
  "the cluster's keys are gone when the broker starts": () => {
    const { strike, mend } = killed('token-broker');
    return {
      strike: async () => {
        system.cluster.reachable = false;
        await strike();
        await mend();
      },
      mend: () => {
        system.cluster.reachable = true;
      },
      told: ['token-broker', 'cluster-keys'],
    };
  },
  'the broker refuses connections': () => ({
    ...{ strike: () => system.relays.broker.cut(), mend: () => system.relays.broker.restore() },
    told: ['web-frontend', 'token-broker'],
  }),
  'the broker is frozen': () => ({ ...frozen('token-broker'), told: ['web-frontend', 'token-broker'] }),
  'the broker is killed': () => ({ ...killed('token-broker'), told: ['web-frontend', 'token-broker'] }),
  'the API is frozen': () => ({ ...frozen('downstream-api'), told: ['web-frontend', 'downstream-api'] }),
  'the API is killed': () => ({ ...killed('downstream-api'), told: ['web-frontend', 'downstream-api'] }),
};

/** Everything works, and alice is signed in. */
async function whole(): Promise<void> {
  const endMs = performance.now() + 90_000;
  for (;;) {
    await alice.open(signInUrl(system, 'alice@contoso.test', '/graph/me')).catch(() => undefined);
    const { body = '', url } = alice.answers.at(-1) ?? {};
    if (body.includes('responded with status 200')) return;
    assert.ok(performance.now() < endMs, `${url} ${body.slice(-400)}`);
    await delay(200);
  }
}

/** The references without a line. Of a flood the log names those of each second together, when it is over. */
async function lostOf(shown: string[]): Promise<string[]> {
  const endMs = performance.now() + 10_000;
  for (;;) {
    const without = shown.filter((reference) => linesOf(system, reference).length === 0);
    if (without.length === 0 || performance.now() > endMs) return without;
    await delay(200);
  }
}

function toldOf(service: string, dependency: string, from: number): Line[] {
  const text = readFileSync(join(system.logDir, `${service}.log`), 'utf8').slice(from);
  const lines = text.split('\n').filter((line) => line.includes('down"'));
  return lines.map((line) => JSON.parse(line) as Line).filter((line) => line.dependency === dependency);
}

/** Somebody whom Entra ID sends back just now, and where to. */
async function returning(): Promise<[Visitor, string]> {
  const visitor = system.visitor();
  const departure = await visitor.send(signInUrl(system, 'alice@contoso.test', '/profile'));
  const { headers } = await visitor.send(String(departure.headers.location));
  return [visitor, String(headers.location)];
}

/** The pages of some seconds: coming back, signing in, what is shown of oneself, both calls; each with its reference. */
async function references(...first: [Visitor, string][]): Promise<string[]> {
  const seen: string[] = [];
  const endMs = performance.now() + 4_000;
  do {
    const guest = system.visitor();
    const pages: [Visitor, string][] = [
      ...first.splice(0),
      [guest, signInUrl(system, 'alice@contoso.test', '/profile')],
      ...['/', '/profile', '/whoami', '/graph/me'].map((path): [Visitor, string] => [alice, system.web + path]),
    ];
    for (const [visitor, url] of pages) {
      // Entra ID itself may be what does not answer the browser.
      const page = await visitor.open(url).catch(() => undefined);
      if (page && page.status >= 400 && page.url.origin === system.web) seen.push(referenceOn(visitor));
      if (page?.status === 200 && /The API responded with status [45]/.test(visitor.words))
        seen.push(referenceOn(visitor));
    }
  } while (performance.now() < endMs);
  return seen;
}

describe('every reference that a person is shown finds a line, and the log says why, where', () => {
  for (const [what, trouble] of Object.entries(troubles)) {
    it(what, async (context) => {
      const { strike, mend, told } = trouble();
      const [service, dependency] = told;
      const from = readFileSync(join(system.logDir, `${service}.log`), 'utf8').length;
      const back = await returning();
      await strike();
      const shown = await references(back).finally(() => mend());
      const without = await lostOf(shown);
      const down = toldOf(service, dependency, from);
      const reason = down.map((line) => line.reason).join(' ');
      context.diagnostic(`${shown.length} shown, ${without.length} without a line; ${dependency}: ${reason}`);
      assert.ok(shown.length > 0, 'nobody saw anything fail');
      assert.deepEqual(without, []);
      assert.ok(down.length > 0, `${service} does not say that ${dependency} is away`);
      assert.match(reason, /^\w+/);
      // None of them is a reason.
      assert.doesNotMatch(reason, /unknown|\b(?:Error|AbortError|ABORT_ERR|Fault)\b/);
      await whole();
    });
  }
});
