import type { Fault } from '../../core/fault.ts';
import type { WebResponse } from '../http/response.ts';

/** The pages that signing in shows by itself. Each sends one; its status is already set, and addresses are as browsers ask for them. */
export type Pages = {
  /** Leads on to a path of ours, or from a redirect that does not fit into a head; `signedIn` if a sign-in just ended. */
  forwarding(res: WebResponse, path: string, signedIn?: boolean): void;
  /** The person satisfied this step-up, and it is asked for again; if `adminOnly`, only an administrator can help. */
  stillNeeded(res: WebResponse, signInUrl: string, adminOnly: boolean): void;
  /** For whatever fetches the way to sign in without a person: nothing is begun before somebody comes. */
  toSignIn(res: WebResponse): void;
  /** How an administrator answered for an organisation; Entra says no more, and anybody can say it. */
  administratorAnswered(res: WebResponse, agreed: boolean): void;
  /**
   * What went wrong. `again`: the very same address may be asked again; `beginAgain`: where to begin again what the person
   * broke off.
   */
  trouble(
    res: WebResponse,
    fault: Fault,
    how: { again: boolean; signedIn: boolean; beginAgain?: string | undefined },
  ): void;
};

const chosen = new WeakMap<WebResponse, Pages>();

/** Has what comes after it show these pages. */
export function usePages(res: WebResponse, pages: Pages): void {
  chosen.set(res, pages);
}

export function pagesOf(res: WebResponse): Pages {
  const pages = chosen.get(res);
  if (!pages) throw new Error('usePages() comes before this.');
  return pages;
}
