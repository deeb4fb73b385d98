import { atMost, exactly, noErrors, noForeign, percentileAtMost } from '../judging/checks.ts';
import type { Scenario } from '../judging/scenario.ts';
import { parseMetrics, total } from '../sampling/metrics-text.ts';
import { each, exchangeKind, type SignedIn, signIn } from '../target/people.ts';
import { entraMs, type Stage } from '../target/stage.ts';
import { acquireMs } from './cold.ts';

const kibibytes = 3;
/** How many people's entries at Redis are looked at. */
const looks = 100;

export const resource: Scenario = {
  name: 'resource',
  brief: 'many people ask for one API from empty caches; what a token takes in memory and at Redis',
  load: { ratePerSecond: 1_000, users: 10_000, durationSeconds: 120, brokers: 3 },
  smaller: { ratePerSecond: 50, users: 1_100, durationSeconds: 60 },
  quick: { ratePerSecond: 50, users: 150, durationSeconds: 6 },
  remote: { warm: false, sloMs: entraMs.most + acquireMs },
  variants: () => [
    {
      name: '',
      async prepare(stage, { users, ratePerSecond, durationSeconds }) {
        const people = await signIn(stage, users);
        await knowSessions(stage, people);
        const before = await l1Bytes(stage);
        await stage.slowEntra(entraMs.least, entraMs.most);
        const seen = Math.min(users, ratePerSecond * durationSeconds);
        return {
          ...{ kinds: [exchangeKind(stage, people)], sloMs: entraMs.most + acquireMs },
          minimumCalls: (second) => Math.max(0, Math.min(ratePerSecond, seen - second * ratePerSecond)),
          async checks(observed) {
            const { totals, all, load } = observed;
            // Each round through the people comes to the next broker.
            const rounds = Math.min(load.brokers, (load.ratePerSecond * load.durationSeconds) / seen);
            const perToken = ((await l1Bytes(stage)) - before) / (seen * rounds);
            return [
              exactly('calls to Entra, people seen', totals.calls, seen),
              percentileAtMost('latency', all.response, 99, entraMs.most + acquireMs),
              atMost('L1, a token', perToken / 1_024, kibibytes, 'KiB'),
              atMost('Redis, a token without its MSAL cache', (await redisBytes(stage)) / 1_024, kibibytes, 'KiB'),
              noErrors(observed),
              noForeign(observed),
            ];
          },
        };
      },
    },
  ],
};

/** Has every broker know every session, so that only tokens are new to its memory. */
async function knowSessions(stage: Stage, people: readonly SignedIn[]): Promise<void> {
  await each(people, async ({ session }) => {
    for (const [broker] of stage.brokers.entries()) await stage.post(broker, '/oauth2/introspect', { token: session });
  });
}

async function l1Bytes(stage: Stage): Promise<number> {
  const pages = await Promise.all(stage.brokers.map(async ({ admin }) => (await fetch(`${admin}/metrics`)).text()));
  return pages.reduce((sum, page) => sum + total(parseMetrics(page), 'onbehalf_cache_l1_size_bytes'), 0);
}

/** The mean size of an account's key less its MSAL cache. */
async function redisBytes(stage: Stage): Promise<number> {
  const keys = (await stage.keys('account:*')).slice(0, looks);
  const sizes = await each(keys, async (key) => {
    const [whole, msal] = [
      await stage.redisCommand(['MEMORY', 'USAGE', key]),
      await stage.redisCommand(['HSTRLEN', key, 'msal']),
    ];
    return Number(whole) - Number(msal);
  });
  return sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
}
