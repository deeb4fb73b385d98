import type { HttpResponse } from '../requests/call.ts';
import * as pages from './pages.ts';

/** Where the application receives its authorization response, and in which `response_mode`. */
export type ResponseTarget = { redirectUri: string; mode: string; state: string | undefined };

/** An authorization response by query, fragment or form_post. OAuth 2.0 Multiple Response Types, Form Post Response Mode. */
export function respondTo(target: ResponseTarget, members: Record<string, string>): HttpResponse {
  const { redirectUri, mode, state } = target;
  const parameters = { ...members, ...(state !== undefined && { state }) };
  if (mode === 'form_post') return pages.formPost(redirectUri, parameters);
  const url = new URL(redirectUri);
  if (mode === 'fragment') url.hash = new URLSearchParams(parameters).toString();
  else for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return { status: 302, headers: { Location: url.href } };
}
