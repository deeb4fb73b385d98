import type { IncomingMessage } from 'node:http';
import { Fault } from '@onbehalf/node/core/fault';
import { isSafe } from '@onbehalf/node/web/api/api-wire';
import { redirect } from '@onbehalf/node/web/pages/redirect';
import { locationOf } from '@onbehalf/node/web/session/location';
import type { Sessions } from '@onbehalf/node/web/session/session';
import type { StepUpLinks } from '@onbehalf/node/web/step-up/step-up';
import type { Request, Response } from 'express';
import type { Admission } from './people/admission.ts';

export type Refusal = Exclude<Admission, { kind: 'nobody' | 'person' }>;
type RefusalsDeps = { sessions: Pick<Sessions, 'clear'>; stepUpLinks: StepUpLinks };

/** A browser that opens a page, not a script: `Sec-Fetch-Dest` says so, or without it what is accepted. */
export function isNavigation({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  const dest = headers['sec-fetch-dest'];
  if (dest !== undefined) return /^(document|i?frame)$/.test(String(dest));
  if (headers['x-requested-with'] !== undefined || headers['x-csrf'] !== undefined) return false;
  return /text\/html/i.test(headers.accept ?? '');
}

/** Where a page's reader signs in to come back to this path and query. */
export const signInFor = (target: string): string => `/sign-in?return_to=${encodeURIComponent(target)}`;

/**
 * Responds to who may not come yet: a page's reader goes to sign in and comes back to the very address; a script has
 * 401 with where its person signs in, as of `/api`. What was sent by a form cannot be sent again: it has a page.
 */
export async function refuse(
  req: Request,
  res: Response,
  refusal: Refusal,
  { sessions, stepUpLinks, target }: RefusalsDeps & { target: string },
): Promise<void> {
  res.set('Vary', 'Cookie');
  const page = isNavigation(req);
  if (page && !isSafe(req.method)) throw new Fault('invalid_token', 'You have to sign in for this.');
  if (refusal.kind === 'no_session') {
    if (page) return redirect(res, signInFor(req.originalUrl));
    res.status(401).set('Cache-Control', 'no-store');
    return void res.json({
      error: 'login_required',
      sign_in: locationOf(req).address('/sign-in'),
      trace_id: res.locals.traceId,
    });
  }
  const { session } = refusal;
  if (refusal.kind === 'ended') sessions.clear(res);
  const stepUp = refusal.kind === 'ended' ? ({ kind: 'sign_in' } as const) : refusal.stepUp;
  const scopes = refusal.kind === 'ended' ? [] : refusal.scopes;
  const request = { session, target, stepUp, scopes, returnTo: req.originalUrl };
  if (page) return stepUpLinks.respondToPage(req, res, request);
  return stepUpLinks.respondToScript(res, request);
}
