import { readFileSync } from 'node:fs';
import type { Kind, Person } from './plan.ts';

/** A request as undici takes it, without where it goes. */
export type Ask = {
  path: string;
  method: 'GET' | 'POST';
  headers: Record<string, string>;
  body: string | null;
};

/** A projected token is renewed at 80 % of its ten minutes. */
const rereadMs = 30_000;
const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString();

/** Makes the requests of one kind: what never changes is written once, not for each of thousands a second. */
export function createAsking({ method, path, fields, json, headers, assertionFile, people }: Kind) {
  const shared = form(fields);
  const own = people.map(({ fields: of }) => form(of));
  const type = { 'content-type': json === undefined ? 'application/x-www-form-urlencoded' : 'application/json' };
  const headersOf = people.map(({ headers: of }) => ({ ...(method === 'POST' && type), ...headers, ...of }));
  let caller = '';
  let readAtMs = Number.NEGATIVE_INFINITY;

  const proof = () => {
    if (!assertionFile) return '';
    if (performance.now() - readAtMs > rereadMs) {
      readAtMs = performance.now();
      caller = form({
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: readFileSync(assertionFile, 'utf8').trim(),
      });
    }
    return caller;
  };

  return {
    /** The request of the person with that number. */
    ask(number: number): Ask {
      const body = method === 'GET' ? null : (json ?? [proof(), shared, own[number]].filter(Boolean).join('&'));
      return { path, method, headers: headersOf[number] ?? {}, body };
    },
    /** The person with that number. */
    person: (number: number): Person => people[number] ?? { fields: {}, headers: {} },
    get size() {
      return people.length;
    },
  };
}
