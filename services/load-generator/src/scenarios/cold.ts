import { exactly, noErrors, noForeign, percentileAtMost } from '../judging/checks.ts';
import type { Scenario } from '../judging/scenario.ts';
import { exchangeKind, signIn } from '../target/people.ts';
import { entraMs } from '../target/stage.ts';

/** What acquiring a token may take beyond Entra's own time. */
export const acquireMs = 100;

export const cold: Scenario = {
  name: 'cold',
  brief: 'people with sessions and no tokens, each asks once',
  load: { ratePerSecond: 100, users: 2_000, durationSeconds: 20, brokers: 3 },
  smaller: { ratePerSecond: 25, users: 1_100, durationSeconds: 44 },
  quick: { ratePerSecond: 50, users: 200, durationSeconds: 4 },
  remote: { warm: false, sloMs: entraMs.most + acquireMs },
  variants: () => [
    {
      name: '',
      async prepare(stage, { users, ratePerSecond }) {
        const people = await signIn(stage, users);
        await stage.slowEntra(entraMs.least, entraMs.most);
        const durationSeconds = users / ratePerSecond;
        return {
          kinds: [exchangeKind(stage, people)],
          schedule: { durationSeconds },
          ...{ level: 'Entra', sloMs: entraMs.most + acquireMs },
          minimumCalls: (second) => (second < durationSeconds ? ratePerSecond : 0),
          checks: (observed) => [
            exactly('calls to Entra', observed.totals.calls, users),
            percentileAtMost('latency', observed.all.response, 99, entraMs.most + acquireMs),
            noErrors(observed),
            noForeign(observed),
          ],
        };
      },
    },
  ],
};
