import type { Broker } from '../broker/broker.ts';
import type { WebRequest } from '../http/request.ts';
import { sendJson, setHeaders, traceIdOf, type WebResponse } from '../http/response.ts';
import { locationOf } from './location.ts';
import type { Session, Sessions } from './session.ts';

/** Since when a session is, and until when at most: epoch seconds. */
export type Lifetime = { createdAt: number; idleEndsAt: number; endsAt: number };

/** What the browser carries, and whether it still lives: a session without a lifetime has ended. */
export type Found = { session?: Session; lifetime?: Lifetime };

type CurrentSessionDeps = { broker: Broker; nowSeconds: () => number; sessions: Sessions };

/** The person who is signed in, by the broker's word, not by the cookie. */
export class CurrentSession {
  readonly #deps: CurrentSessionDeps;

  constructor(deps: CurrentSessionDeps) {
    this.#deps = deps;
  }

  /** Has the browser forget a session that has ended. @throws Fault while the broker does not respond. */
  async look(req: WebRequest, res: WebResponse): Promise<Found> {
    const { broker, sessions } = this.#deps;
    const session = await sessions.read(req, res);
    if (!session) return {};
    const lifetime = await broker.introspect(session.token, traceIdOf(res));
    if (lifetime) return { session, lifetime };
    sessions.clear(res);
    return { session };
  }

  /** `/session`: times in ISO 8601 and what is left in seconds, as the session endpoint of nais/wonderwall has them. */
  async show(req: WebRequest, res: WebResponse): Promise<void> {
    const { session, lifetime } = await this.look(req, res);
    setHeaders(res, { 'Cache-Control': 'no-store' });
    if (!session || !lifetime) {
      res.statusCode = 401;
      return sendJson(res, {
        error: 'login_required',
        sign_in: locationOf(req).address('/sign-in'),
        trace_id: traceIdOf(res),
      });
    }
    const { name, username, oid, tid } = session;
    const { createdAt, idleEndsAt, endsAt } = lifetime;
    const now = this.#deps.nowSeconds();
    sendJson(res, {
      person: { name, username, oid, tid },
      session: {
        created_at: iso(createdAt),
        ends_at: iso(endsAt),
        ends_in_seconds: endsAt - now,
        timeout_at: iso(idleEndsAt),
        timeout_in_seconds: idleEndsAt - now,
      },
    });
  }
}

/** ISO 8601. */
export function iso(epochSeconds: number): string {
  return new Date(epochSeconds * 1_000).toISOString();
}
