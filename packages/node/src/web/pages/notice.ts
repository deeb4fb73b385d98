import { noticeSeconds } from '../../lifetimes.ts';
import type { WebRequest } from '../http/request.ts';
import { clearCookie, setCookie, type WebResponse } from '../http/response.ts';
import { cookieFlags, cookiePrefix, cookiesOf } from '../session/cookies.ts';
import { locationOf } from '../session/location.ts';

/** How signing out went, or that a session has ended. */
const notices = [
  'session-ended',
  'signed-out',
  'ended',
  'none',
  'sign-in-again',
  'unconfirmed',
  'lost',
  'everywhere',
  'everywhere-ended',
  'everywhere-none',
  'everywhere-unconfirmed',
] as const;
export type Notice = (typeof notices)[number];

const noticeCookie = `${cookiePrefix}notice`;

/** Lax, whatever the session is: it is shown on the way back from Entra. */
const flags = { ...cookieFlags, sameSite: 'lax' } as const;

/** Has the next home page say how signing out went. */
export function setNotice(res: WebResponse, notice: Notice): void {
  setCookie(res, locationOf(res.req).cookie(noticeCookie), notice, { ...flags, maxAge: noticeSeconds });
}

/** The notice to show, once. */
export function takeNotice(req: WebRequest, res: WebResponse): Notice | undefined {
  const name = locationOf(req).cookie(noticeCookie);
  const value = cookiesOf(req).get(name);
  if (value === undefined) return undefined;
  clearCookie(res, name, flags);
  return notices.find((notice) => notice === value);
}
