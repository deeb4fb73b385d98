import assert from 'node:assert/strict';
import { apiScope } from '../kit/system/registrations.ts';
import type { System } from '../kit/system/system.ts';

export const sessionCookie = '__Host-Http-session';

/** Somebody who is signed in: who they are by the name they signed in with, and the cookie that says so. */
export type Person = { username: string; oid: string; cookie: string };

/** How many sign in at once. */
const doors = 3;
/** How often somebody who is told to come back does, on a machine that is busy. */
const patience = 10;

/** Signs `load00001` and so on in through the front door, consents included; each has called both APIs. */
export async function signInPeople(system: System, n: number): Promise<Person[]> {
  await system.admin('PUT', '/interaction', { mode: 'auto', user: 'alice@contoso.test' });
  const people: Person[] = [];
  const queue = Array.from({ length: n }, (_, place) => `load${String(place + 1).padStart(5, '0')}@contoso.test`);
  const enter = async () => {
    for (let username = queue.pop(); username; username = queue.pop()) people.push(await signInAs(system, username));
  };
  await Promise.all(Array.from({ length: doors }, enter));
  assert.equal(new Set(people.map(({ oid }) => oid)).size, n, 'two people are one');
  return people;
}

async function signInAs(system: System, username: string): Promise<Person> {
  using visitor = system.visitor();
  await visitor.open(signInUrl(system, username, '/graph/me'));
  for (let tries = 0; visitor.page.status === 503 && tries < patience; tries += 1) await visitor.open(visitor.page.url);
  assert.match(visitor.words, new RegExp(`The API responded with status 200[^]*${username}`));
  const { body } = await visitor.fetch('/api/downstream-api/whoami', { headers: { 'x-csrf': '1' } });
  const answer = JSON.parse(body) as Record<string, string>;
  assert.equal(answer.username, username);
  return { username, oid: String(answer.object_id), cookie: await visitor.jar.getCookieString(system.web) };
}

/** Where somebody whose name Entra ID is told goes to sign in; it asks nothing more. */
export function signInUrl(system: System, username: string, returnTo: string): string {
  return `${system.web}/sign-in?${new URLSearchParams({ login_hint: username, scope: apiScope, return_to: returnTo })}`;
}
