import type { Broker } from '@onbehalf/node/web/broker/broker';
import { takeNotice } from '@onbehalf/node/web/pages/notice';
import { redirect } from '@onbehalf/node/web/pages/redirect';
import type { Session, Sessions } from '@onbehalf/node/web/session/session';
import type { StepUpLinks } from '@onbehalf/node/web/step-up/step-up';
import type { Request, Response } from 'express';
import { sendPage } from './pages/page.ts';
import { home, iso, type Lifetime, profile, welcome } from './pages/pages.ts';

type PersonDeps = { broker: Broker; nowSeconds: () => number; sessions: Sessions; stepUpLinks: StepUpLinks };

/** `/`, `/profile` and `/session`: the person who is signed in, by the broker's word, not by the cookie. */
export function createPerson({ broker, nowSeconds, sessions, stepUpLinks }: PersonDeps) {
  async function look(req: Request, res: Response): Promise<{ session?: Session; lifetime?: Lifetime }> {
    const session = await sessions.read(req, res);
    if (!session) return {};
    const lifetime = await broker.introspect(session.token, String(res.locals.traceId));
    if (lifetime) return { session, lifetime };
    sessions.clear(res);
    return { session };
  }

  return {
    home: async (req: Request, res: Response): Promise<void> => {
      const { session, lifetime } = await look(req, res);
      const notice = takeNotice(req, res) ?? (session && !lifetime ? 'session-ended' : undefined);
      if (!session || !lifetime) return sendPage(res, welcome(notice));
      sendPage(res, home(session, lifetime));
    },

    profile: async (req: Request, res: Response): Promise<void> => {
      const { session, lifetime } = await look(req, res);
      if (!session) return redirect(res, '/sign-in?return_to=/profile');
      if (!lifetime) {
        return stepUpLinks.respondToPage(req, res, {
          session,
          target: 'profile',
          stepUp: { kind: 'sign_in' },
          scopes: [],
        });
      }
      sendPage(res, profile(session, lifetime));
    },

    /** Times in ISO 8601 and what is left in seconds, as the session endpoint of nais/wonderwall has them. */
    session: async (req: Request, res: Response): Promise<void> => {
      const { session, lifetime } = await look(req, res);
      res.set('Cache-Control', 'no-store');
      if (!session || !lifetime) {
        return void res
          .status(401)
          .json({ error: 'login_required', sign_in: '/sign-in', trace_id: res.locals.traceId });
      }
      const { name, username, oid, tid } = session;
      const { createdAt, idleEndsAt, endsAt } = lifetime;
      res.json({
        person: { name, username, oid, tid },
        session: {
          created_at: iso(createdAt),
          ends_at: iso(endsAt),
          ends_in_seconds: endsAt - nowSeconds(),
          timeout_at: iso(idleEndsAt),
          timeout_in_seconds: idleEndsAt - nowSeconds(),
        },
      });
    },
  };
}
