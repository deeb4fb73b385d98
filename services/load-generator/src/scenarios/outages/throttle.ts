import { z } from 'zod';
import { atMost, exactly, noForeign } from '../../judging/checks.ts';
import type { Act, Observed, Scenario } from '../../judging/scenario.ts';
import { within } from '../../judging/window.ts';
import { decode } from '../../results/histogram.ts';
import { exchangeKind, signIn, warm } from '../../target/people.ts';
import { entraMs, type Stage } from '../../target/stage.ts';

/** From here to there Entra answers every call so. */
const throttled = { fromSeconds: 30, untilSeconds: 150 };
const retryAfterSeconds = 30;
/** The last window ends so long after, and everybody has asked again a little later. */
const recoverySeconds = 35;
const lifeSeconds = 420;
const refusal = '429 temporarily_unavailable';
/** The emulator's clock and a broker's second need not agree better. */
const earlySeconds = 1;

const requestsSchema = z.array(
  z.object({ at: z.number(), endpoint: z.string(), user: z.string().optional(), outcome: z.string() }),
);

export const throttle: Scenario = {
  name: 'throttle',
  brief: 'Entra answers 429 for two minutes; people with and without tokens',
  load: { ratePerSecond: 200, users: 750, durationSeconds: 200, brokers: 3 },
  smaller: { ratePerSecond: 100, users: 375 },
  quick: { ratePerSecond: 60, users: 150, durationSeconds: 200 },
  notQuick: true,
  variants: () => [{ name: '', prepare: (stage, load) => prepare(stage, load.users) }],
};

async function prepare(stage: Stage, users: number): Promise<Act> {
  await stage.admin('PUT', '/lifetimes', { access: lifeSeconds });
  const people = await signIn(stage, users);
  const known = people.slice(0, Math.round((users * 2) / 3));
  await warm(stage, known);
  await stage.slowEntra(entraMs.least, entraMs.most);
  const calls: { at: number; user: string }[] = [];
  return {
    kinds: [
      exchangeKind(stage, known, { name: 'with tokens', weight: 2 }),
      exchangeKind(stage, people.slice(known.length), {
        name: 'without tokens',
        fromSeconds: throttled.fromSeconds + 1,
      }),
    ],
    minimumCalls: () => 0,
    async during({ at, mark }) {
      await at(throttled.fromSeconds);
      await stage.admin('PUT', '/faults', [
        { match: { path: '/token' }, then: { status: 429, retryAfter: retryAfterSeconds } },
      ]);
      for (let second = throttled.fromSeconds + 2; second <= throttled.untilSeconds; second += 2) {
        await at(second);
        calls.push(...(await recentCalls(stage)));
      }
      await stage.slowEntra(entraMs.least, entraMs.most);
      mark('throttle', 'Entra answers 429', throttled.fromSeconds);
    },
    checks(observed) {
      const { 'with tokens': withTokens, 'without tokens': without } = observed.kinds;
      const refused = without?.errorLatencies[refusal];
      const late = without && within(without, throttled.untilSeconds + recoverySeconds, Number.POSITIVE_INFINITY);
      return [
        exactly('calls that came before their Retry-After', earlyCalls(calls), 0),
        exactly('people with tokens who were refused', sumOf(withTokens?.errors), 0),
        exactly(
          'people without tokens: other answers than 429',
          sumOf(without?.errors) - (without?.errors[refusal] ?? 0),
          0,
        ),
        exactly(
          'refusals without Retry-After, or with a rising one',
          observed.all.withoutRetryAfter + observed.all.risingRetryAfter,
          0,
        ),
        atMost(
          'refusal p99',
          refused ? decode(refused).getValueAtPercentile(99) / 1_000 : Number.POSITIVE_INFINITY,
          50,
          'ms',
        ),
        exactly(`refusals later than ${recoverySeconds} s after`, late?.errors ?? Number.NaN, 0),
        noForeign(observed),
      ];
    },
  };
}

const sumOf = (errors: Observed['all']['errors'] = {}) => Object.values(errors).reduce((a, b) => a + b, 0);

/** The emulator remembers its last 1,000 requests: more than come in two seconds. */
async function recentCalls(stage: Stage): Promise<{ at: number; user: string }[]> {
  const since = Date.now() / 1_000 - 2.5;
  const requests = requestsSchema.parse(await stage.admin('GET', `/requests?since=${since}`));
  return requests.flatMap(({ at, endpoint, user, outcome }) =>
    endpoint === 'token' && user && outcome === 'fault' ? { at, user } : [],
  );
}

/** Looks overlap: the same call seen twice is one. */
function earlyCalls(calls: readonly { at: number; user: string }[]): number {
  const last = new Map<string, number>();
  let early = 0;
  for (const { at, user } of [...calls].sort((a, b) => a.at - b.at)) {
    const before = last.get(user);
    if (before !== undefined && at > before && at < before + retryAfterSeconds - earlySeconds) early += 1;
    last.set(user, at);
  }
  return early;
}
