import { Fault } from '@onbehalf/node/core/fault';
import type { Client } from '../clients/clients.ts';

/** The scopes of a token request, the API they belong to, or both. RFC 8693 section 2.1, RFC 8707. */
type Asked = { scope?: string | undefined; resource?: string | undefined; audience?: string | undefined };

/**
 * The requested scopes, each with its API. `resource` and `audience` name an API as the client's scopes do, or by its
 * client id. With one of them, a scope may be a bare name; without a scope, the token is for all scopes of that API that
 * the client is configured for. `graph` is the cloud's Microsoft Graph: its scopes may be bare names (Learn, "Scopes and
 * permissions").
 * @throws Fault `invalid_request` if nothing is requested, `invalid_target` for an API of none of the client's scopes.
 */
export function targetScope(client: Client, { scope, resource, audience }: Asked, graph: string): string {
  const targets = [resource, audience].filter((one) => one !== undefined);
  if (targets.length === 0) {
    if (scope === undefined) throw new Fault('invalid_request', 'The parameter scope is missing.');
    return scope;
  }
  const theirs = client.scopes.filter((one) => targets.every((target) => isApiOf(target, one, graph)));
  if (theirs.length === 0) throw new Fault('invalid_target', 'The client is not configured for this API.');
  if (scope === undefined) return theirs.find((one) => one.endsWith('/.default')) ?? theirs.join(' ');
  const words = scope.split(' ').filter(Boolean);
  const whole = words.map((word) => theirs.find((one) => one === word || toName(one) === word) ?? word);
  if (whole.some((one) => client.scopes.includes(one) && !theirs.includes(one))) {
    throw new Fault('invalid_target', 'These scopes are of another API.');
  }
  return whole.join(' ');
}

/** Whether a target is the API of a scope. */
function isApiOf(target: string, scope: string, graph: string): boolean {
  const api = withoutSlash(scope.slice(0, Math.max(0, scope.lastIndexOf('/')))) || graph;
  return [api, api.replace(/^api:\/\//, '')].includes(withoutSlash(target));
}

function toName(scope: string): string {
  return scope.slice(scope.lastIndexOf('/') + 1);
}

function withoutSlash(url: string): string {
  return url.endsWith('/') ? url.slice(0, -1) : url;
}
