import assert from 'node:assert/strict';
import { decode } from './html.ts';
import type { System } from './system/system.ts';
import type { Answer, Visitor } from './visitor.ts';

/** A user name of the emulator's seed, without its domain: alice, bob, carol, dan, fay, gina_fabrikam.test#EXT#. */
export type Person = string;

/**
 * Goes to the start page, follows "Sign in", picks the person in the emulator and accepts what is asked, if anything.
 * Ends on web-frontend, signed in.
 */
export async function signIn(visitor: Visitor, system: System, person: Person): Promise<void> {
  await visitor.open(system.web);
  await visitor.follow('Sign in');
  await pick(visitor, system, person);
  await accept(visitor, system);
  assert.equal(visitor.page.url.origin, system.web, `signing in ended elsewhere: ${visitor.words.slice(0, 300)}`);
  assert.match(visitor.words, /You are signed in as/);
}

/** Chooses an account on the emulator's page. */
export async function pick(visitor: Visitor, system: System, person: Person): Promise<void> {
  assert.equal(visitor.page.url.origin, system.emulator.browserOrigin, `not at Entra: ${visitor.words.slice(0, 300)}`);
  await visitor.press(`${person}@`);
  await postForm(visitor);
}

/** Says yes if the emulator asks something; to permissions unless said. Gives what was asked, in its words. */
export async function accept(visitor: Visitor, system: System, answer = 'Accept'): Promise<string | undefined> {
  if (visitor.page.url.origin !== system.emulator.browserOrigin) return undefined;
  const asked = visitor.words;
  await visitor.press(answer);
  await postForm(visitor);
  return asked;
}

/** An answer by form_post is a page whose script sends its form. */
async function postForm(visitor: Visitor): Promise<void> {
  if (/name="code"/.test(visitor.page.body)) await visitor.submit();
}

/** Calls the API by its card on the start page, consenting where that is asked; its answer as the page shows it. */
export async function callApi(visitor: Visitor, system: System, card = 'Who am I?'): Promise<Record<string, unknown>> {
  await visitor.open(system.web);
  await visitor.follow(card);
  await accept(visitor, system);
  return answerOn(visitor.page);
}

/** Signs in on the way to a page that calls the API. */
export async function signInForApi(visitor: Visitor, system: System, person: Person): Promise<void> {
  await visitor.open(`${system.web}/sign-in?return_to=/whoami`);
  await pick(visitor, system, person);
  await accept(visitor, system);
  assert.match(visitor.words, /The API responded with status 200/);
}

/** The API's answer that a page shows. */
export function answerOn({ body, url }: Answer): Record<string, unknown> {
  const shown = /<pre[^>]*>([\s\S]*?)<\/pre>/.exec(body)?.[1];
  assert.ok(shown, `no answer of an API on ${url.pathname}`);
  return JSON.parse(decode(shown));
}

/** Signs out at web-frontend and, through it, at Entra; ends back on the start page. */
export async function signOut(visitor: Visitor, system: System): Promise<void> {
  await visitor.open(system.web);
  await visitor.press('Sign out');
  assert.equal(visitor.page.url.origin, system.web, `signing out ended elsewhere: ${visitor.words.slice(0, 300)}`);
}

/** What `/session` says, as a script of the page would ask. */
export async function session(visitor: Visitor): Promise<{ status: number; body: Record<string, unknown> }> {
  const { status, body } = await visitor.fetch('/session', { headers: { 'x-csrf': '1' } });
  return { status, body: JSON.parse(body) };
}

/** How often Entra was asked for tokens by this grant, successes only. */
export async function tokenCalls(system: System, grant: string): Promise<number> {
  const requests = (await system.admin('GET', '/requests')) as { grant?: string; outcome: string }[];
  return requests.filter((request) => request.grant === grant && request.outcome === 'ok').length;
}
