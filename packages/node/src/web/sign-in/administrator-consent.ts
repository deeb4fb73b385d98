import { z } from 'zod';
import { queryOf, type WebRequest } from '../http/request.ts';
import type { WebResponse } from '../http/response.ts';
import { pagesOf } from '../pages/pages.ts';

/** The response to an administrator's consent, which has no code. Learn: "Admin consent", response parameters. */
const adminConsentSchema = z.object({
  admin_consent: z.string().max(16),
  code: z.never().optional(),
  error: z.string().max(256).optional(),
});

/** With `form_post` too, the response to an administrator's consent comes as a query. Returns whether it was one. */
export function administratorConsent(req: WebRequest, res: WebResponse): boolean {
  return answeredAdministrator(res, queryOf(req));
}

/** Shows how an administrator answered; no attempt of ours began it, and nothing follows from it. Returns whether it did. */
export function answeredAdministrator(res: WebResponse, input: unknown): boolean {
  const { success, data } = adminConsentSchema.safeParse(input);
  if (!success) return false;
  const agreed = data.error === undefined && /^true$/i.test(data.admin_consent);
  pagesOf(res).administratorAnswered(res, agreed);
  return true;
}
