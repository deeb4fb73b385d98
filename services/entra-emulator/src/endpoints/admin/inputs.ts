import { z } from 'zod';
import type { App, User } from '../../directory/seed.ts';
import type { Call } from '../../requests/call.ts';
import type { World } from '../../world.ts';

/** The seed has no such entry. */
export class NotFound extends Error {}
/** The state does not allow it. */
export class Conflict extends Error {}

/** The JSON of a call's body. @throws ZodError if it is none. */
export function readBody({ body }: Call): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new z.ZodError([{ code: 'custom', path: [], message: 'the body must be JSON', input: undefined }]);
  }
}

/** @throws ZodError if the body is no JSON object. */
export function readObject(call: Call): object {
  return z.record(z.string(), z.unknown()).parse(readBody(call));
}

/** A user by UPN or object id. @throws NotFound. */
export function findUser({ directory }: World, name: string): User {
  const user = directory.userByUpn(name) ?? directory.user(name);
  if (!user) throw new NotFound('there is no such user');
  return user;
}

/** An app by name, id or identifier URI. @throws NotFound. */
export function findApp({ directory }: World, name: string): App {
  const app = directory.findApp(name);
  if (!app) throw new NotFound('there is no such app');
  return app;
}
