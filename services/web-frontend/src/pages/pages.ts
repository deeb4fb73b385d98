import { type Html, html } from '@onbehalf/chassis/http/html';
import type { Fault } from '@onbehalf/node/core/fault';
import { spanContextOf } from '@onbehalf/node/core/telemetry/trace-context';
import type { Notice } from '@onbehalf/node/web/pages/notice';
import { iso, type Lifetime } from '@onbehalf/node/web/session/current-session';
import type { Session } from '@onbehalf/node/web/session/session';
import type { Here, View } from './page.ts';
import type { Texts } from './texts.ts';

/** The paths of the sample's calls of its API, each a page. */
export const callPaths = ['/whoami', '/graph/me', '/payroll'] as const satisfies (keyof Texts['calls'])[];
export type CallPath = (typeof callPaths)[number];

/** The notices after which to sign in and sign out everywhere is what may help. */
const offersSignOut: readonly Notice[] = ['lost', 'everywhere-ended', 'everywhere-none', 'everywhere-unconfirmed'];

function noticed(texts: Texts, { to }: Here, notice: Notice): Html {
  return html`<p role="status">${texts.notices[notice]}</p>
${offersSignOut.includes(notice) && html`<form class="row" method="post" action="${to('/sign-out')}"><button class="button" name="where" value="everywhere_after_sign_in">${texts.signInToSignOut}</button></form>`}`;
}

export function welcome(notice: Notice | undefined): View {
  return (texts, here) => ({
    title: texts.welcome.title,
    main: html`${notice && noticed(texts, here, notice)}
<p class="lead">${texts.welcome.lead}</p>
<p class="row"><a class="button" href="${here.to('/sign-in')}">${texts.signIn}</a></p>`,
  });
}

export function home(session: Session, { idleEndsAt, endsAt }: Lifetime): View {
  const signIn = spanContextOf(session.flow);
  return (texts, here) => ({
    title: texts.hello(session.name),
    signedIn: true,
    main: html`<p class="lead">${texts.signedInAs(session.username)}
${texts.signedOutAt(time(idleEndsAt), time(endsAt))}</p>
${here.viewer && signIn && html`<ul class="cards"><li class="card"><h2><a href="${here.viewer}/traces/${signIn.traceId}">${texts.yourSignIn.title}</a></h2><p class="soft">${texts.yourSignIn.says}</p></li></ul>`}
<h2>${texts.callOnYourBehalf}</h2>
<ul class="cards">${callPaths.map((path) => {
      const { title, says } = texts.calls[path];
      return html`<li class="card"><h3><a href="${here.to(path)}">${title}</a></h3><p class="soft">${says}</p></li>`;
    })}</ul>
${signOutForm(texts, here)}`,
  });
}

export function profile(session: Session, lifetime: Lifetime): View {
  return (texts, here) => {
    const { title, ...names } = texts.yourProfile;
    const rows = [
      [names.name, session.name],
      [names.username, session.username],
      [names.oid, session.oid],
      [names.tid, session.tid],
      [names.createdAt, time(lifetime.createdAt)],
      [names.idleEndsAt, time(lifetime.idleEndsAt)],
      [names.endsAt, time(lifetime.endsAt)],
    ] as const;
    return {
      title,
      signedIn: true,
      main: html`<dl>${rows.map(([name, value]) => value && html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
${signOutForm(texts, here)}`,
    };
  };
}

/** An API's response as it came: its status and its text. */
export function apiResponse({ status, text, path }: { status: number; text: string; path: CallPath }): View {
  const good = status < 400;
  return (texts, { to }) => ({
    title: texts.calls[path].title,
    signedIn: true,
    main: html`<p class="${good ? 'good' : 'bad'}">${good ? texts.apiResponded(status) : texts.apiRefused(status)}</p>
<pre tabindex="0" aria-label="${texts.theResponse}">${text}</pre>
<p class="row"><a class="button" href="${to(path)}">${texts.callAgain}</a>
${status === 401 && html`<a href="${to('/sign-in')}?return_to=${to(path)}">${texts.signInAgain}</a>`}<a href="${to('/')}">${texts.toStart}</a></p>`,
  });
}

