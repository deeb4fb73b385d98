import { Refusal } from '../requests/aadsts.ts';
import { isGraph } from './scopes.ts';
import type { App, User } from './seed.ts';

/** Entra's own resource: a token for it is a credential of another app. */
const tokenExchange = 'api://AzureADTokenExchange';

export function isTokenExchange({ identifierUri }: App): boolean {
  return identifierUri === tokenExchange;
}

/**
 * The `sub` of a token that a blueprint gets for its agent, as public captures have it. GUIDs stand in the byte order of
 * .NET.
 */
export function toAgentSubject(tid: string, blueprint: App, path: string): string {
  return `/eid1/c/pub/t/${encodeGuid(tid)}/a/${encodeGuid(blueprint.appId)}/${path}`;
}

function encodeGuid(guid: string): string {
  const [first = '', second = '', third = '', ...rest] = guid.split('-').map((part) => Buffer.from(part, 'hex'));
  const littleEndian = [first, second, third].map((part) => Buffer.from(part).reverse());
  return Buffer.concat([...littleEndian, ...rest].map((part) => Buffer.from(part))).toString('base64url');
}

/**
 * What a blueprint may ask for itself: the means to act as its agents (`fmi_path`), and Graph, by which it creates them.
 * @throws Refusal 82001 for another resource, 700213 for an app that is not an agent of this client.
 */
export function checkAppOnly(client: App, resource: App, agent: App | undefined, subject: string | undefined): void {
  if (client.isAgentIdentityBlueprint && !isTokenExchange(resource) && !isGraph(resource)) {
    throw new Refusal(82001, { client: client.appId, resource: resource.appId });
  }
  if (subject !== undefined && agent?.agentIdentityBlueprintId !== client.appId) {
    throw new Refusal(700213, { value: subject });
  }
}

/** The claims that tell of an agent: Learn, "Token claims in agent identities". Facet 11 is an agent, 13 an agent's user. */
export function actorClaims({ agentIdentityBlueprintId }: App) {
  return agentIdentityBlueprintId && { xms_act_fct: '3 9 11', xms_par_app_azp: agentIdentityBlueprintId };
}

export function subjectFacets({ identityParentId }: User) {
  return identityParentId && { xms_sub_fct: '1 13' };
}
