import { exactly, noErrors, percentileAtMost } from '../judging/checks.ts';
import type { Act, Scenario } from '../judging/scenario.ts';
import { nameOf } from '../target/people.ts';
import { entraMs, type Stage } from '../target/stage.ts';

/** What four requests, two of them at the emulator, and the code's redemption may take beyond Entra's own time. */
const oursMs = 250;

export const signIn: Scenario = {
  name: 'sign-in',
  brief: 'whole sign-ins through web-frontend: to Entra and back to a page, each in a fresh browser',
  load: { ratePerSecond: 20, users: 500, durationSeconds: 60, brokers: 3 },
  smaller: { ratePerSecond: 10, durationSeconds: 110 },
  quick: { ratePerSecond: 5, users: 30, durationSeconds: 8 },
  variants: () => [
    { name: '', stage: { front: true }, prepare: (stage, load) => prepare(stage, load.users, load.ratePerSecond) },
  ],
};

async function prepare(stage: Stage, users: number, ratePerSecond: number): Promise<Act> {
  await stage.admin('PUT', '/interaction', { mode: 'auto', user: 'alice@contoso.test' });
  await stage.slowEntra(entraMs.least, entraMs.most);
  const people = Array.from({ length: users }, (_, i) => ({ fields: { login_hint: `${nameOf(i + 1)}@contoso.test` } }));
  return {
    kinds: [{ name: 'sign-in', journey: 'sign-in', people }],
    ...{ targets: [stage.web ?? ''], sloMs: entraMs.most + oursMs, minimumCalls: () => ratePerSecond },
    checks: async (observed) => [
      noErrors(observed),
      exactly('calls to Entra, one for each sign-in', observed.totals.calls, observed.totals.requests),
      exactly('sessions', (await stage.keys('session:*')).length, observed.totals.requests),
      percentileAtMost('latency', observed.all.response, 99, entraMs.most + oursMs),
    ],
  };
}
