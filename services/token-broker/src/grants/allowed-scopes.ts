import { Fault } from '@onbehalf/node/core/fault';
import { LRUCache } from 'lru-cache';
import type { Client } from '../clients/clients.ts';

type Scopes = { scope: string; scopes: string[] };

/** Per client, because all its requests ask for the same few; a client that is configured anew is a new one. */
const known = new WeakMap<Client, LRUCache<string, Scopes>>();

/** The asked scopes, sorted and each once, if the client may ask for all of them. @throws Fault `invalid_scope`. */
export function allowedScopes(client: Client, asked: string): Scopes {
  const remembered = known.get(client) ?? new LRUCache<string, Scopes>({ max: 100 });
  known.set(client, remembered);
  const found = remembered.get(asked);
  if (found) return found;
  const scopes = [...new Set(asked.split(' ').filter(Boolean))].sort();
  if (scopes.length === 0) throw new Fault('invalid_scope', 'The parameter scope names nothing.');
  if (!scopes.every((one) => client.scopes.includes(one))) {
    throw new Fault('invalid_scope', 'The client is not configured for all of these scopes.');
  }
  const made = { scope: scopes.join(' '), scopes };
  remembered.set(asked, made);
  return made;
}

/**
 * The scope of a session, for the token response: what Entra granted at the sign-in. `asked`: a scope that the caller
 * repeats there; of its words those stay that were granted or that the session may be exchanged for.
 */
export function sessionScope(client: Client, granted: string, asked: string | undefined): string {
  const possible = new Set([...granted.split(' '), ...client.scopes]);
  const words = asked?.split(' ').filter((one) => possible.has(one)) ?? [];
  return [...new Set(words)].join(' ') || granted;
}
