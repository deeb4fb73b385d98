import { findPlatform } from '../directory/redirect-uri.ts';
import type { App } from '../directory/seed.ts';
import * as pages from '../pages/pages.ts';
import { type Call, type HttpResponse, readParameters } from '../requests/call.ts';
import type { Session } from '../tokens/grant.ts';
import { loginHint } from '../tokens/tokens.ts';
import type { World } from '../world.ts';

/**
 * Ends a browser's sessions (`logout_hint` picks one) and tells its applications by front-channel logout, with `sid` and,
 * as Entra does, without `iss`. Refresh tokens stay valid. OIDC RP-Initiated and Front-Channel Logout.
 */
export function logout(world: World, segment: string, browser: string | undefined, call: Call): HttpResponse {
  const { state, directory, keys } = world;
  directory.realm(segment);
  const form = readParameters(call);
  const hint = form.get('logout_hint');
  const sessions = (browser ? state.sessions(browser) : []).filter(
    ({ user }) => !hint || hint === loginHint(user) || hint.toLowerCase() === user.upn.toLowerCase(),
  );
  const frames = sessions.flatMap((session) => toFrames(session, world));
  const hinted = directory.findApp(String(keys.verify(form.get('id_token_hint') ?? '')?.aud));
  const clients = new Set<App>([...sessions.flatMap((session) => [...session.clients]), ...(hinted ? [hinted] : [])]);
  if (sessions.length > 0) state.endSessions((session) => sessions.includes(session));
  return pages.signedOut(frames, landing(form, clients));
}

/** The front-channel logout addresses of a session's applications. */
function toFrames({ clients, sid, user }: Session, { state, issuerFor }: World): string[] {
  return [...clients].flatMap(({ frontChannelLogoutUri }) => {
    if (!frontChannelLogoutUri) return [];
    const url = new URL(frontChannelLogoutUri);
    url.searchParams.set('sid', sid);
    if (state.switches.logoutIss) url.searchParams.set('iss', issuerFor(user.tid));
    return [url.href];
  });
}

/** Where the browser goes next, if one of the applications registered that address. */
function landing(form: URLSearchParams, clients: Set<App>): string | undefined {
  const uri = form.get('post_logout_redirect_uri');
  if (!uri || ![...clients].some((client) => findPlatform(client, uri))) return undefined;
  const url = new URL(uri);
  const state = form.get('state');
  if (state) url.searchParams.set('state', state);
  return url.href;
}
