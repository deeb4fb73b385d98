import { randomUUID } from 'node:crypto';
import type { App, Platform } from '../../directory/seed.ts';
import { type ResponseTarget, respondTo } from '../../pages/authorization-response.ts';
import type { CallIds, Refusal } from '../../requests/aadsts.ts';
import type { HttpResponse } from '../../requests/call.ts';
import type { Code, Grant, Session } from '../../tokens/grant.ts';
import type { World } from '../../world.ts';
import { clientInfo } from '../token/user-tokens.ts';

/** How a sign-in ends, for the application and for the person. */
export type Ending = {
  /** Where the browser goes afterwards, if it leaves. */
  redirectUri: string | undefined;
  allow(session: Session): HttpResponse;
  refuse(refusal: Refusal, ids: CallIds): HttpResponse;
};

/** The grant of a session to a client: it begins a family of tokens. */
export function grantBy(session: Session, client: App, platform: Platform): Grant {
  session.clients.add(client);
  const { user, sid, authTime, acrs, mfa, generation } = session;
  const account = { user, tid: user.tid, sid, authTime, acrs: [...acrs], mfa, generation };
  return { client, ...account, platform, family: randomUUID() };
}

type CodeRequest = Pick<
  Code,
  'client' | 'platform' | 'challenge' | 'requested' | 'nonce' | 'wantsAuthTime' | 'claims'
> & {
  target: ResponseTarget;
  wantsClientInfo: boolean;
};

/** Ends with a code, or the refusal, at the application's redirect URI. */
export function endWithCode({ state, now, lifetimes }: World, request: CodeRequest): Ending {
  const { target, client, platform, wantsClientInfo, ...rest } = request;
  const { redirectUri } = target;
  return {
    redirectUri,
    allow(session) {
      const grant = grantBy(session, client, platform);
      const code = state.addCode({ ...grant, ...rest, redirectUri, expires: now() + lifetimes.code, used: false });
      const info = wantsClientInfo ? { client_info: clientInfo(session) } : {};
      return { ...respondTo(target, { code, ...info, session_state: session.sid }), outcome: 'ok' };
    },
    refuse: (refusal, ids) => refuseAt(target, refusal, ids),
  };
}

/** Tells the application of a refusal, at its redirect URI. */
export function refuseAt(target: ResponseTarget, refusal: Refusal, ids: CallIds): HttpResponse {
  const { claims, suberror } = refusal.members;
  const extras = { ...(suberror && { suberror }), ...(claims && { claims }) };
  return {
    ...respondTo(target, { error: refusal.error, error_description: refusal.describe(ids), ...extras }),
    outcome: String(refusal.code),
  };
}
