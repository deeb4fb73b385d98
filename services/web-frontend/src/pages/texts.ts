import { type Html, html } from '@onbehalf/chassis/http/html';

/** What went wrong, and what it means for the person. */
type Trouble = { title: string; says: string };

const nothingLost = 'Nothing is lost: if you were signed in, you still are.';
const nothingChanged = 'Nothing was changed: if you were signed in, you still are.';
const signInOnceMore = 'If you are not signed in, sign in once more.';
const cannotBeUsed = (says: string): Trouble => ({ title: 'This request cannot be used', says });
const notCompleted = (says: string): Trouble => ({ title: 'This sign-in cannot be completed', says });

/** A Fault's page, by its description: what a person can do is different. Every description of ours is here. */
const troubles: Record<string, Trouble> = {
  'The sign-in was cancelled, so nothing was changed.': {
    title: 'You cancelled the sign-in',
    says: `${nothingChanged} You can sign in whenever you like.`,
  },
  'The extra check was declined, so nothing was changed.': {
    title: 'You declined the extra check',
    says: `${nothingChanged} What you wanted needs the check: try again when you are ready.`,
  },
  'The permission was not given, so nothing was changed.': {
    title: 'You did not give the permission',
    says: `${nothingChanged} What you wanted needs the permission: try again when you are ready.`,
  },
  'You have to sign in for this.': { title: 'You have to sign in for this', says: nothingChanged },
  'The sign-in could not be completed.': notCompleted(signInOnceMore),
  'This sign-in was completed already, took too long or began in another browser.': notCompleted(
    `It was completed already, took too long or began in another browser. ${signInOnceMore}`,
  ),
  'The response of the sign-in service could not be verified.': notCompleted(
    `The response of the sign-in service could not be verified. ${signInOnceMore}`,
  ),
  'The sign-in service did not accept the request.': notCompleted('The sign-in service did not accept the request.'),
  'This link is no longer good. Go back to the page you wanted and try again.': {
    title: 'This link is no longer good',
    says: 'Go back to the page you wanted and try again.',
  },
  'A cookie of this site came twice. Clear the cookies of this site and try again.': {
    title: 'A cookie of this site came twice',
    says: 'Clear the cookies of this site and try again.',
  },
  'A scope that this app does not use was asked for.': cannotBeUsed('It asks for a scope that this app does not use.'),
  'A parameter is missing, repeated or malformed.': cannotBeUsed('A parameter is missing, repeated or malformed.'),
  'The request could not be read.': cannotBeUsed('It could not be read.'),
  'Only a trusted proxy may ask for this.': cannotBeUsed('Only a trusted proxy may ask for this.'),
  'The request body is too large.': cannotBeUsed('It is too large.'),
  'The content type, charset or encoding is not supported here.': cannotBeUsed(
    'It is not a form of a page of this site.',
  ),
  'Send a form: application/x-www-form-urlencoded.': cannotBeUsed('It is not a form of a page of this site.'),
  'This request must come from a page of this site.': {
    title: 'This must come from a page of this site',
    says: 'Go to the start and use the button there.',
  },
  'This site does not have this host name.': {
    title: 'This site has another address',
    says: 'It does not have the host name in your address bar. Use the address that you were given for it.',
  },
  'There is nothing at this address.': { title: 'There is nothing here', says: 'There is nothing at this address.' },
  'This address does not take that method.': {
    title: 'This cannot be done here',
    says: 'This address does not take that method.',
  },
  'Sign-in service is unavailable, try again.': { title: 'Sign-in service is unavailable', says: nothingLost },
  'Too many requests at once, try again.': { title: 'There are too many requests right now', says: nothingLost },
  'There are too many sign-in requests right now, try again.': {
    title: 'There are too many sign-in requests right now',
    says: nothingLost,
  },
  'Too many requests from your network, try again.': {
    title: 'Too many requests from your network',
    says: nothingLost,
  },
  'The service behind this page cannot be reached.': {
    title: 'The service behind this page cannot be reached',
    says: nothingLost,
  },
  'The service behind this page broke off.': { title: 'The service behind this page broke off', says: nothingLost },
  'The service behind this page gave no response that can be used.': {
    title: 'The service behind this page is broken',
    says: 'It gave no response that can be used.',
  },
  'Something went wrong on our side.': {
    title: 'Something went wrong on our side',
    says: 'It is not your doing. What happened is in our log, under the reference below.',
  },
};

/**
 * Every text of the pages, in English. Another language is a file like this one beside it, and its name in
 * `languages.ts`. What scripts read (`error_description`) is for developers and stays English: RFC 6749 section 5.2.
 */
