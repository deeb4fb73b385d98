import { Fault } from '@onbehalf/chassis/fault';
import type { Logger } from '@onbehalf/chassis/logger';
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Broker } from './broker.ts';
import type { Endings } from './endings.ts';
import type { Entra } from './entra.ts';
import { parseParameters } from './form.ts';
import { setNotice } from './notice.ts';
import { redirect } from './redirect.ts';
import type { Sessions } from './session.ts';

const signOutSchema = z.object({ where: z.enum(['here', 'everywhere']).default('here') });
const frontChannelSchema = z.object({ sid: z.string().min(1).max(256), iss: z.string().max(2_048).optional() });

type SignOutDeps = {
  broker: Broker;
  endings: Endings;
  entra: Entra;
  logger: Logger;
  publicBaseUrl: string;
  sessions: Sessions;
};

/** `/sign-out`, asked for by the person here, and `/auth/front-channel-logout`, told by Entra. */
export function createSignOut({ broker, endings, entra, logger, publicBaseUrl, sessions }: SignOutDeps) {
  return {
    /** Ends the session at the broker, in this browser and at Entra, in this order; an outage stops none of them. */
    signOut: async (req: Request, res: Response): Promise<void> => {
      const { where } = parseParameters(signOutSchema, req.body);
      const session = await sessions.read(req, res);
      const confirmed = !session || (await endings.end(where, session.token, String(res.locals.traceId)));
      sessions.clear(res);
      logger.info({ event: 'session.ended', reason: 'sign_out', where, confirmed, trace_id: res.locals.traceId });
      setNotice(res, !confirmed ? 'unconfirmed' : where === 'everywhere' ? 'everywhere' : 'signed-out');
      const hint = session?.loginHint;
      const parameters = {
        post_logout_redirect_uri: `${publicBaseUrl}/`,
        ...(hint !== undefined && { logout_hint: hint }),
      };
      const url = entra.endSessionUrl(parameters).href;
      if (req.headers['x-csrf'] === undefined) return redirect(res, url);
      res.set('Cache-Control', 'no-store').json({ signed_out: true, confirmed, end_session: url });
    },

    /**
     * A cross-site frame of Entra's: no cookie comes along, `sid` alone decides. Entra sends no `iss`; one that comes
     * must be right. OpenID Connect Front-Channel Logout 1.0.
     */
    frontChannel: async (req: Request, res: Response): Promise<void> => {
      const { sid, iss } = parseParameters(frontChannelSchema, req.query);
      res.removeHeader('X-Frame-Options');
      const policy = `default-src 'none'; frame-ancestors ${entra.origins().join(' ')}`;
      res.set({ 'Content-Security-Policy': policy, 'Cache-Control': 'no-store' });
      if (iss !== undefined && !entra.isIssuer(iss)) {
        throw new Fault('invalid_request', 'The issuer is not the one this app signs in with.');
      }
      await broker.endBySid(sid, iss, String(res.locals.traceId));
      logger.info({ event: 'session.ended', reason: 'front_channel', trace_id: res.locals.traceId });
      res.type('text').send('signed out\n');
    },
  };
}
