import { atMost, exactly, noErrors, noForeign } from '../judging/checks.ts';
import type { Act, Load, Scenario } from '../judging/scenario.ts';
import type { BrokerSeries, Check } from '../results/result.ts';
import { parseMetrics, total } from '../sampling/metrics-text.ts';
import type { KindInput } from '../sending/plan.ts';
import { apiScope, appScope, grants, graphScope } from '../target/oauth.ts';
import { each, exchangeKind, nameOf, signIn } from '../target/people.ts';
import { entraMs, type Stage } from '../target/stage.ts';

const lifeSeconds = 420;
const l1CapBytes = 64 * 2 ** 20;
/** Growth is judged from here on, after caches and compiled code have filled: 20 min of an hour. */
const settledPart = 1 / 3;
/** What a session owns at Redis: itself, its account, its person's and its sid's index, an OBO partition, a mark. */
const keysOfSession = 6;

export const soak: Scenario = {
  name: 'soak',
  brief: 'everything together for an hour: memory, keys, lives',
  load: { ratePerSecond: 300, users: 1_000, durationSeconds: 3_600, brokers: 3 },
  smaller: { ratePerSecond: 100, users: 300, durationSeconds: 600 },
  quick: { ratePerSecond: 60, users: 60, durationSeconds: 30 },
  onlyByName: true,
  variants: () => [{ name: '', prepare }],
};

async function prepare(stage: Stage, load: Load): Promise<Act> {
  const { users, durationSeconds } = load;
  const [callers, comers] = [Math.floor(users / 5), Math.floor(users / 5)];
  const people = await signIn(stage, users - callers - comers);
  // What the API was called with must outlive the run.
  await stage.admin('PUT', '/lifetimes', { access: durationSeconds + 1_200 });
  const called = await signIn(stage, callers, people.length + 1);
  const assertions = await each(called, async ({ session, oid }) => ({
    fields: { assertion: String((await stage.exchange(0, session)).body.access_token) },
    oid,
  }));
  await stage.admin('PUT', '/lifetimes', { access: lifeSeconds });
  await stage.slowEntra(entraMs.least, entraMs.most);
  const web = stage.assertionFile('web');
  const comersFrom = people.length + called.length + 1;
  const kinds: KindInput[] = [
    exchangeKind(stage, people, { weight: 12 }),
    {
      name: 'introspect',
      weight: 4,
      path: '/oauth2/introspect',
      assertionFile: web,
      people: people.map(({ session }) => ({ fields: { token: session } })),
    },
    {
      ...{ name: 'jwt-bearer', weight: 2, assertionFile: stage.assertionFile('api'), people: assertions },
      fields: { grant_type: grants.jwtBearer, requested_token_use: 'on_behalf_of', scope: graphScope },
    },
    {
      name: 'client_credentials',
      assertionFile: stage.assertionFile('job'),
      people: [{}],
      fields: { grant_type: 'client_credentials', scope: appScope },
    },
    {
      ...{ name: 'sign-in-and-out', journey: 'sign-in-and-out', assertionFile: web },
      people: Array.from({ length: comers }, (_, i) => ({
        fields: { login_hint: `${nameOf(comersFrom + i)}@contoso.test` },
      })),
    },
  ];
  const { emulator } = stage;
  return {
    ...{ kinds, minimumCalls: () => 0 },
    places: {
      authorizeUrl: `${emulator.browserOrigin}/${emulator.ids.tenants.contoso}/oauth2/v2.0/authorize`,
      ...{ clientId: emulator.ids.apps.web, redirectUri: 'http://localhost:3000/auth/callback' },
      scope: `openid profile offline_access ${apiScope}`,
    },
    async checks(observed) {
      return [
        ...observed.brokers.map((series) => growth(series, observed.load.durationSeconds)),
        ...(await l1Sizes(stage)),
        ...(await keys(stage, people.length + called.length)),
        noErrors(observed),
        noForeign(observed),
      ];
    },
  };
}

/** The slope of resident memory by least squares, per ten minutes, as a part of its mean. */
function growth({ name, seconds }: BrokerSeries, durationSeconds: number): Check {
  const points = seconds.flatMap(({ atSeconds, rssBytes }) =>
    rssBytes !== null && atSeconds >= durationSeconds * settledPart ? [{ x: atSeconds, y: rssBytes }] : [],
  );
  const mean = (of: (p: { x: number; y: number }) => number) =>
    points.reduce((sum, p) => sum + of(p), 0) / points.length;
  const [x, y] = [mean((p) => p.x), mean((p) => p.y)];
  const slope = mean((p) => (p.x - x) * (p.y - y)) / mean((p) => (p.x - x) ** 2);
  // Half a minute tells nothing of ten.
  return { ...atMost(`${name}: memory grows in 10 min`, (100 * slope * 600) / y, 1, '%'), time: true };
}

async function l1Sizes(stage: Stage): Promise<Check[]> {
  return await Promise.all(
    stage.brokers.map(async ({ admin }, i) => {
      const bytes = total(parseMetrics(await (await fetch(`${admin}/metrics`)).text()), 'onbehalf_cache_l1_size_bytes');
      return atMost(`broker ${i + 1}: L1`, bytes / 2 ** 20, l1CapBytes / 2 ** 20, 'MiB');
    }),
  );
}

async function keys(stage: Stage, sessions: number): Promise<Check[]> {
  const all = await stage.keys('*');
  const lives = await each(all, async (key) => Number(await stage.redisCommand(['TTL', key])));
  // Codes that were redeemed and people who left are remembered for a time of their own.
  const own = all.filter((key) => !/:(code|ended):/.test(key));
  return [
    exactly('keys without an end', lives.filter((seconds) => seconds === -1).length, 0),
    atMost('keys beside codes and those who left', own.length, sessions * keysOfSession),
    exactly('sessions at Redis', all.filter((key) => key.startsWith(`${stage.prefix}session:`)).length, sessions),
  ];
}
