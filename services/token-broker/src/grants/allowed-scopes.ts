import { Fault } from '@onbehalf/node/core/fault';
import type { Client } from '../clients/clients.ts';

/** The requested scopes, sorted and each once. @throws Fault `invalid_scope` if the client may not request one of them. */
export function allowedScopes(client: Client, asked: string): { scope: string; scopes: string[] } {
  const scopes = [...new Set(asked.split(' ').filter(Boolean))].sort();
  if (scopes.length === 0) throw new Fault('invalid_scope', 'The parameter scope has no scope.');
  if (!scopes.every((one) => client.scopes.includes(one))) {
    throw new Fault('invalid_scope', 'The client is not configured for all of these scopes.');
  }
  return { scope: scopes.join(' '), scopes };
}

/**
 * The scope of a session, for the token response: the scope that Entra granted at the sign-in. If the request repeats
 * the scope of its authorization request (`asked`), the response has those of its words that were granted or that the
 * session may be exchanged for.
 */
export function sessionScope(client: Client, granted: string, asked: string | undefined): string {
  const possible = new Set([...granted.split(' '), ...client.scopes]);
  const words = asked?.split(' ').filter((one) => possible.has(one)) ?? [];
  return [...new Set(words)].join(' ') || granted;
}
