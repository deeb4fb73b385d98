import { z } from 'zod';
import { Refusal } from '../../requests/aadsts.ts';
import { type Call, type HttpResponse, json } from '../../requests/call.ts';
import type { Dispatch } from '../dispatch.ts';
import { Conflict, NotFound } from './inputs.ts';
import { type AdminRoute, routes } from './routes.ts';

/** What a reset replaces. */
type Engine = { readonly current: Dispatch; reset(): void };

/** The admin API, for tests and people who script failures; JSON in and out. */
export class Admin {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async handle(call: Call): Promise<HttpResponse> {
    const [, name = ''] = /^\/(?:users|apps)\/([^/]+)/.exec(call.path) ?? [];
    const key = `${call.method} ${name ? call.path.replace(/^(\/\w+\/)[^/]+/, '$1*') : call.path}`;
    const route = key === 'POST /reset' ? () => this.#engine.reset() : findRoute(key);
    if (!route) return json(404, { error: 'there is no such admin route' });
    try {
      const result = await route(this.#engine.current, call, name);
      return result === undefined ? { status: 204 } : json(200, result);
    } catch (error) {
      return toResponse(error);
    }
  }
}

function findRoute(key: string): AdminRoute | undefined {
  return Object.hasOwn(routes, key) ? routes[key] : undefined;
}

/** @throws the error itself if it is no mistake of the caller. */
function toResponse(error: unknown): HttpResponse {
  if (error instanceof z.ZodError) return json(400, { error: z.prettifyError(error) });
  if (error instanceof Refusal) return json(400, { error: error.message });
  if (error instanceof NotFound) return json(404, { error: error.message });
  if (error instanceof Conflict) return json(409, { error: error.message });
  throw error;
}
