import { exactly, noErrors, noForeign, percentileAtMost } from '../judging/checks.ts';
import type { Scenario } from '../judging/scenario.ts';
import { exchangeKind, signIn, warm } from '../target/people.ts';

/** As small as memory may be set: with more people than it holds, who come in turn, it never hits. */
const l1Off = { L1_MAX_BYTES: '1048576' };

export const l2: Scenario = {
  name: 'l2',
  brief: 'every token from Redis: memory is too small for anybody',
  load: { ratePerSecond: 1_000, users: 5_000, durationSeconds: 60, brokers: 3 },
  smaller: { ratePerSecond: 250, users: 1_000 },
  quick: { ratePerSecond: 150, users: 600, durationSeconds: 4 },
  variants: () => [
    {
      name: '',
      stage: { env: l1Off },
      async prepare(stage, { users }) {
        const people = await signIn(stage, users);
        await warm(stage, people, 1);
        return {
          kinds: [exchangeKind(stage, people)],
          ...{ level: 'L2', sloMs: 20, minimumCalls: () => 0 },
          checks: (observed) => [
            exactly('HGET for each request', (observed.totals.redisCommands.HGET ?? 0) / observed.totals.requests, 1),
            exactly('tokens from L1', observed.totals.l1, 0),
            exactly('calls to Entra', observed.totals.calls, 0),
            percentileAtMost('latency', observed.all.response, 99, 20),
            noErrors(observed),
            noForeign(observed),
          ],
        };
      },
    },
  ],
};
