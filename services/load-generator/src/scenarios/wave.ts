import { atLeast, exactly, noErrors, noForeign, percentileAtMost, ratioAtMost } from '../judging/checks.ts';
import type { Act, Load, Observed, Scenario, Variant } from '../judging/scenario.ts';
import { within } from '../judging/window.ts';
import { exchangeKind, type SignedIn, signIn, warm } from '../target/people.ts';
import { entraMs, type Stage } from '../target/stage.ts';
import { acquireMs } from './cold.ts';

/** MSAL's margin: what has less left is no hit. */
const marginSeconds = 300;
/** Half of the people have asked before the wave comes, the other half run into it. */
const waveAtSeconds = ({ users, ratePerSecond }: Load) => users / ratePerSecond / 2;
/** How long the wave may be seen in the latencies. */
const seenSeconds = 15;
/** From here on tokens with `refresh_in` are refreshed, as long as jitter spreads them; before it is the control. */
const refreshFromSeconds = 20;
const spreadSeconds = 60;
/** Of a life a tenth is jitter: so long a life gives that spread, and something for late seconds. */
const spreadLifeSeconds = 680;

export const wave: Scenario = {
  name: 'wave',
  brief: 'all tokens reach their margin in one second; without and with refresh_in',
  load: { ratePerSecond: 400, users: 2_000, durationSeconds: 300, brokers: 3 },
  smaller: { ratePerSecond: 100, users: 500, durationSeconds: 120 },
  quick: { ratePerSecond: 100, users: 200, durationSeconds: 100 },
  notQuick: true,
  variants: () => [withoutRefreshIn, withRefreshIn],
};

const withoutRefreshIn: Variant = {
  name: 'without refresh_in',
  async prepare(stage, load): Promise<Act> {
    const { people, startAtMs } = await buyTogether(stage, load.users, (leftSeconds) => ({
      access: marginSeconds + Math.round(waveAtSeconds(load) + leftSeconds),
      refreshIn: null,
    }));
    return {
      ...{ kinds: [exchangeKind(stage, people)], startAtMs, sloMs: entraMs.most + acquireMs },
      minimumCalls: firstAsks(load),
      async during({ at, mark }) {
        await at(waveAtSeconds(load) + 1);
        mark('wave', 'all tokens reach the margin', waveAtSeconds(load));
      },
      checks: (observed) => [
        exactly('calls to Entra', observed.totals.calls, load.users),
        percentileAtMost(
          `latency of the first ${seenSeconds} s`,
          within(observed.all, 0, seenSeconds).histogram,
          99,
          entraMs.most + acquireMs,
        ),
        noErrors(observed),
        noForeign(observed),
      ],
    };
  },
};

const withRefreshIn: Variant = {
  name: 'with refresh_in',
  async prepare(stage, load): Promise<Act> {
    const { people, startAtMs } = await buyTogether(stage, load.users, (leftSeconds) => ({
      access: spreadLifeSeconds,
      refreshIn: Math.max(1, Math.round(leftSeconds + refreshFromSeconds)),
    }));
    return {
      ...{ kinds: [exchangeKind(stage, people)], startAtMs, sloMs: 20 },
      minimumCalls: (second) =>
        second >= refreshFromSeconds && second < refreshFromSeconds + spreadSeconds ? load.users / spreadSeconds : 0,
      async during({ at, mark, now }) {
        await at(Math.min(refreshFromSeconds + spreadSeconds + 10, load.durationSeconds - 1));
        mark('refresh', 'refreshed behind the callers', Math.min(refreshFromSeconds, now()));
      },
      checks(observed) {
        const control = within(observed.all, 5, refreshFromSeconds);
        const refreshing = within(observed.all, refreshFromSeconds, refreshFromSeconds + spreadSeconds);
        return [
          exactly('calls to Entra', observed.totals.calls, load.users),
          ratioAtMost('latency while refreshing / before', refreshing.histogram, control.histogram, 99, 1.1),
          atLeast('calls are spread over', spreadOf(observed), spreadSeconds, 's'),
          noErrors(observed),
          noForeign(observed),
        ];
      },
    };
  },
};

/** Has all people's tokens bought one after the other with lives that end together. */
async function buyTogether(stage: Stage, users: number, livesAt: (leftSeconds: number) => object) {
  const beganMs = Date.now();
  const people: SignedIn[] = await signIn(stage, users);
  // A first token costs less than a sign-in, and the generator needs its time.
  const startAtMs = Date.now() + (Date.now() - beganMs) + 12_000;
  const set = () => stage.admin('PUT', '/lifetimes', livesAt((startAtMs - Date.now()) / 1_000));
  await set();
  const setting = setInterval(() => void set().catch(() => {}), 250);
  await warm(stage, people, 1);
  clearInterval(setting);
  await stage.admin('PUT', '/lifetimes', { access: 3_600, refreshIn: null });
  await stage.slowEntra(entraMs.least, entraMs.most);
  return { people, startAtMs };
}

/** Nobody can be refreshed before asking: the first round through the people. */
const firstAsks =
  ({ users, ratePerSecond }: { users: number; ratePerSecond: number }) =>
  (second: number): number =>
    Math.max(0, Math.min(ratePerSecond, users - second * ratePerSecond));

/** Seconds from the first call to the last. */
function spreadOf({ seconds }: Observed): number {
  const busy = seconds.filter(({ calls }) => calls > 0).map(({ atSeconds }) => atSeconds);
  return busy.length === 0 ? 0 : Math.max(...busy) - Math.min(...busy) + 1;
}
