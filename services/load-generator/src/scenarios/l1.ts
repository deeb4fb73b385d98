import { atLeast, atMost, exactly, noErrors, noForeign, percentileAtMost } from '../judging/checks.ts';
import type { Scenario } from '../judging/scenario.ts';
import { exchangeKind, signIn, warm } from '../target/people.ts';

/** How often the brokers read a session again, whatever they have in memory: `sessionRecheckMs`. */
const recheckSeconds = 10;

export const l1: Scenario = {
  name: 'l1',
  brief: 'every token from memory, on every broker',
  load: { ratePerSecond: 2_000, users: 5_000, durationSeconds: 60, brokers: 3 },
  smaller: { ratePerSecond: 500, users: 1_000 },
  quick: { ratePerSecond: 200, users: 120, durationSeconds: 4 },
  remote: { warm: true, sloMs: 20 },
  variants: () => [
    {
      name: '',
      async prepare(stage, { users, brokers }) {
        const people = await signIn(stage, users);
        await warm(stage, people);
        return {
          kinds: [exchangeKind(stage, people)],
          ...{ level: 'L1', sloMs: 20, minimumCalls: () => 0 },
          checks(observed) {
            const { totals, all, load } = observed;
            const { HGET = 0, HMGET = 0, GET = 0 } = totals.redisCommands;
            const rounds = Math.ceil(load.durationSeconds / recheckSeconds) + 1;
            return [
              atLeast('tokens from L1', (100 * totals.l1) / totals.requests, 99.9, '%'),
              exactly('calls to Entra', totals.calls, 0),
              exactly(
                'token reads at Redis beyond misses of L1',
                Math.max(0, HGET + HMGET - 2 * (totals.requests - totals.l1)),
                0,
              ),
              atMost('session reads at Redis, one per broker and 10 s', GET, users * brokers * rounds),
              percentileAtMost('latency', all.response, 99, 20),
              noErrors(observed),
              noForeign(observed),
            ];
          },
        };
      },
    },
  ],
};
