import { z } from 'zod';
import { Fault } from '../../core/fault.ts';
import type { Log } from '../../core/log.ts';
import type { RateLimit } from '../../core/network/rate-limit.ts';
import { queryOf, type WebRequest } from '../http/request.ts';
import { send, sendJson, setHeaders, traceIdOf, type WebResponse } from '../http/response.ts';
import type { ClientNetwork } from '../network/client-network.ts';
import { type Notice, setNotice } from '../pages/notice.ts';
import { redirect } from '../pages/redirect.ts';
import { locationOf } from '../session/location.ts';
import type { Session, Sessions } from '../session/session.ts';
import { parseParameters } from './form.ts';
import type { OidcClient } from './oidc.ts';
import type { Revocation, SessionRevocation } from './session-revocation.ts';

const signOutSchema = z.object({
  where: z.enum(['here', 'everywhere', 'everywhere_after_sign_in']).default('here'),
});
const frontChannelSchema = z.object({ sid: z.string().min(1).max(256), iss: z.string().max(2_048).optional() });

type SignOutDeps = {
  entra: OidcClient;
  logger: Log;
  networkOf: ClientNetwork;
  /** A front-channel logout that exceeds it is done later. */
  rate: RateLimit;
  revocation: SessionRevocation;
  sessions: Sessions;
};

type Where = 'here' | 'everywhere';
type Leaving = Pick<Session, 'token' | 'loginHint'>;

/** `/sign-out`, which the person here asks for, and `/auth/front-channel-logout`, which Entra calls. */
export class SignOut {
  readonly #deps: SignOutDeps;

  constructor(deps: SignOutDeps) {
    this.#deps = deps;
  }

  /**
   * Ends a session at the broker and in this browser; an outage stops neither. Returns the revocation, absent where
   * this browser has no session, and the URL where the browser ends its session at Entra.
   */
  async leave(res: WebResponse, where: Where, session: Leaving | undefined) {
    const { entra, logger, revocation, sessions } = this.#deps;
    const traceId = traceIdOf(res);
    const revoked = session && (await revocation.revoke({ kind: where, token: session.token }, { traceId }));
    sessions.clear(res);
    const ended = revoked?.ended;
    if (ended) logger.info({ event: 'session.ended', reason: 'sign_out', where, ended, trace_id: traceId });
    setNotice(res, toNotice(where, revoked));
    const hint = session?.loginHint;
    const url = entra.endSessionUrl({
      post_logout_redirect_uri: `${locationOf(res.req).url}/`,
      ...(hint !== undefined && { logout_hint: hint }),
    });
    return { revoked, url: url.href };
  }

  /**
   * For a script: `confirmed` says whether the sign-out is known to be done; `ended` is the number of ended sessions.
   * Returns false where the person has to sign in first: nothing is sent then.
   */
  async signOut(req: WebRequest, res: WebResponse, form: unknown): Promise<boolean> {
    const { where } = parseParameters(signOutSchema, form);
    if (where === 'everywhere_after_sign_in') return false;
    const { revoked, url } = await this.leave(res, where, await this.#deps.sessions.read(req, res));
    if (req.headers['x-csrf'] === undefined) {
      redirect(res, url);
      return true;
    }
    const ended = revoked ? revoked.ended : 0;
    const alreadyEnded = revoked?.ended === 0;
    const confirmed = Boolean(ended) || (alreadyEnded && where === 'here');
    setHeaders(res, { 'Cache-Control': 'no-store' });
    sendJson(res, { signed_out: true, confirmed, ended, already_ended: alreadyEnded, end_session: url });
    return true;
  }

  /**
   * A cross-site frame of Entra's: no cookie comes with it, `sid` alone decides. Entra sends no `iss`; one that comes
   * must be right. Entra sends the request once, so no rate refuses it, and an outage does not lose it; the response
   * says how it went. OpenID Connect Front-Channel Logout 1.0.
   */
  async frontChannel(req: WebRequest, res: WebResponse): Promise<void> {
    const { entra, logger, networkOf, rate, revocation } = this.#deps;
    const { sid, iss } = parseParameters(frontChannelSchema, queryOf(req));
    res.removeHeader('X-Frame-Options');
    const policy = `default-src 'none'; frame-ancestors ${entra.origins().join(' ')}`;
    setHeaders(res, { 'Content-Security-Policy': policy, 'Cache-Control': 'no-store' });
    if (iss !== undefined && !entra.isIssuer(iss)) {
      throw new Fault('invalid_request', 'The issuer is not the one this app signs in with.');
    }
    const requester = { traceId: traceIdOf(res), network: networkOf(req) };
    const target = { kind: 'front_channel', sid, iss } as const;
    const overRate = rate.waitSeconds(requester.network) > 0;
    const revoked = overRate ? revocation.revokeLater(target, requester) : await revocation.revoke(target, requester);
    const { ended } = revoked;
    if (ended === 0) return sendText(res, 'nothing to sign out\n');
    if (revoked.ended === undefined) {
      if (overRate && revoked.retried) {
        res.statusCode = 202;
        return sendText(res, 'accepted\n');
      }
      throw unconfirmed(revoked.retried);
    }
    logger.info({ event: 'session.ended', reason: 'front_channel', ended, trace_id: requester.traceId });
    sendText(res, 'signed out\n');
  }
}

const sendText = (res: WebResponse, text: string) => send(res, 'text/plain; charset=utf-8', text);

function toNotice(where: Where, revoked: Revocation | undefined): Notice {
  const everywhere = where === 'everywhere';
  if (!revoked) return everywhere ? 'everywhere-none' : 'none';
  if (revoked.ended === undefined) {
    if (!revoked.retried) return 'lost';
    return everywhere ? 'everywhere-unconfirmed' : 'unconfirmed';
  }
  if (revoked.ended === 0) return everywhere ? 'everywhere-ended' : 'ended';
  return everywhere ? 'everywhere' : 'signed-out';
}

function unconfirmed(retried: boolean): Fault {
  const says = retried ? 'it is tried again for a minute.' : 'it has to be sent again.';
  return new Fault('unavailable', `The sign-out is not confirmed yet: ${says}`, { retryAfterSeconds: 2 });
}
