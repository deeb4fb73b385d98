import { randomUUID } from 'node:crypto';
import type { App, Platform } from '../directory/seed.ts';
import { type Reply, reply } from '../pages/reply.ts';
import type { CallIds, Refusal } from '../requests/aadsts.ts';
import type { Answer } from '../requests/call.ts';
import type { Code, Grant, Session } from '../tokens/state.ts';
import type { World } from '../world.ts';
import { clientInfo } from './grants.ts';

/** How a sign-in ends: what the application gets of it, and what the person sees. */
export type Ending = {
  /** Where the browser goes then, if it leaves. */
  redirectUri: string | undefined;
  allow(session: Session): Answer;
  refuse(refusal: Refusal, ids: CallIds): Answer;
};

/** What a session gives a client: a family of tokens of its own. */
export function grantBy(session: Session, client: App, platform: Platform): Grant {
  session.clients.add(client);
  const { user, sid, authTime, acrs, mfa, generation } = session;
  const who = { user, tid: user.tid, sid, authTime, acrs: [...acrs], mfa, generation };
  return { client, ...who, platform, family: randomUUID() };
}

type CodeRequest = Pick<Code, 'client' | 'platform' | 'challenge' | 'asked' | 'nonce' | 'wantsAuthTime' | 'claims'> & {
  to: Reply;
  wantsClientInfo: boolean;
};

/** With a code, or the refusal, at the application's redirect URI. */
export function endWithCode({ state, now, lifetimes }: World, request: CodeRequest): Ending {
  const { to, client, platform, wantsClientInfo, ...rest } = request;
  const { redirectUri } = to;
  return {
    redirectUri,
    allow(session) {
      const grant = grantBy(session, client, platform);
      const code = state.addCode({ ...grant, ...rest, redirectUri, expires: now() + lifetimes.code, used: false });
      const info = wantsClientInfo ? { client_info: clientInfo(session) } : {};
      return { ...reply(to, { code, ...info, session_state: session.sid }), outcome: 'ok' };
    },
    refuse: (refusal, ids) => refuseAt(to, refusal, ids),
  };
}

/** Tells the application of a refusal, at its redirect URI. */
export function refuseAt(to: Reply, refusal: Refusal, ids: CallIds): Answer {
  const { claims, suberror } = refusal.members;
  const extras = { ...(suberror && { suberror }), ...(claims && { claims }) };
  return {
    ...reply(to, { error: refusal.error, error_description: refusal.describe(ids), ...extras }),
    outcome: String(refusal.code),
  };
}
