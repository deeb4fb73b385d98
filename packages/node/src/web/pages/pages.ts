import type { Request, RequestHandler, Response } from 'express';

/** The pages that signing in shows by itself. Each sends one; its status is already set. */
export type Pages = {
  /** Leads on to a path of ours, or from a redirect that does not fit into a head; `signedIn` if a sign-in just ended. */
  forwarding(res: Response, path: string, signedIn?: boolean): void;
  /** The person satisfied this step-up, and it is asked for again; if `adminOnly`, only an administrator can help. */
  stillNeeded(res: Response, signInUrl: string, adminOnly: boolean): void;
  /** For whatever fetches the way to sign in without a person: nothing is begun before somebody comes. */
  toSignIn(res: Response): void;
  /** How an administrator answered for an organisation; Entra says no more, and anybody can say it. */
  administratorAnswered(res: Response, agreed: boolean): void;
};

/** Has what comes after it show these pages. */
export function usePages(pages: Pages): RequestHandler {
  return (_req: Request, res: Response, next) => {
    res.locals.pages = pages;
    next();
  };
}

export function pagesOf(res: Response): Pages {
  return res.locals.pages as Pages;
}
