import { Fault } from '@onbehalf/node/core/fault';
import type { Client } from '../clients/clients.ts';

/** The asked scopes, sorted and each once, if the client may ask for all of them. @throws Fault `invalid_scope`. */
export function allowedScopes(client: Client, asked: string): { scope: string; scopes: string[] } {
  const scopes = [...new Set(asked.split(' ').filter(Boolean))].sort();
  if (scopes.length === 0) throw new Fault('invalid_scope', 'The parameter scope names nothing.');
  if (!scopes.every((one) => client.scopes.includes(one))) {
    throw new Fault('invalid_scope', 'The client is not configured for all of these scopes.');
  }
  return { scope: scopes.join(' '), scopes };
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
