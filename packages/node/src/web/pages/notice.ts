import type { Request, Response } from 'express';
import { noticeSeconds } from '../../lifetimes.ts';
import { cookieFlags, cookiePrefix, cookiesOf } from '../session/cookies.ts';

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
export function setNotice(res: Response, notice: Notice): void {
  res.cookie(noticeCookie, notice, { ...flags, maxAge: noticeSeconds * 1_000 });
}

/** The notice to show, once. */
export function takeNotice(req: Request, res: Response): Notice | undefined {
  const value = cookiesOf(req).get(noticeCookie);
  if (value === undefined) return undefined;
  res.clearCookie(noticeCookie, flags);
  return notices.find((notice) => notice === value);
}