/** The person satisfied this step-up, and it is asked for again: they decide whether to try once more. */
export function stillNeeded(signInUrl: string, adminOnly: boolean): View {
  return ({ stillNeeded: { title, administrator, person }, toStart, tryAgain }, { to }) => ({
    title,
    signedIn: true,
    main: adminOnly
      ? html`<p>${administrator}</p>
<p class="row"><a class="button" href="${to('/')}">${toStart}</a></p>`
      : html`<p>${person}</p>
<p class="row"><a class="button" href="${signInUrl}">${tryAgain}</a><a href="${to('/')}">${toStart}</a></p>`,
  });
}

/** For whatever fetches the way to sign in without a person: nothing is begun before somebody comes. */
export function toSignIn(): View {
  return (texts, { to }) => ({
    title: texts.signIn,
    main: html`<p>${texts.toSignIn}</p>
<p class="row"><a class="button" href="">${texts.signIn}</a><a href="${to('/')}">${texts.toStart}</a></p>`,
  });
}

/** How an administrator answered for an organisation; Entra says no more, and anybody can say it. */
export function adminConsent(agreed: boolean): View {
  return ({ administrator: says, toStart }, { to }) => ({
    title: agreed ? says.agreed : says.refused,
    main: html`<p class="lead">${agreed ? says.agreedTo : says.refusedTo} ${says.nobodySigned}</p>
<p class="row"><a class="button" href="${to('/')}">${toStart}</a></p>`,
  });
}

/** Leads on to an address of ours, or from a redirect that does not fit into a head. */
export function forwarding(address: string, signedIn = false): View {
  return ({ forwarding: { title, signedIn: done, says }, continue: on }) => ({
    title: signedIn ? done : title,
    forward: address,
    signedIn,
    main: html`<p role="status">${says} <a href="${address}">${on}</a></p>`,
  });
}

type TroubleOptions = {
  /** Whether the very same address may be asked again. */
  again: boolean;
  /** Whether the browser carries a session. */
  signedIn: boolean;
  /** Where to begin again what the person broke off: nothing is wrong then. */
  beginAgain?: string | undefined;
};

/** What went wrong, by the description of its Fault; one that comes later carries the wait, said once. */
export function trouble({ status, message, retryAfterSeconds: seconds }: Fault, options: TroubleOptions): View {
  const { signedIn, beginAgain } = options;
  return (texts, { to, outside }) => {
    const later = seconds === undefined ? undefined : options.again ? '' : to('/sign-in');
    const again = beginAgain ?? later;
    const known = Object.hasOwn(texts.troubles, message) ? texts.troubles[message] : undefined;
    const { title, says } = known ?? texts.otherTrouble;
    const lead = seconds === undefined ? says : `${says} ${texts.tryAgainIn(seconds)}`;
    const actions =
      again === undefined
        ? html`<a class="button" href="${to('/')}">${texts.toStart}</a>${status < 404 && html`<a href="${to('/sign-in')}">${texts.signInAgain}</a>`}`
        : html`<a class="button" href="${again}">${again === to('/sign-in') ? texts.signInAgain : texts.tryAgain}</a><a href="${to('/')}">${texts.toStart}</a>`;
    return {
      title,
      signedIn,
      main: html`<p class="lead">${lead}</p>
${beginAgain === undefined && html`<p class="soft">${texts.report}</p>`}
${!outside && html`<p class="row">${actions}</p>`}`,
    };
  };
}

function signOutForm({ signOut, signOutEverywhere }: Texts, { to }: Here): Html {
  return html`<form class="row end" method="post" action="${to('/sign-out')}">
<button class="button quiet" name="where" value="here">${signOut}</button>
<button class="button quiet" name="where" value="everywhere">${signOutEverywhere}</button>
</form>`;
}

function time(epochSeconds: number): Html {
  const instant = iso(epochSeconds);
  return html`<time datetime="${instant}">${instant.slice(0, 16).replace('T', ' ')} UTC</time>`;
}
