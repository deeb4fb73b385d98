import type { Fault } from '@onbehalf/chassis/fault';
import { type Html, html } from '../../../chassis/src/http/html.ts';
import type { Session } from '../session/session.ts';

export type Lifetime = { createdAt: number; idleEndsAt: number; endsAt: number };

/** The sample's calls of its API, each a page: what it shows of the scenario, in a sentence. */
export const calls = [
  { path: '/whoami', title: 'Who am I?', says: 'The API tells whom the call was made on behalf of.' },
  { path: '/graph/me', title: 'Microsoft Graph', says: 'The API in turn calls Graph on your behalf.' },
  { path: '/payroll', title: 'Payroll', says: 'The API asks for a stronger sign-in first.' },
] as const;

/** How signing out went: what it says, and whether to sign in and sign out everywhere is what may help. */
export const notices = {
  'signed-out': ['You are signed out.'],
  ended: ['You were signed out already: your session had ended.'],
  none: ['This browser had no session that could be ended.'],
  'sign-in-again': [
    'That sign-in was completed already, took too long or began in another browser. If you are not signed in, sign in once more.',
  ],
  unconfirmed: [
    'You are signed out in this browser. The end of your session on the server is not confirmed yet: we keep trying for a minute.',
  ],
  lost: [
    'You are signed out in this browser. The end of your session on the server is not confirmed. Please sign in and out once more.',
    'offer',
  ],
  everywhere: ['You are signed out on all your devices.'],
  'everywhere-ended': [
    'Your session in this browser had already ended, so nothing was ended on your other devices. To end your sessions there, sign in once more.',
    'offer',
  ],
  'everywhere-none': [
    'This browser had no session, so nothing was ended on your other devices. To end your sessions there, sign in first.',
    'offer',
  ],
  'everywhere-unconfirmed': [
    'You are signed out in this browser. The end of your sessions on all devices is not confirmed yet: we keep trying for a minute. To be sure, do it once more.',
    'offer',
  ],
} as const satisfies Record<string, readonly [says: string, offer?: 'offer']>;

export type Notice = keyof typeof notices;

function noticed(notice: Notice): Html {
  const [says, offer] = notices[notice];
  return html`<p role="status">${says}</p>
${offer && html`<form class="row" method="post" action="/sign-out"><button class="button" name="where" value="everywhere_after_sign_in">Sign in, then sign out everywhere</button></form>`}`;
}

export function welcome(notice: Notice | undefined): Html {
  return html`${notice && noticed(notice)}
<p class="lead">Sign in with Microsoft Entra ID, and this app calls web APIs on your behalf. Your tokens never reach the browser.</p>
<p class="row"><a class="button" href="/sign-in">Sign in</a></p>`;
}

export function home(session: Session, lifetime: Lifetime): Html {
  return html`<p class="lead">You are signed in as <strong>${session.username ?? 'a person without a name'}</strong>.
${ends(lifetime)}</p>
<h2>Call an API on your behalf</h2>
<ul class="cards">${calls.map(
    ({ path, title, says }) =>
      html`<li class="card"><h2><a href="${path}">${title}</a></h2><p class="soft">${says}</p></li>`,
  )}</ul>
${signOutForm()}`;
}

export function profile(session: Session, lifetime: Lifetime): Html {
  const rows = {
    Name: session.name,
    Username: session.username,
    'Object id': session.oid,
    Tenant: session.tid,
    'Signed in': instant(lifetime.createdAt),
    'Ends when idle until': instant(lifetime.idleEndsAt),
    'Ends at the latest': instant(lifetime.endsAt),
  };
  return html`<dl>${Object.entries(rows).map(([name, value]) => value && html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
${signOutForm()}`;
}

/** An API's response as it came: its status and its text. */
export function apiResponse({ status, text, path }: { status: number; text: string; path: string }): Html {
  const good = status < 400;
  return html`<p class="${good ? 'good' : 'bad'}">${good ? 'The API answered' : 'The API refused'} with status ${status}.</p>
<pre tabindex="0" aria-label="The answer">${text}</pre>
<p class="row"><a class="button" href="${path}">Call again</a>
${status === 401 && html`<a href="/sign-in?return_to=${path}">Sign in again</a>`}<a href="/">Back to the start</a></p>`;
}

