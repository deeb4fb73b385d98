import { exactly, noErrors, percentileAtMost } from '../judging/checks.ts';
import type { Act, Scenario } from '../judging/scenario.ts';
import { within } from '../judging/window.ts';
import { cookieLine, walkSignIn } from '../sending/journeys.ts';
import type { Person } from '../sending/plan.ts';
import { Sender } from '../sending/sender.ts';
import { apiScope } from '../target/oauth.ts';
import { each, nameOf } from '../target/people.ts';
import { entraMs, type Stage } from '../target/stage.ts';

/** The API's tokens; refreshed behind their callers once in the run, for they are hits for two minutes only. */
const lifeSeconds = 420;
/** No token is refreshed before: the earliest point is 66 s after it was bought. */
const warmSeconds = { from: 5, to: 40 };

export const obo: Scenario = {
  name: 'obo',
  brief: 'people call an API through web-frontend that calls Graph on their behalf; tokens renewed once',
  load: { ratePerSecond: 100, users: 500, durationSeconds: 120, brokers: 3 },
  smaller: { ratePerSecond: 30, users: 150 },
  quick: { ratePerSecond: 40, users: 60, durationSeconds: 120 },
  notQuick: true,
  variants: () => [{ name: '', stage: { front: true }, prepare: (stage, load) => prepare(stage, load.users) }],
};

async function prepare(stage: Stage, users: number): Promise<Act> {
  const people = await signInThroughFront(stage, users);
  await stage.admin('PUT', '/lifetimes', { access: lifeSeconds });
  const get = async (path: string) => {
    await using sender = new Sender();
    await each(people, async ({ headers }, i) => {
      const { status } = await sender.ask(stage.web ?? '', { path, method: 'GET', headers, body: null });
      if (status !== 200) throw new Error(`${path} answered ${status} to person ${i + 1}`);
    });
  };
  await get('/api/downstream-api/whoami');
  // Graph's tokens live on: then each renewed token of the API costs one call on behalf, and nothing else does.
  await stage.admin('PUT', '/lifetimes', { access: 3_600 });
  await get('/api/downstream-api/graph/me');
  await stage.slowEntra(entraMs.least, entraMs.most);
  return {
    kinds: [{ name: 'graph/me', method: 'GET', path: '/api/downstream-api/graph/me', people }],
    ...{ targets: [stage.web ?? ''], sloMs: 50, minimumCalls: () => 0 },
    async checks(observed) {
      return [
        exactly('exchanges, one for each renewed token', await stage.calls('refresh_token'), users),
        exactly('calls on behalf, one for each renewed token', await stage.calls('on_behalf_of'), users),
        percentileAtMost(
          'latency before tokens are renewed',
          within(observed.all, warmSeconds.from, warmSeconds.to).histogram,
          99,
          50,
        ),
        noErrors(observed),
      ];
    },
  };
}

/** People with a session at web-frontend: their cookies and what its scripts send. */
async function signInThroughFront(stage: Stage, users: number): Promise<Person[]> {
  await using sender = new Sender();
  await stage.admin('PUT', '/interaction', { mode: 'auto', user: 'alice@contoso.test' });
  const numbers = Array.from({ length: users }, (_, i) => i + 1);
  return await each(numbers, async (number) => {
    const { outcome, cookies } = await walkSignIn(sender, stage.web ?? '', `${nameOf(number)}@contoso.test`, apiScope);
    if (outcome.errorType) throw new Error(`a person could not be signed in: ${outcome.errorType}`);
    if (number % 100 === 0) stage.say(`signing in ${number} of ${users}`);
    return { fields: {}, headers: { cookie: cookieLine(cookies), 'x-csrf': '1' } };
  });
}
