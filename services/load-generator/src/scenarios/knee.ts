import { noForeign } from '../judging/checks.ts';
import type { Act, Load, Observed, Scenario, Variant } from '../judging/scenario.ts';
import type { Check } from '../results/result.ts';
import type { KindInput } from '../sending/plan.ts';
import { appScope, grants, graphScope } from '../target/oauth.ts';
import { each, exchangeKind, patiently, type SignedIn, signIn, warm } from '../target/people.ts';
import type { Stage } from '../target/stage.ts';

/** The line that a hit is to stay below, as in `l1`. */
const sloMs = 20;
/** The rate from which it rises: any broker serves it. */
const fromPerSecond = 50;
/** One slow second is chance. */
const secondsBroken = 3;
const percent = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

type Prepare = (stage: Stage, people: SignedIn[]) => Promise<KindInput>;

/** Each grant, its tokens in memory. */
const prepared: Record<string, Prepare> = {
  'token-exchange': async (stage, people) => {
    await warm(stage, people);
    return exchangeKind(stage, people);
  },
  'jwt-bearer': async (stage, people) => {
    const shown = await each(people, async ({ session, oid }) => {
      const { body } = await patiently(() => stage.exchange(0, session));
      return { fields: { assertion: String(body.access_token) }, oid };
    });
    return {
      ...{ name: 'jwt-bearer', assertionFile: stage.assertionFile('api'), people: shown },
      fields: { grant_type: grants.jwtBearer, requested_token_use: 'on_behalf_of', scope: graphScope },
    };
  },
  client_credentials: async (stage) => ({
    ...{ name: 'client_credentials', assertionFile: stage.assertionFile('job'), people: [{}] },
    fields: { grant_type: 'client_credentials', scope: appScope },
  }),
};

export const knee: Scenario = {
  name: 'knee',
  brief: 'the rate rises until hits leave their line, for each grant',
  load: { ratePerSecond: 8_000, users: 500, durationSeconds: 120, brokers: 1 },
  smaller: { ratePerSecond: 4_000, users: 200, durationSeconds: 60 },
  quick: { ratePerSecond: 300, users: 20, durationSeconds: 6 },
  onlyByName: true,
  oneStage: true,
  variants: () => Object.entries(prepared).map(([name, prepare]) => variantOf(name, prepare)),
};

function variantOf(name: string, prepare: Prepare): Variant {
  return {
    name,
    async prepare(stage, load): Promise<Act> {
      const people = name === 'client_credentials' ? [] : await signIn(stage, load.users);
      return {
        ...{ kinds: [await prepare(stage, people)], schedule: { shape: 'ramp', fromPerSecond }, saturates: true },
        ...{ sloMs, minimumCalls: () => 0 },
        checks: (observed) => [
          kneeCheck(observed, load),
          ...(name === 'client_credentials' ? [] : [noForeign(observed)]),
        ],
      };
    },
  };
}

/**
 * The rate at which latency leaves its line for good: of the first of three seconds on end whose 99th percentile (the
 * 90th of a second with fewer than 1,000 requests) is above it. Undefined where that did not happen.
 */
export function findKnee(seconds: Observed['seconds'], { ratePerSecond, durationSeconds }: Load): number | undefined {
  const broken = seconds.map(({ p99Ms, p90Ms, errors }) => errors > 0 || (p99Ms ?? p90Ms ?? 0) > sloMs);
  const at = broken.findIndex(
    (_, i) => i + secondsBroken <= broken.length && broken.slice(i, i + secondsBroken).every(Boolean),
  );
  if (at < 0) return undefined;
  return fromPerSecond + (ratePerSecond - fromPerSecond) * Math.min(1, at / durationSeconds);
}

function kneeCheck({ seconds, brokers }: Observed, load: Load): Check {
  const found = findKnee(seconds, load);
  const rate = found ?? load.ratePerSecond;
  const at = Math.floor(((rate - fromPerSecond) / (load.ratePerSecond - fromPerSecond)) * load.durationSeconds);
  const cpu = brokers.reduce((sum, broker) => sum + (broker.seconds.find((one) => one.atSeconds === at)?.cpu ?? 0), 0);
  const cores = cpu > 0 ? `, ${cpu.toFixed(2)} cores of brokers` : '';
  return {
    name: 'the knee: p99 leaves 20 ms',
    target: `above ${fromPerSecond}/s`,
    measured: `${found === undefined ? 'not up to' : 'at'} ${percent.format(rate)}/s${cores}`,
    holds: rate > fromPerSecond,
    time: true,
  };
}
