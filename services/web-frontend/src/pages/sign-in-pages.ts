import type { WebResponse } from '@onbehalf/node/web/http/response';
import type { Pages } from '@onbehalf/node/web/pages/pages';
import type { Response } from 'express';
import { sendPage, type View } from './page.ts';
import { adminConsent, forwarding, stillNeeded, toSignIn, trouble } from './pages.ts';

/** Express made the response. */
const show = (res: WebResponse, view: View) => sendPage(res as unknown as Response, view);

/** What signing in shows, as pages of ours. */
export const pages: Pages = {
  forwarding: (res, path, signedIn) => show(res, forwarding(path, signedIn)),
  stillNeeded: (res, signInUrl, adminOnly) => show(res, stillNeeded(signInUrl, adminOnly)),
  toSignIn: (res) => show(res, toSignIn()),
  administratorAnswered: (res, agreed) => show(res, adminConsent(agreed)),
  trouble: (res, fault, how) => show(res, trouble(fault, how)),
};
