import type { Handlers } from '@onbehalf/node/web/handlers';
import { takeNotice } from '@onbehalf/node/web/pages/notice';
import { redirect } from '@onbehalf/node/web/pages/redirect';
import { locationOf } from '@onbehalf/node/web/session/location';
import type { Request, Response } from 'express';
import { sendPage } from './pages/page.ts';
import { home, profile, welcome } from './pages/pages.ts';

/** `/` and `/profile`: the person who is signed in. */
export function createPerson({ current, stepUpLinks }: Handlers) {
  return {
    home: async (req: Request, res: Response): Promise<void> => {
      const { session, lifetime } = await current.look(req, res);
      const notice = takeNotice(req, res) ?? (session && !lifetime ? 'session-ended' : undefined);
      if (!session || !lifetime) return sendPage(res, welcome(notice));
      sendPage(res, home(session, lifetime));
    },

    profile: async (req: Request, res: Response): Promise<void> => {
      const { session, lifetime } = await current.look(req, res);
      if (!session) return redirect(res, `/sign-in?return_to=${locationOf(req).address('/profile')}`);
      if (lifetime) return sendPage(res, profile(session, lifetime));
      const stepUp = { kind: 'sign_in' } as const;
      await stepUpLinks.respondToPage(req, res, { session, target: 'profile', stepUp, scopes: [] });
    },
  };
}
