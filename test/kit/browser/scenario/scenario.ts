import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { callApi, signIn as visit } from '../../steps.ts';
import type { Environment } from '../../system/environments.ts';
import { openSystem } from '../../system/open.ts';
import type { System } from '../../system/system.ts';
import { launchChromium } from '../chromium.ts';
import { type BrowserProfile, jwt, openBrowserProfile, shoot } from '../profile.ts';
import { hello, pick } from '../steps.ts';
import { consentJourneys } from './consent.ts';
import { backJourneys, signOutJourneys } from './sign-out.ts';
import { stayingJourneys } from './staying.ts';
import { stepUpJourneys } from './step-up.ts';

type Mode = {
  /** How web-frontend is set up, in a word: names the system and what fails in it. */
  name: string;
  web?: Environment;
  javaScriptEnabled?: boolean;
};

/** Journeys of people with a real browser through one system, the pages of Entra ID on another site. */
export class Scenario {
  readonly #mode: Mode;
  #system: System | undefined;
  #browser: (Browser & AsyncDisposable) | undefined;

  constructor(mode: Mode) {
    this.#mode = mode;
  }

  get system(): System {
    return this.#system ?? assert.fail('the system is not open');
  }

  async open(): Promise<void> {
    const { name, web } = this.#mode;
    this.#browser = await launchChromium();
    this.#system = await openSystem({
      ...{ name: `scenario-${name}`, brokers: 2, frontend: true },
      env: { web: { PUBLIC_RATE_BURST: '1000', ...web } },
    });
    // They have consented before; Carol never has. Redirects are read here too.
    for (const person of ['alice', 'bob']) {
      const visitor = this.system.visitor();
      await visit(visitor, this.system, person);
      await callApi(visitor, this.system);
      for (const { url, headers, body } of visitor.answers)
        assert.doesNotMatch(JSON.stringify([headers, body]), jwt, `a token in the answer of ${url.pathname}`);
    }
  }

  async close(): Promise<void> {
    await this.#browser?.[Symbol.asyncDispose]();
    await this.#system?.close();
  }

  /** A test with as many browser profiles as it names people; afterwards each of them has seen no token. */
  journey(sentence: string, walk: (...people: BrowserProfile[]) => Promise<void>): void {
    it(sentence, async () => {
      const { name, javaScriptEnabled = true } = this.#mode;
      await using opened = new AsyncDisposableStack();
      const people: BrowserProfile[] = [];
      for (let place = 0; place < walk.length; place += 1) {
        const browser = this.#browser ?? assert.fail('there is no browser');
        people.push(opened.use(await openBrowserProfile(browser, { javaScriptEnabled })));
      }
      try {
        await walk(...people);
        for (const person of people) await person.assertClean();
      } catch (error) {
        for (const [place, { page }] of people.entries())
          await shoot(page, `failed-${name}-${place}-${sentence.slice(0, 40).replaceAll(' ', '-')}`).catch(() => {});
        throw error;
      }
    });
  }

  async signIn({ page, look }: BrowserProfile, person: string): Promise<void> {
    await page.goto(this.system.web);
    await page.getByRole('link', { name: 'Sign in' }).click();
    await pick(page, person);
    await hello(page);
    await look();
  }
}

/** Every journey, for one way to set web-frontend up. */
export function scenario(mode: Mode): void {
  const scenario = new Scenario(mode);
  before(() => scenario.open());
  after(() => scenario.close());
  describe(`a person with a browser (${mode.name})`, () => {
    consentJourneys(scenario);
    stepUpJourneys(scenario);
    stayingJourneys(scenario);
    signOutJourneys(scenario);
    backJourneys(scenario);
  });
}