export const english = {
  /** BCP 47. */
  language: 'en',
  skip: 'Skip to content',
  home: 'Home',
  profile: 'Profile',
  reference: 'Reference',
  trace: 'See its trace',
  signIn: 'Sign in',
  signInAgain: 'Sign in again',
  signOut: 'Sign out',
  signOutEverywhere: 'Sign out everywhere',
  tryAgain: 'Try again',
  callAgain: 'Call again',
  toStart: 'Go to the start',
  continue: 'Continue',

  welcome: {
    title: 'Welcome',
    lead: 'Sign in with Microsoft Entra ID, and this app calls web APIs on your behalf. Your tokens never reach the browser.',
  },
  hello: (name: string | undefined): string => `Hello, ${name ?? 'there'}`,
  signedInAs: (username: string | undefined): Html =>
    html`You are signed in as <strong>${username ?? 'a person without a name'}</strong>.`,
  signedOutAt: (idle: Html, latest: Html): Html =>
    html`Signed out if idle until ${idle}, and at ${latest} in any case.`,
  yourSignIn: {
    title: 'See the sign-in you just did',
    says: 'The trace viewer draws it step by step: between this app, the broker, Redis and Entra ID.',
  },
  callOnYourBehalf: 'Call an API on your behalf',
  /** The sample's calls of its API: what each shows of the scenario, in a sentence. */
  calls: {
    '/whoami': { title: 'Who am I?', says: 'The API tells whom the call was made on behalf of.' },
    '/graph/me': { title: 'Microsoft Graph', says: 'The API in turn calls Graph on your behalf.' },
    '/payroll': { title: 'Payroll', says: 'The API asks for a stronger sign-in first.' },
  },
  yourProfile: {
    title: 'Your profile',
    name: 'Name',
    username: 'Username',
    oid: 'Object id',
    tid: 'Tenant',
    createdAt: 'Signed in',
    idleEndsAt: 'Signed out if idle until',
    endsAt: 'Signed out at the latest',
  },
  apiResponded: (status: number): string => `The API responded with status ${status}.`,
  apiRefused: (status: number): string => `The API refused with status ${status}.`,
  theResponse: 'The response',

  stillNeeded: {
    title: 'More is needed to show this',
    administrator:
      'Your organisation lets only an administrator allow this. Ask yours, and give them the reference below.',
    person:
      "You have just been sent to sign in for this, and it is asked for again. Trying once more may help; if not, your organisation's rules may stand against it. Tell your administrator the reference below.",
  },
  toSignIn: 'Signing in begins when you open this page.',
  administrator: {
    agreed: 'An administrator has agreed',
    agreedTo: 'An administrator has agreed to what this app may do in an organisation.',
    refused: 'An administrator has not agreed',
    refusedTo: 'An administrator has not agreed to what this app may do in an organisation.',
    nobodySigned: 'Nobody was signed in or out here.',
  },
  forwarding: { title: 'One moment', signedIn: 'You are signed in', says: 'One moment.' },

  /** What happened before this page was opened. */
  notices: {
    'session-ended': 'Your session has ended. Sign in to go on.',
    'signed-out': 'You are signed out.',
    ended: 'You were signed out already: your session had ended.',
    none: 'This browser had no session that could be ended.',
    'sign-in-again':
      'That sign-in was completed already, took too long or began in another browser. If you are not signed in, sign in once more.',
    unconfirmed:
      'You are signed out in this browser. The end of your session on the server is not confirmed yet: we keep trying for a minute.',
    lost: 'You are signed out in this browser. The end of your session on the server is not confirmed. Please sign in and out once more.',
    everywhere: 'You are signed out on all your devices.',
    'everywhere-ended':
      'Your session in this browser had already ended, so nothing was ended on your other devices. To end your sessions there, sign in once more.',
    'everywhere-none':
      'This browser had no session, so nothing was ended on your other devices. To end your sessions there, sign in first.',
    'everywhere-unconfirmed':
      'You are signed out in this browser. The end of your sessions on all devices is not confirmed yet: we keep trying for a minute. To be sure, do it once more.',
  },
  signInToSignOut: 'Sign in, then sign out everywhere',

  troubles,
  otherTrouble: cannotBeUsed('It cannot be read, or asks for what is not here.'),
  tryAgainIn: (seconds: number): string =>
    seconds < 90 ? `Try again in ${count(seconds, 'second')}.` : `Try again in ${count(seconds / 60, 'minute')}.`,
  report: 'If it goes on, report the reference at the foot of this page.',
};

export type Texts = typeof english;

function count(number: number, unit: string): string {
  const whole = Math.ceil(number);
  return `${whole} ${unit}${whole === 1 ? '' : 's'}`;
}
