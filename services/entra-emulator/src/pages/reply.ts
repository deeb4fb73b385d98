import type { App, Platform } from '../directory/seed.ts';
import type { Answer } from '../requests/call.ts';
import * as pages from './pages.ts';

/** Where and how the application hears of the outcome. */
export type Reply = { redirectUri: string; mode: string; state: string | undefined };

/** An authorization response by query, fragment or form_post. OAuth 2.0 Multiple Response Types, Form Post Response Mode. */
export function reply({ redirectUri, mode, state }: Reply, members: Record<string, string>): Answer {
  const parameters = { ...members, ...(state !== undefined && { state }) };
  if (mode === 'form_post') return pages.formPost(redirectUri, parameters);
  const url = new URL(redirectUri);
  if (mode === 'fragment') url.hash = new URLSearchParams(parameters).toString();
  else for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return { status: 302, headers: { Location: url.href } };
}

/** For which platform it is registered; the port of a loopback address over http does not count (RFC 8252 section 7.3, as Entra). */
export function platformOf(app: App, uri: string): Platform | undefined {
  const plain = withoutLoopbackPort(uri);
  const isOf = (uris: string[]) => plain !== undefined && uris.some((each) => withoutLoopbackPort(each) === plain);
  if (isOf(app.redirectUris)) return 'web';
  if (isOf(app.spaRedirectUris)) return 'spa';
  return isOf(app.publicRedirectUris) ? 'public' : undefined;
}

function withoutLoopbackPort(uri: string): string | undefined {
  if (!URL.canParse(uri)) return undefined;
  const url = new URL(uri);
  if (url.protocol === 'http:' && ['localhost', '127.0.0.1'].includes(url.hostname)) url.port = '';
  return url.href;
}
