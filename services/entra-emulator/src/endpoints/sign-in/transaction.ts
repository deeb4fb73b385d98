import type { Realm } from '../../directory/directory.ts';
import type { RequestedScopes } from '../../directory/scopes.ts';
import type { App } from '../../directory/seed.ts';
import type { ClaimsRequest } from '../../requests/claims-request.ts';
import type { Session } from '../../tokens/grant.ts';
import type { Ending } from './ending.ts';

/** What a sign-in is for. */
export type SignIn = {
  browser: string;
  realm: Realm;
  client: App;
  ending: Ending;
  requested: RequestedScopes;
  claims: ClaimsRequest;
  prompt?: string | undefined;
  loginHint?: string | undefined;
  domainHint?: string | undefined;
  /** Seconds. */
  maxAge?: number | undefined;
};

/** One sign-in under way: the request, and what the person has answered so far. */
export type Transaction = SignIn & { id: string; session: Session | undefined; accepted: boolean; expires: number };

/** The application wants no page to be shown. OpenID Connect Core section 3.1.2.1. */
export const isSilent = ({ prompt }: SignIn): boolean => prompt === 'none';
