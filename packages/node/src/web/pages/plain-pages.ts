import type { Fault } from '../../core/fault.ts';
import { pathOf } from '../http/request.ts';
import { send, setHeaders, traceIdOf, type WebResponse } from '../http/response.ts';
import { locationOf } from '../session/location.ts';
import type { Pages } from './pages.ts';

type Link = { to: string; says: string };
type Page = { title: string; says: string; links: Link[]; forward?: string };

const start = (res: WebResponse): Link => ({ to: locationOf(res.req).address('/'), says: 'To the start' });

/** The pages of signing in, plain: no style and no script, so that no policy of the app has to allow any. */
export const plainPages: Pages = {
  forwarding(res, path, signedIn = false) {
    const title = signedIn ? 'You are signed in' : 'One moment';
    show(res, {
      title,
      says: 'Your browser goes on by itself.',
      links: [{ to: path, says: 'Continue' }],
      forward: path,
    });
  },
  stillNeeded(res, signInUrl, adminOnly) {
    const says = adminOnly
      ? 'An administrator of your organisation has to allow this. Nothing was changed.'
      : 'You have just done what was asked for, and it is asked for again. You can try once more.';
    const links = adminOnly ? [start(res)] : [{ to: signInUrl, says: 'Try again' }, start(res)];
    show(res, { title: 'Something more is needed', says, links });
  },
  toSignIn(res) {
    show(res, {
      title: 'Sign in',
      says: 'Open this page to sign in.',
      links: [{ to: '', says: 'Sign in' }, start(res)],
    });
  },
  administratorAnswered(res, agreed) {
    const says = agreed ? 'The organisation has agreed.' : 'The organisation has not agreed.';
    show(res, { title: says, says: 'Nobody was signed in by this.', links: [start(res)] });
  },
  trouble(res, fault, { again, beginAgain }) {
    const { message, retryAfterSeconds: seconds, status } = fault;
    const wait = seconds === undefined ? '' : ` Try again in ${Math.ceil(seconds)} s.`;
    const to = beginAgain ?? (seconds !== undefined && again ? '' : locationOf(res.req).address('/sign-in'));
    const says = `${message}${wait} Nothing is lost: if you were signed in, you still are.`;
    show(res, {
      title: titleOf(fault),
      says,
      links: status < 404 || seconds !== undefined ? [{ to, says: 'Try again' }, start(res)] : [start(res)],
    });
  },
};

function titleOf({ code, status }: Fault): string {
  if (code === 'access_denied') return 'Nothing was changed';
  return status < 500 ? 'This cannot be done' : 'This is not possible right now';
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => entities[character] ?? character);

function show(res: WebResponse, { title, says, links, forward }: Page): void {
  setHeaders(res, {
    'Cache-Control': 'no-store',
    // The callback's address holds the code.
    'Referrer-Policy': pathOf(res.req) === '/auth/callback' ? 'no-referrer' : 'same-origin',
  });
  const link = ({ to, says: text }: Link) => `<a href="${escaped(to)}">${escaped(text)}</a>`;
  const refresh = forward === undefined ? '' : `<meta http-equiv="refresh" content="0;url=${escaped(forward)}">\n`;
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${refresh}<title>${escaped(title)}</title>
<main>
<h1>${escaped(title)}</h1>
<p>${escaped(says)}</p>
<p>${links.map(link).join(' · ')}</p>
<p><small>Reference: ${traceIdOf(res)}</small></p>
</main>
</html>
`;
  send(res, 'text/html; charset=utf-8', html);
}
