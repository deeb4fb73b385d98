import type { WebRequest } from '../http/request.ts';
import { exchangeOf, type WebResponse } from '../http/response.ts';
import { pagesOf } from '../pages/pages.ts';

/** Programs that fetch a page to show a link to it. */
const previewers =
  /bot\b|bot\/|crawler|spider|slurp|preview|externalhit|linkexpanding|slack-imgproxy|whatsapp|unfurl|embedly|iframely|pinterest|vkshare|validator/i;

/**
 * Whether nobody has asked for the page yet: a browser that fetches ahead (`Sec-Purpose` of the Fetch standard, its
 * forerunners `Purpose`, `X-Purpose` and `X-Moz`), a HEAD, or a program that shows a preview of a link. A browser that
 * navigates says so, whatever its name is.
 */
function kindOf({ method, headers }: WebRequest): 'prefetch' | 'head' | 'preview' | undefined {
  const purposes = ['sec-purpose', 'purpose', 'x-purpose', 'x-moz'].map((name) => String(headers[name] ?? ''));
  if (purposes.some((purpose) => /prefetch|prerender|preview|instant/i.test(purpose))) return 'prefetch';
  if (method === 'HEAD') return 'head';
  const person = headers['sec-fetch-dest'] === 'document';
  return !person && previewers.test(headers['user-agent'] ?? '') ? 'preview' : undefined;
}

/** Sets no cookie for a request that no person has made. */
export function setNoSpeculativeCookies(req: WebRequest, res: WebResponse): void {
  if (kindOf(req)) exchangeOf(res).speculative = true;
}

/**
 * Responds to a request that no person has made, in place of a step of a sign-in. Returns whether it did. A browser uses what
 * it has prefetched unless the status says that it failed, and asks again then.
 */
export function respondedSpeculative(req: WebRequest, res: WebResponse): boolean {
  const kind = kindOf(req);
  if (!kind) return false;
  res.statusCode = kind === 'prefetch' ? 403 : 200;
  pagesOf(res).toSignIn(res);
  return true;
}
