import type { RenderFault } from '@onbehalf/chassis/http/http';
import { pathOf } from '@onbehalf/node/web/http/request';
import { exchangeOf } from '@onbehalf/node/web/http/response';
import { cookiesOf } from '@onbehalf/node/web/session/cookies';
import { findLocation } from '@onbehalf/node/web/session/location';
import { sessionCookie } from '@onbehalf/node/web/session/session';
import type { Request } from 'express';
import { sendPage } from './page.ts';
import { trouble } from './pages.ts';

/** Paths that scripts and Entra's frame read, whatever they say they accept. */
const dataPaths = /^\/(api\/|session$|auth\/front-channel-logout$)/;

/** A page for people, JSON for scripts; both name the reference. The session cookie is never touched. */
export const renderFault: RenderFault = (fault, req, res, traceId) => {
  if (isForScript(req)) {
    const { retryAfterSeconds: seconds } = fault;
    return void res.json({
      ...fault.toBody(traceId),
      ...(seconds !== undefined && { retry_after: Math.ceil(seconds) }),
    });
  }
  const location = findLocation(req);
  const signedIn = location !== undefined && cookiesOf(req).has(location.cookie(sessionCookie));
  sendPage(res, trouble(fault, { again: req.method === 'GET', signedIn, beginAgain: exchangeOf(res).beginAgain }));
};

function isForScript(req: Request): boolean {
  if (dataPaths.test(pathOf(req)) || req.headers['x-csrf'] !== undefined) return true;
  return req.accepts(['json', 'html']) !== 'html';
}
