import assert from 'node:assert/strict';
import type { Locator, Page } from 'playwright-core';
import type { System } from '../system/system.ts';
import type { BrowserProfile } from './profile.ts';

/** Longer than the broker believes what it remembers of a session without looking. */
const impatientForMs = 20_000;

/** Chooses an account on the emulator's page. */
export function pick(page: Page, person: string): Promise<void> {
  return page.getByRole('button', { name: `${person}@` }).click();
}

/** The button that gives the permissions asked for. */
export function consent(page: Page): Locator {
  return page.getByRole('button', { name: 'Accept' });
}

export function heading(page: Page, text: string): Promise<void> {
  return page.getByRole('heading', { level: 1, name: text, exact: true }).waitFor();
}

/** The start page of somebody who is signed in. */
export function hello(page: Page): Promise<void> {
  return page.getByRole('heading', { name: /^Hello, / }).waitFor();
}

/** The API's answer that the page shows, once it does. */
export async function answerOn({ page, look }: BrowserProfile): Promise<Record<string, unknown>> {
  const text = (await page.getByLabel('The response').textContent()) ?? '';
  await look();
  return JSON.parse(text);
}

/** Reloads until the title of the page says this, as an impatient person does. */
export async function reloadUntil(page: Page, title: RegExp): Promise<void> {
  const endMs = performance.now() + impatientForMs;
  const shown = page.getByRole('heading', { level: 1 });
  while (!title.test((await shown.textContent()) ?? '')) {
    assert.ok(performance.now() < endMs, `the page never said ${title}`);
    await page.reload();
  }
}

/** The session cookie's value, which only the browser itself can read. */
export async function sessionOf(system: System, { context }: BrowserProfile): Promise<string | undefined> {
  return (await context.cookies(system.web)).find((cookie) => cookie.name === '__Host-Http-session')?.value;
}

/** Every address at Entra's authorization endpoint that the page is sent to from now on. */
export function departures(page: Page): string[] {
  const urls: string[] = [];
  page.on('request', (request) => {
    if (request.isNavigationRequest() && request.url().includes('/oauth2/v2.0/authorize?')) urls.push(request.url());
  });
  return urls;
}
