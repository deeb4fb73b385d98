import assert from 'node:assert/strict';
import type { World } from './world.ts';

/** Asks the emulator's admin API; gives its answer's JSON. @throws AssertionError unless it says yes. */
export async function entraAdmin(world: World, method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${world.entra.admin}${path}`, {
    method,
    signal: AbortSignal.timeout(5_000),
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await response.text();
  assert.ok(response.ok, `the emulator's ${method} ${path} says ${response.status}: ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}

/** How often Entra was asked for tokens by this grant, successes only. */
export async function tokenCalls(world: World, grant: string): Promise<number> {
  const requests = (await entraAdmin(world, 'GET', '/requests')) as { grant?: string; outcome: string }[];
  return requests.filter((request) => request.grant === grant && request.outcome === 'ok').length;
}
