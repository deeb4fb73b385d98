import { measureFloor } from '../floor/floor.ts';
import { exactly, noErrors, noForeign, percentileAtMost } from '../judging/checks.ts';
import type { Act, Load, Scenario, Variant } from '../judging/scenario.ts';
import { runPlan, traceEvery } from '../sending/generators.ts';
import type { KindInput } from '../sending/plan.ts';
import { appScope, grants, graphScope } from '../target/oauth.ts';
import { exchangeKind, nameOf, signIn } from '../target/people.ts';
import type { Stage } from '../target/stage.ts';

/** What a waiter may wait beyond Entra's own time and what the same burst takes at bare servers. */
const waitMs = 30;
/** One for each variant, three to practise, and the last for the code. */
const lastUser = 20;

type Buy = (stage: Stage, user: number) => Promise<KindInput>;

/** Each grant as the one request that everybody sends; nobody has its token yet. */
const buys: Record<string, Buy> = {
  async 'token-exchange'(stage, user) {
    return exchangeKind(stage, await signIn(stage, 1, user));
  },
  async 'jwt-bearer'(stage, user) {
    const [person] = await signIn(stage, 1, user);
    const { body } = await stage.exchange(0, person?.session ?? '');
    return {
      name: 'jwt-bearer',
      assertionFile: stage.assertionFile('api'),
      fields: { grant_type: grants.jwtBearer, requested_token_use: 'on_behalf_of', scope: graphScope },
      people: [{ fields: { assertion: String(body.access_token) }, ...(person && { oid: person.oid }) }],
    };
  },
  async client_credentials(stage) {
    for (const key of await stage.keys('app:*')) {
      await stage.redisCommand(['DEL', key]);
      await stage.redisCommand(['PUBLISH', `${stage.prefix}events`, `i:${key}`]);
    }
    const fields = { grant_type: 'client_credentials', scope: appScope };
    return { name: 'client_credentials', assertionFile: stage.assertionFile('job'), fields, people: [{}] };
  },
};

export const stampede: Scenario = {
  name: 'stampede',
  brief: '1,000 requests for one new token in 100 ms over all brokers; every grant, Entra 0.5, 3 and 7 s',
  load: { ratePerSecond: 10_000, users: lastUser, durationSeconds: 0.1, brokers: 3 },
  smaller: { ratePerSecond: 1_250, durationSeconds: 0.8 },
  quick: { ratePerSecond: 1_000, durationSeconds: 0.3 },
  oneStage: true,
  variants: (load) => [
    ...(judgesTimes(load) ? [500, 3_000, 7_000] : [500]).flatMap((delayMs) =>
      Object.keys(buys).map((grant) => variantOf(grant, delayMs, load)),
    ),
    replay(load),
  ],
};

/** How slow Entra is for the bursts before the first one that counts. */
const practiceMs = 500;

const asksOf = ({ ratePerSecond, durationSeconds }: Load) => Math.round(ratePerSecond * durationSeconds);
/** A connection for each: nobody waits for another's answer. */
const connectionsFor = (load: Load) => Math.ceil(asksOf(load) / load.brokers);
/** A burst that is too small for a 99th percentile need neither wait long nor find fast brokers. */
const judgesTimes = (load: Load) => asksOf(load) >= 1_000;
const numbers = new Map<string, number>();

function variantOf(grant: string, delayMs: number, load: Load): Variant {
  return {
    name: `${grant}, Entra ${delayMs / 1_000} s`,
    async prepare(stage): Promise<Act> {
      await stage.admin('DELETE', '/faults');
      if (!numbers.has(stage.prefix) && judgesTimes(load)) await practise(stage, load);
      const user = (numbers.get(stage.prefix) ?? 0) + 1;
      numbers.set(stage.prefix, user);
      const kind = await buys[grant]?.(stage, user);
      const floorMs = judgesTimes(load) ? await floorOf(stage, load, delayMs) : 0;
      const mostMs = Math.round(delayMs + floorMs + waitMs);
      await stage.slowEntra(delayMs, delayMs);
      return {
        ...{ kinds: kind ? [kind] : [], connections: connectionsFor(load) },
        ...{ level: 'wait', sloMs: mostMs, minimumCalls: (second) => (second === 0 ? 1 : 0) },
        async during({ at, mark }) {
          await at(0);
          mark('stampede', `${asksOf(load)} requests`);
        },
        checks: (observed) => [
          exactly('calls to Entra', observed.totals.calls, 1),
          percentileAtMost(
            `latency (Entra ${delayMs} ms + floor ${Math.round(floorMs)} ms + ${waitMs} ms)`,
            ...([observed.all.response, 99, mostMs] as const),
          ),
          noErrors(observed),
          ...(grant === 'client_credentials' ? [] : [noForeign(observed)]),
        ],
      };
    },
  };
}

const floors = new Map<string, number>();

/** Measured once for each delay of a stage, right before the bursts that are held against it. */
async function floorOf(stage: Stage, load: Load, delayMs: number): Promise<number> {
  const name = `${stage.prefix} ${delayMs}`;
  const known = floors.get(name);
  if (known !== undefined) return known;
  stage.say(`measuring the floor of a burst that is held for ${delayMs} ms`);
  const floorMs = await measureFloor(load, delayMs, connectionsFor(load));
  floors.set(name, floorMs);
  return floorMs;
}

/** Half a second in which 1,000 requests come is no time to compile what answers them: a burst of each grant first. */
async function practise(stage: Stage, load: Load): Promise<void> {
  const { ratePerSecond, durationSeconds } = load;
  const targets = stage.brokers.map(({ url }) => url);
  for (const [i, [grant, buy]] of Object.entries(buys).entries()) {
    stage.say(`practising ${grant}`);
    const kind = await buy(stage, lastUser - 1 - i);
    await stage.slowEntra(practiceMs, practiceMs);
    const schedule = { ratePerSecond, durationSeconds };
    await runPlan({ targets, schedule, kinds: [kind], connections: connectionsFor(load), traceEvery });
    await stage.admin('DELETE', '/faults');
  }
}

/** One code, sent by all. */
function replay(load: Load): Variant {
  return {
    name: 'one authorization code',
    async prepare(stage): Promise<Act> {
      await stage.admin('DELETE', '/faults');
      const { fields } = await stage.startSignIn(nameOf(lastUser));
      await stage.slowEntra(500, 500);
      return {
        kinds: [{ name: 'authorization_code', assertionFile: stage.assertionFile('web'), fields, people: [{}] }],
        ...{ connections: connectionsFor(load), minimumCalls: (second) => (second === 0 ? 1 : 0) },
        checks: ({ totals, all }) => [
          exactly('calls to Entra', totals.calls, 1),
          exactly('successes', totals.requests - totals.errors, 1),
          exactly('refused with invalid_grant', all.errors['400 invalid_grant'] ?? 0, asksOf(load) - 1),
        ],
      };
    },
  };
}
