import { z } from 'zod';
import { Fault } from '../../core/fault.ts';
import { type Apis, isOpenid, knownScopes } from '../apis/apis.ts';
import { queryOf, type WebRequest } from '../http/request.ts';
import { traceIdOf, type WebResponse } from '../http/response.ts';
import { redirect } from '../pages/redirect.ts';
import { locationOf } from '../session/location.ts';
import type { LoginStart, Logins } from '../session/logins.ts';
import type { Sessions } from '../session/session.ts';
import type { StepUpLinks } from '../step-up/step-up.ts';
import { flowStarts } from './flow.ts';
import { parseParameters } from './form.ts';
import type { OidcClient } from './oidc.ts';
import { returnPath } from './return-path.ts';
import { respondedSpeculative } from './speculative.ts';

const signInSchema = z.object({
  return_to: z.string().optional(),
  scope: z.string().max(2_048).optional(),
  claims: z.string().max(8_192).optional(),
  prompt: z.enum(['login', 'select_account', 'consent', 'none']).optional(),
  login_hint: z.string().max(320).optional(),
  domain_hint: z.string().max(255).optional(),
});

type SignInDeps = {
  apis: Apis;
  entra: OidcClient;
  logins: Logins;
  /** The scopes of every sign-in; a step-up asks for those that an API needs besides. */
  scopes: string[];
  sessions: Sessions;
  stepUpLinks: StepUpLinks;
};

/** The session token that the new session replaces, and the kept step-up that the sign-in is for. */
type Purpose = { replaces?: string | undefined; stepUp?: string | undefined };

/** `/sign-in`, and the form that signs in to sign out everywhere: they send the browser to Entra. */
export class SignIn {
  readonly #deps: SignInDeps;

  constructor(deps: SignInDeps) {
    this.#deps = deps;
  }

  async signIn(req: WebRequest, res: WebResponse): Promise<void> {
    if (respondedSpeculative(req, res)) return;
    const { apis, entra, sessions, stepUpLinks } = this.#deps;
    const query = parseParameters(signInSchema, queryOf(req));
    const scopes = knownScopes(apis, [...new Set((query.scope ?? '').split(' '))].join(' '), entra.graph);
    if (!scopes) throw new Fault('invalid_scope', 'A scope that this app does not use was asked for.');
    const session = await sessions.read(req, res);
    const { claims } = query;
    const stepUp = claims === undefined ? { scopes, resumed: [] } : await stepUpLinks.open(req, claims, session);
    const start = {
      returnTo: returnPath(query.return_to, locationOf(req)),
      prompt: query.prompt,
      loginHint: query.login_hint,
      domainHint: query.domain_hint,
      again: false,
      ...stepUp,
    };
    await this.begin(req, res, start, { replaces: session?.token, stepUp: claims });
  }

  /**
   * A form of ours: sign in, then sign out everywhere, for a person without a living session here. Entra asks for the
   * account. The attempt's sealed cookie holds what follows the sign-in, so no link can begin this.
   */
  async signInToEnd(req: WebRequest, res: WebResponse): Promise<void> {
    const start = { returnTo: '/', scopes: [], resumed: [], prompt: 'select_account', again: false };
    const replaces = (await this.#deps.sessions.read(req, res))?.token;
    await this.begin(req, res, { ...start, signOut: 'everywhere' }, { replaces });
  }

  /** Keeps an attempt in the browser and sends the browser to Entra. */
  async begin(req: WebRequest, res: WebResponse, start: LoginStart, { replaces, stepUp }: Purpose): Promise<void> {
    const { entra, logins, scopes } = this.#deps;
    flowStarts(start);
    const proofs = logins.newProofs();
    const traceId = traceIdOf(res);
    const scope = toScopes(scopes, start.scopes).join(' ');
    const { redirectUri } = locationOf(req);
    const url = await entra.authorizeUrl({ ...start, ...proofs, redirectUri, scope, traceId });
    await logins.write(req, res, { ...start, ...proofs, traceId, replaces }, stepUp);
    redirect(res, url.href);
  }
}

/** Entra takes the scopes of one resource in a request: those needed now go before those of every sign-in. */
function toScopes(signIn: string[], needed: string[]): string[] {
  return [...new Set([...(needed.length > 0 ? signIn.filter(isOpenid) : signIn), ...needed])];
}
