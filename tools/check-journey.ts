import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { accept, answerOn, pick, session } from '../test/kit/steps.ts';
import type { Progress } from '../test/kit/system/programs.ts';
import type { System } from '../test/kit/system/system.ts';
import type { Visitor } from '../test/kit/visitor.ts';

const person = 'alice';

/**
 * Walks the front door as a person would: sign in, consent, call the API, sign out, and prove that a kept cookie opens
 * nothing any more. Reports each step.
 * @throws Error naming the step that failed.
 */
export async function checkJourney(system: System, progress: Progress): Promise<void> {
  const journey = new Journey(system);
  const step = async (name: string, walk: () => Promise<string>): Promise<void> => {
    const startedAtMs = performance.now();
    try {
      const result = await walk();
      progress(name, performance.now() - startedAtMs, result);
    } catch (error) {
      throw new Error(`The step "${name}" failed: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  };
  await step('open', () => journey.open());
  await step('sign in', () => journey.signIn());
  await step('consent', () => journey.consent());
  await step('call the API', () => journey.callApi());
  await step('no token', () => journey.findNoToken());
  await step('sign out', () => journey.signOut());
  await step('session is dead', () => journey.findSessionDead());
  if (system.viewerUrl !== undefined) await step('trace', () => journey.followTrace(system.viewerUrl as string));
  console.log(`signed in, called downstream-api on behalf of ${journey.user}, signed out`);
}

/** The steps of one visitor, in their order; each gives its result in words. */
class Journey {
  readonly #system: System;
  readonly #visitor: Visitor;
  /** The cookie of the session, as somebody may have copied it before the sign-out. */
  #cookie = '';
  /** The user name that the API saw. */
  user = '';

  constructor(system: System) {
    this.#system = system;
    this.#visitor = system.visitor();
  }

  async open(): Promise<string> {
    await this.#visitor.open(this.#system.web);
    assert.equal(this.#visitor.page.status, 200);
    await this.#visitor.follow('Sign in');
    return 'the start page offers "Sign in"';
  }

  async signIn(): Promise<string> {
    await pick(this.#visitor, this.#system, person);
    const asked = await accept(this.#visitor, this.#system);
    assert.match(this.#visitor.words, /You are signed in as/);
    return `chose ${person} at Entra ID${asked ? ', consented' : ''}; back on the start page`;
  }

  async consent(): Promise<string> {
    await this.#visitor.follow('Who am I?');
    assert.ok(await accept(this.#visitor, this.#system), 'nothing was asked');
    return "the API's scope was asked for and accepted";
  }

  async callApi(): Promise<string> {
    const { name, username } = answerOn(this.#visitor.page);
    assert.match(String(username), new RegExp(`^${person}@`));
    this.user = String(username);
    return `downstream-api responds on behalf of ${name}`;
  }

  async findNoToken(): Promise<string> {
    const seen = this.#visitor.answers.filter(({ url }) => url.origin === this.#system.web);
    for (const { url, body, headers } of seen) {
      const all = `${body} ${JSON.stringify(headers['set-cookie'] ?? '')}`;
      assert.doesNotMatch(all, /eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+/, `a token in the response of ${url.pathname}`);
    }
    return `none in the ${seen.length} responses the browser got from web-frontend`;
  }

  async signOut(): Promise<string> {
    this.#cookie = await this.#visitor.jar.getCookieString(this.#system.web);
    await this.#visitor.open(this.#system.web);
    await this.#visitor.press('Sign out');
    assert.equal(this.#visitor.page.url.origin, this.#system.web);
    return 'here and at Entra ID; back on the start page';
  }

  async findSessionDead(): Promise<string> {
    assert.equal((await session(this.#visitor)).status, 401);
    const headers = { cookie: this.#cookie, 'x-csrf': '1', 'sec-fetch-site': 'same-origin' };
    const replayed = await this.#visitor.send(`${this.#system.web}/session`, { headers });
    assert.equal(replayed.status, 401, 'the old cookie still works');
    return 'for this browser, and for one that kept the cookie';
  }

  async followTrace(viewer: string): Promise<string> {
    const { services, spans } = await drawnFlow(viewer);
    await this.#visitor.follow('See its trace');
    assert.match(this.#visitor.page.url.href, new RegExp(`^${viewer}/traces/[0-9a-f]{32}$`));
    assert.equal(this.#visitor.page.status, 200);
    return `the sign-in is one trace of ${spans} spans over ${services.join(', ')}; pages link to theirs`;
  }
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
