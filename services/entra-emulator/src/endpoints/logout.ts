import type { App } from '../directory/seed.ts';
import * as pages from '../pages/pages.ts';
import { platformOf } from '../pages/reply.ts';
import { type Answer, type Call, parametersOf } from '../requests/call.ts';
import { loginHint } from '../tokens/tokens.ts';
import type { World } from '../world.ts';

/**
 * The end of a browser's sessions (`logout_hint` picks one): its applications hear of it by front-channel logout, with
 * `sid` and, as Entra does, without `iss`. Refresh tokens live on. OIDC RP-Initiated and Front-Channel Logout.
 */
export function logout(world: World, segment: string, browser: string | undefined, call: Call): Answer {
  const { state, directory, keys, issuerOf } = world;
  directory.realm(segment);
  const form = parametersOf(call);
  const hint = form.get('logout_hint');
  const sessions = (browser ? state.sessions(browser) : []).filter(
    ({ user }) => !hint || hint === loginHint(user) || hint.toLowerCase() === user.upn.toLowerCase(),
  );
  const frames = sessions.flatMap(({ clients, sid, user }) =>
    [...clients].flatMap(({ frontChannelLogoutUri }) => {
      if (!frontChannelLogoutUri) return [];
      const url = new URL(frontChannelLogoutUri);
      url.searchParams.set('sid', sid);
      if (state.switches.logoutIss) url.searchParams.set('iss', issuerOf(user.tid));
      return [url.href];
    }),
  );
  const hinted = directory.findApp(String(keys.verify(form.get('id_token_hint') ?? '')?.aud));
  const clients = new Set<App>([...sessions.flatMap((session) => [...session.clients]), ...(hinted ? [hinted] : [])]);
  if (sessions.length > 0) state.endSessions((session) => sessions.includes(session));
  return pages.signedOut(frames, landing(form, clients));
}

/** Where the browser goes on, if one of the applications registered it. */
function landing(form: URLSearchParams, clients: Set<App>): string | undefined {
  const uri = form.get('post_logout_redirect_uri');
  if (!uri || ![...clients].some((client) => platformOf(client, uri))) return undefined;
  const url = new URL(uri);
  const state = form.get('state');
  if (state) url.searchParams.set('state', state);
  return url.href;
}
