import { setTimeout as delay } from 'node:timers/promises';
import type { KindInput, Person } from '../sending/plan.ts';
import { claimsOf, tokenOf } from '../sending/token.ts';
import { grants } from './oauth.ts';
import type { BrokerResponse, Stage } from './stage.ts';

/** Sign-ins and first tokens under way at once while a run is prepared. */
const atOnce = 16;
/** A machine that is busy starting everything may make a broker's deadline pass; then it says 503. */
const tries = 5;
const pauseMs = 1_000;

/** The name of the n-th of the emulator's generated users, from 1. */
export const nameOf = (n: number) => `load${String(n).padStart(5, '0')}`;

export type SignedIn = { session: string; oid: string };

/** Does it for each, some at a time. */
export async function each<T, R>(items: readonly T[], work: (item: T, i: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i] as T, i);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}

/** Asks again while the broker answers 503. */
export async function patiently(ask: () => Promise<BrokerResponse>): Promise<BrokerResponse> {
  let answer = await ask();
  for (let tried = 1; answer.status === 503 && tried < tries; tried += 1) {
    await delay(pauseMs);
    answer = await ask();
  }
  return answer;
}

/** Signs `count` people in by the code grant, from the number `from` on, at all brokers in turn. */
export async function signIn(stage: Stage, count: number, from = 1): Promise<SignedIn[]> {
  const numbers = Array.from({ length: count }, (_, i) => from + i);
  return await each(numbers, async (number, i) => {
    const { status, body } = await patiently(async () => {
      const { fields } = await stage.startSignIn(nameOf(number));
      return await stage.post(i % stage.brokers.length, '/oauth2/token', fields);
    });
    const { oid } = claimsOf(String(body.id_token)) ?? {};
    if (status !== 200 || !oid) throw new Error(`a person could not be signed in: ${status} ${body.error}`);
    if (i % 200 === 0) stage.say(`signing in ${i} of ${count}`);
    return { session: String(body.access_token), oid };
  });
}

/** The exchange of a session for a token of one API: what web-frontend asks most. */
export function exchangeKind(stage: Stage, people: readonly SignedIn[], more: Partial<KindInput> = {}): KindInput {
  return {
    name: 'token-exchange',
    assertionFile: stage.assertionFile('web'),
    fields: {
      grant_type: grants.exchange,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      scope: stage.scope,
    },
    people: people.map(({ session, oid }): Person => ({ fields: { subject_token: session }, headers: {}, oid })),
    ...more,
  };
}

/**
 * Has each of the people fetch a token, so that it is bought once; at so many brokers, beginning with another one than
 * a run does, that all of them know it or only Redis.
 */
export async function warm(stage: Stage, people: readonly SignedIn[], brokers = stage.brokers.length): Promise<void> {
  await each(people, async ({ session }, i) => {
    for (let k = 0; k < brokers; k += 1) {
      const { status, body } = await patiently(() => stage.exchange((i + 1 + k) % stage.brokers.length, session));
      if (status !== 200 || !tokenOf(JSON.stringify(body)))
        throw new Error(`no token to begin with: ${status} ${body.error}`);
    }
    if (i % 200 === 0) stage.say(`fetching first tokens, ${i} of ${people.length}`);
  });
}
