import { atLeast, atMost, exactly, noForeign } from '../../judging/checks.ts';
import type { Act, Observed, Scenario } from '../../judging/scenario.ts';
import { within } from '../../judging/window.ts';
import { decode } from '../../results/histogram.ts';
import type { KindInput } from '../../sending/plan.ts';
import { exchangeKind, signIn, warm } from '../../target/people.ts';
import type { Stage } from '../../target/stage.ts';

type Outage = { how: 'cut' | 'freeze'; fromSeconds: number; untilSeconds: number };

const whole: Outage[] = [
  { how: 'cut', fromSeconds: 15, untilSeconds: 55 },
  { how: 'freeze', fromSeconds: 70, untilSeconds: 110 },
  { how: 'cut', fromSeconds: 125, untilSeconds: 215 },
];
const short: Outage[] = [
  { how: 'cut', fromSeconds: 2, untilSeconds: 6 },
  { how: 'freeze', fromSeconds: 11, untilSeconds: 15 },
];
/** `l1.maxUnverifiedSeconds`: so long memory carries people whom the store cannot vouch for. */
const carriedSeconds = 60;
/** Every tenth request is of somebody new. */
const warmWeight = 9;
const newPeople = 30;
const refusal = '503 temporarily_unavailable';

export const redisDown: Scenario = {
  name: 'redis-down',
  brief: 'Redis is cut, hangs, and is cut again for longer than memory may carry',
  load: { ratePerSecond: 200, users: 500, durationSeconds: 230, brokers: 3 },
  smaller: { ratePerSecond: 100, users: 250 },
  quick: { ratePerSecond: 60, users: 60, durationSeconds: 20 },
  variants: ({ durationSeconds, users }) => {
    const outages = durationSeconds < 230 ? short : whole;
    return [
      {
        name: '',
        stage: { relayed: true },
        load: { users: users + newPeople * outages.length },
        prepare: (stage) => prepare(stage, users, outages),
      },
    ];
  },
};

async function prepare(stage: Stage, users: number, outages: Outage[]): Promise<Act> {
  const known = await signIn(stage, users);
  await warm(stage, known);
  const kinds: KindInput[] = [exchangeKind(stage, known, { name: 'warm', weight: warmWeight * outages.length })];
  for (const [i, { fromSeconds }] of outages.entries()) {
    const people = await signIn(stage, newPeople, users + 1 + i * newPeople);
    // They come when Redis has gone, and until the next outage; one share of all for as long as each lasts.
    const untilSeconds = outages[i + 1]?.fromSeconds;
    kinds.push(
      exchangeKind(stage, people, {
        ...{ name: `new ${i + 1}`, weight: outages.length, fromSeconds: fromSeconds + 1 },
        ...(untilSeconds && { untilSeconds }),
      }),
    );
  }
  const pids = stage.brokers.map(({ child }) => child.process.pid);
  return {
    ...{ kinds, minimumCalls: () => 0, sloMs: 1_000 },
    async during({ at, mark }) {
      for (const { how, fromSeconds, untilSeconds } of outages) {
        await at(fromSeconds);
        stage.relay?.[how]();
        await at(untilSeconds);
        stage.relay?.restore();
        mark(how === 'cut' ? 'cut' : 'frozen', `Redis ${how === 'cut' ? 'cut' : 'frozen'}`, fromSeconds);
      }
    },
    checks: (observed) => [
      ...outages.flatMap((outage, i) => checksOf(observed, outage, i + 1)),
      exactly('failures that are no 503 with Retry-After', otherFailures(observed), 0),
      atMost('slowest refusal', slowestRefusalMs(observed), 1_000, 'ms'),
      exactly(
        'brokers that are the same processes',
        stage.brokers.filter(({ child }, i) => child.process.pid === pids[i] && child.process.exitCode === null).length,
        pids.length,
      ),
      noForeign(observed),
    ],
  };
}

function checksOf({ kinds, seconds }: Observed, { how, fromSeconds, untilSeconds }: Outage, number: number) {
  const name = `${how === 'cut' ? 'cut' : 'frozen'} ${untilSeconds - fromSeconds} s`;
  const { warm: known, [`new ${number}`]: fresh } = kinds;
  const carried = known && within(known, fromSeconds, Math.min(untilSeconds, fromSeconds + carriedSeconds));
  const served = carried ? 100 * (1 - carried.errors / carried.requests) : 0;
  const back = fresh?.firstSuccessAfterErrorSeconds.find((at) => at > untilSeconds) ?? Number.POSITIVE_INFINITY;
  // A call under way when Redis goes belongs to before.
  const calls = seconds
    .filter(({ atSeconds }) => atSeconds > fromSeconds && atSeconds < untilSeconds - 1)
    .reduce((sum, one) => sum + one.calls, 0);
  return [
    atLeast(`${name}: warm people served`, served, 99, '%'),
    exactly(`${name}: calls to Entra`, calls, 0),
    atMost(`${name}: first success after it`, back - untilSeconds, 5, 's'),
  ];
}

function otherFailures({ totals, all }: Observed): number {
  return totals.errors - (all.errors[refusal] ?? 0) + all.withoutRetryAfter;
}

function slowestRefusalMs({ all }: Observed): number {
  const encoded = all.errorLatencies[refusal];
  return encoded ? decode(encoded).maxValue / 1_000 : 0;
}
