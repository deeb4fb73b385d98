import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { accept, answerOn, pick, session } from '../test/kit/steps.ts';
import type { Progress, World } from '../test/kit/world.ts';

const person = 'alice';

/**
 * Walks the front door as a person would: sign in, consent, call the API, sign out, and prove that the session is dead
 * to whoever kept its cookie. Tells each step.
 * @throws Error naming the step that failed.
 */
export async function checkJourney(world: World, progress: Progress): Promise<void> {
  const visitor = world.visitor();
  const step = async <T>(name: string, walk: () => Promise<[result: string, value: T]>): Promise<T> => {
    const startedAtMs = performance.now();
    try {
      const [result, value] = await walk();
      progress(name, performance.now() - startedAtMs, result);
      return value;
    } catch (error) {
      throw new Error(`The step "${name}" failed: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  };

  await step('open', async () => {
    await visitor.open(world.web);
    assert.equal(visitor.page.status, 200);
    return ['the start page offers "Sign in"', await visitor.follow('Sign in')];
  });
  await step('sign in', async () => {
    await pick(visitor, world, person);
    const asked = await accept(visitor, world);
    assert.match(visitor.words, /You are signed in as/);
    return [`chose ${person} at Entra ID${asked ? ', consented' : ''}; back on the start page`, undefined];
  });
  await step('consent', async () => {
    await visitor.follow('Who am I?');
    assert.ok(await accept(visitor, world), 'nothing was asked');
    return ["the API's scope was asked for and accepted", undefined];
  });
  const user = await step('call the API', async () => {
    const { name, username } = answerOn(visitor.page);
    assert.match(String(username), new RegExp(`^${person}@`));
    return [`downstream-api answers on behalf of ${name}`, String(username)];
  });
  await step('no token', async () => {
    const seen = visitor.answers.filter(({ url }) => url.origin === world.web);
    for (const { url, body, headers } of seen) {
      const all = `${body} ${JSON.stringify(headers['set-cookie'] ?? '')}`;
      assert.doesNotMatch(all, /eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+/, `a token in the answer of ${url.pathname}`);
    }
    return [`none in the ${seen.length} answers the browser got from web-frontend`, undefined];
  });
  const cookie = await visitor.jar.getCookieString(world.web);
  await step('sign out', async () => {
    await visitor.open(world.web);
    await visitor.press('Sign out');
    assert.equal(visitor.page.url.origin, world.web);
    return ['here and at Entra ID; back on the start page', undefined];
  });
  await step('session is dead', async () => {
    assert.equal((await session(visitor)).status, 401);
    const headers = { cookie, 'x-csrf': '1', 'sec-fetch-site': 'same-origin' };
    const replayed = await visitor.send(`${world.web}/session`, { headers });
    assert.equal(replayed.status, 401, 'the old cookie still works');
    return ['for this browser, and for one that kept the cookie', undefined];
  });
  const { viewer } = world;
  if (viewer) {
    await step('trace', async () => {
      const { services, spans } = await drawnFlow(viewer);
      await visitor.follow('See its trace');
      assert.match(visitor.page.url.href, new RegExp(`^${viewer}/traces/[0-9a-f]{32}$`));
      assert.equal(visitor.page.status, 200);
      return [
        `the sign-in is one trace of ${spans} spans over ${services.join(', ')}; pages link to theirs`,
        undefined,
      ];
    });
  }
  console.log(`signed in, called downstream-api on behalf of ${user}, signed out`);
}

type Flow = { action: string; services: string[]; spans: number };

/** The first sign-in that the trace viewer shows, whole: spans arrive service by service. */
async function drawnFlow(viewer: string): Promise<Flow> {
  const endMs = performance.now() + 5_000;
  for (;;) {
    const flows = (await (await fetch(`${viewer}/api/flows`, { signal: AbortSignal.timeout(2_000) })).json()) as Flow[];
    const flow = flows.findLast(({ action, services }) => action === 'sign in' && services.length > 1);
    if (flow) return flow;
    assert.ok(performance.now() < endMs, 'the trace viewer shows no sign-in');
    await delay(50);
  }
}