/** The person satisfied this step-up, and it is asked for again: they decide whether to try once more. */
export function stillNeeded(signInUrl: string, adminOnly: boolean): Html {
  return adminOnly
    ? html`<p>Your organisation lets only an administrator allow this. Ask yours, and give them the reference below.</p>
<p class="row"><a class="button" href="/">Back to the start</a></p>`
    : html`<p>You have just been sent to sign in for this, and it is asked for again. Trying once more may help; if not,
your organisation's rules may stand against it. Tell your administrator the reference below.</p>
<p class="row"><a class="button" href="${signInUrl}">Try again</a><a href="/">Back to the start</a></p>`;
}

/** For whatever fetches the way to sign in without a person: nothing is begun before somebody comes. */
export function toSignIn(): Html {
  return html`<p>Signing in begins when you open this page.</p>
<p class="row"><a class="button" href="">Sign in</a><a href="/">Go to the start</a></p>`;
}

/** How an administrator answered for an organisation; Entra says no more, and anybody can say it. */
export function adminConsent(agreed: boolean): Html {
  return html`<p class="lead">${
    agreed
      ? 'An administrator has agreed to what this app may do in an organisation.'
      : 'An administrator has not agreed to what this app may do in an organisation.'
  } Nobody was signed in or out here.</p>
<p class="row"><a class="button" href="/">Go to the start</a></p>`;
}

export function forwarding(path: string): Html {
  return html`<p role="status">One moment. <a href="${path}">Continue</a></p>`;
}

/** `again`: whether the very same address may be asked again. */
export function trouble({ status, message, retryAfterSeconds: seconds }: Fault, again: boolean): Html {
  const report = html`<p class="soft">If it goes on, report the reference at the foot of this page.</p>`;
  if (seconds === undefined)
    return html`<p class="lead">${message}</p>
${report}
<p class="row"><a class="button" href="/">Go to the start</a>${status < 404 && html`<a href="/sign-in">Sign in again</a>`}</p>`;
  const [href, says] = again ? ['', 'Try again'] : ['/sign-in', 'Sign in again'];
  return html`<p class="lead">Nothing is lost: if you were signed in, you still are. Try again in ${wait(seconds)}.</p>
${report}
<p class="row"><a class="button" href="${href}">${says}</a><a href="/">Go to the start</a></p>`;
}

/** What went wrong in a few words: of what passes its own, of the rest by HTTP status. */
export function troubleTitle({ status, message, retryAfterSeconds }: Fault): string {
  if (retryAfterSeconds !== undefined) return message.replace(/\.$/, '');
  const titles: Record<number, string> = {
    403: 'This is not allowed',
    404: 'There is nothing here',
    405: 'This cannot be done here',
    500: 'Something went wrong on our side',
    502: 'The service behind this page is broken',
  };
  return titles[status] ?? 'This request cannot be used';
}

function signOutForm(): Html {
  return html`<form class="row" method="post" action="/sign-out">
<button class="button" name="where" value="here">Sign out</button>
<button class="button quiet" name="where" value="everywhere">Sign out everywhere</button>
</form>`;
}

function ends({ idleEndsAt, endsAt }: Lifetime): Html {
  return html`Your session ends at <time datetime="${iso(endsAt)}">${instant(endsAt)}</time>, or at
<time datetime="${iso(idleEndsAt)}">${instant(idleEndsAt)}</time> if you do nothing until then.`;
}

/** ISO 8601. */
export function iso(epochSeconds: number): string {
  return new Date(epochSeconds * 1_000).toISOString();
}

function instant(epochSeconds: number): string {
  return `${iso(epochSeconds).slice(0, 16).replace('T', ' ')} UTC`;
}

function wait(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} seconds` : `${Math.ceil(seconds / 60)} minutes`;
}
