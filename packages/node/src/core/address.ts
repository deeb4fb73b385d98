import { z } from 'zod';

/** Aborts, since what comes after it reads the URL. */
const httpUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL', abort: true })
  .transform((value) => new URL(value));

/** An http(s) URL that is nothing but an origin, e.g. `https://signin.example.com`; given without the final slash. */
export const origin = httpUrl
  .refine(({ href, origin }) => href === `${origin}/`, 'must be an origin: no path, query or user')
  .transform((url) => url.origin);

/**
 * Whether nobody between us and this URL can read along or step in: TLS, or this host itself. W3C Secure Contexts
 * section 3.1, as far as browsers keep a `Secure` cookie.
 */
export function isSecureContext({ protocol, hostname }: URL): boolean {
  return /^(https|rediss):$/.test(protocol) || /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/i.test(hostname);
}

/** An origin to which secrets go, or from which keys come: https, but for one on this host. */
export const secureOrigin = origin.refine(
  (value) => isSecureContext(new URL(value)),
  'must be https; plain http is for loopback only',
);

/** An http(s) URL with any path, without user, query and fragment; given without the final slash. */
export const baseUrl = httpUrl
  .refine((url) => url.href === url.origin + url.pathname, 'must have no user, query or fragment')
  .transform((url) => url.href.replace(/\/$/, ''));
