import type { Pages } from '@onbehalf/node/web/pages/pages';
import { sendPage } from './page.ts';
import { adminConsent, forwarding, stillNeeded, toSignIn } from './pages.ts';

/** What signing in shows, as pages of ours. */
export const pages: Pages = {
  forwarding: (res, path, signedIn) => sendPage(res, forwarding(path, signedIn)),
  stillNeeded: (res, signInUrl, adminOnly) => sendPage(res, stillNeeded(signInUrl, adminOnly)),
  toSignIn: (res) => sendPage(res, toSignIn()),
  administratorAnswered: (res, agreed) => sendPage(res, adminConsent(agreed)),
};
