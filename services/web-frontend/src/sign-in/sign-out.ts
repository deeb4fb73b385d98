import { Fault } from '@onbehalf/chassis/fault';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { NextFunction, Request, Response } from 'express';
import { z } from 'zod';
import { setNotice } from '../pages/notice.ts';
import type { Notice } from '../pages/pages.ts';
import { redirect } from '../pages/redirect.ts';
import type { Session, Sessions } from '../session/session.ts';
import type { ClientNetwork } from './client-network.ts';
import { parseParameters } from './form.ts';
import type { Entra } from './oidc.ts';
import type { Rate } from './rate.ts';
import type { Ending, Endings } from './session-revocation.ts';

const signOutSchema = z.object({
  where: z.enum(['here', 'everywhere', 'everywhere_after_sign_in']).default('here'),
});
const frontChannelSchema = z.object({ sid: z.string().min(1).max(256), iss: z.string().max(2_048).optional() });

type SignOutDeps = {
  endings: Endings;
  entra: Entra;
  logger: Logger;
  networkOf: ClientNetwork;
  publicBaseUrl: string;
  /** A front-channel logout that exceeds it is done later. */
  rate: Rate;
  sessions: Sessions;
};

type Where = 'here' | 'everywhere';
type Leaving = Pick<Session, 'token' | 'loginHint'>;

/** `/sign-out`, asked for by the person here, and `/auth/front-channel-logout`, told by Entra. */
export function createSignOut(deps: SignOutDeps) {
  const { endings, entra, logger, networkOf, publicBaseUrl, rate, sessions } = deps;

  /**
   * Ends a session at the broker and in this browser; an outage stops neither. Gives what became of it, absent where
   * this browser has no session, and where the browser ends its session at Entra.
   */
  async function leave(res: Response, where: Where, session: Leaving | undefined) {
    const traceId = String(res.locals.traceId);
    const ending = session && (await endings.end({ kind: where, token: session.token }, { traceId }));
    sessions.clear(res);
    const ended = ending?.ended;
    if (ended) logger.info({ event: 'session.ended', reason: 'sign_out', where, ended, trace_id: traceId });
    setNotice(res, noticeOf(where, ending));
    const hint = session?.loginHint;
    const url = entra.endSessionUrl({
      post_logout_redirect_uri: `${publicBaseUrl}/`,
      ...(hint !== undefined && { logout_hint: hint }),
    });
    return { ending, url: url.href };
  }

  return {
    leave,

    /** Of a script, `confirmed` is whether what was asked for is known to be so; `ended` what was seen to end. */
    signOut: async (req: Request, res: Response, next: NextFunction): Promise<void> => {
      const { where } = parseParameters(signOutSchema, req.body);
      if (where === 'everywhere_after_sign_in') return next();
      const { ending, url } = await leave(res, where, await sessions.read(req, res));
      if (req.headers['x-csrf'] === undefined) return redirect(res, url);
      const ended = ending ? ending.ended : 0;
      const alreadyEnded = ending?.ended === 0;
      const confirmed = Boolean(ended) || (alreadyEnded && where === 'here');
      res.set('Cache-Control', 'no-store');
      res.json({ signed_out: true, confirmed, ended, already_ended: alreadyEnded, end_session: url });
    },

    /**
     * A cross-site frame of Entra's: no cookie comes along, `sid` alone decides. Entra sends no `iss`; one that comes
     * must be right. It is sent once and by nobody else, so no rate refuses it, and an outage does not lose it; the
     * answer says how it went. OpenID Connect Front-Channel Logout 1.0.
     */
    frontChannel: async (req: Request, res: Response): Promise<void> => {
      const { sid, iss } = parseParameters(frontChannelSchema, req.query);
      res.removeHeader('X-Frame-Options');
      const policy = `default-src 'none'; frame-ancestors ${entra.origins().join(' ')}`;
      res.set({ 'Content-Security-Policy': policy, 'Cache-Control': 'no-store' });
      if (iss !== undefined && !entra.isIssuer(iss)) {
        throw new Fault('invalid_request', 'The issuer is not the one this app signs in with.');
      }
      const asked = { traceId: String(res.locals.traceId), network: networkOf(req) };
      const end = { kind: 'front_channel', sid, iss } as const;
      const hasty = rate(asked.network) > 0;
      const ending = hasty ? endings.defer(end, asked) : await endings.end(end, asked);
      res.type('text');
      if (ending.ended === 0) return void res.send('nothing to sign out\n');
      if (ending.ended === undefined && hasty && ending.kept) return void res.status(202).send('accepted\n');
      if (ending.ended === undefined) throw unconfirmed(ending.kept);
      logger.info({ event: 'session.ended', reason: 'front_channel', ended: ending.ended, trace_id: asked.traceId });
      res.send('signed out\n');
    },
  };
}

function noticeOf(where: Where, ending: Ending | undefined): Notice {
  const everywhere = where === 'everywhere';
  if (!ending) return everywhere ? 'everywhere-none' : 'none';
  if (ending.ended === undefined) {
    if (!ending.kept) return 'lost';
    return everywhere ? 'everywhere-unconfirmed' : 'unconfirmed';
  }
  if (ending.ended === 0) return everywhere ? 'everywhere-ended' : 'ended';
  return everywhere ? 'everywhere' : 'signed-out';
}

function unconfirmed(kept: boolean): Fault {
  const says = kept ? 'it is tried again for a minute.' : 'it has to be sent again.';
  return new Fault('unavailable', `The sign-out is not confirmed yet: ${says}`, { retryAfterSeconds: 2 });
}

export type SignOut = ReturnType<typeof createSignOut>;
