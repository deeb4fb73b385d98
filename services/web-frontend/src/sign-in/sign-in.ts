import { Fault } from '@onbehalf/chassis/fault';
import { traceparentOfSpan } from '@onbehalf/chassis/telemetry/correlation';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { activeSpan, inSpan } from '@onbehalf/chassis/telemetry/tracing';
import type { NextFunction, Request, Response } from 'express';
import { z } from 'zod';
import { type Apis, isOpenid, knownScopes } from '../apis.ts';
import { landingSeconds } from '../lifetimes.ts';
import { setNotice } from '../pages/notice.ts';
import { sendPage } from '../pages/page.ts';
import { adminConsent, forwarding } from '../pages/pages.ts';
import { redirect } from '../pages/redirect.ts';
import { forgetCached, markOf } from '../session/caching.ts';
import { cookieFlags } from '../session/cookies.ts';
import { type FlowTrace, landingCookie } from '../session/flow-trace.ts';
import { type Login, type LoginStart, type Logins, stateLooks } from '../session/logins.ts';
import type { Sessions } from '../session/session.ts';
import { measure } from '../signals.ts';
import type { StepUpLinks } from '../step-up/step-up.ts';
import { type FlowReturn, flowReturns, flowStarts, outcomeOf } from './flow.ts';
import { parseParameters } from './form.ts';
import type { Entra, Redeemed } from './oidc.ts';
import { returnPath } from './return-path.ts';
import type { SessionRevocation } from './session-revocation.ts';
import type { SignOut } from './sign-out.ts';
import { answeredSpeculative } from './speculative.ts';

const signInSchema = z.object({
  return_to: z.string().optional(),
  scope: z.string().max(2_048).optional(),
  claims: z.string().max(8_192).optional(),
  prompt: z.enum(['login', 'select_account', 'consent', 'none']).optional(),
  login_hint: z.string().max(320).optional(),
  domain_hint: z.string().max(255).optional(),
});

/** RFC 6749 section 4.1.2; what Entra adds is passed on to the checks. */
const callbackSchema = z.record(z.string(), z.string().max(8_192)).and(z.object({ state: z.string().min(1).max(256) }));

/** An answer to an administrator's consent, which has no code. Learn: "Admin consent", response parameters. */
const adminConsentSchema = z.object({
  admin_consent: z.string().max(16),
  code: z.never().optional(),
  error: z.string().max(256).optional(),
});

/** What OpenID Connect Core 3.1.2.6 has Entra say where nobody may be asked. */
const notWithoutAsking = ['login_required', 'interaction_required', 'consent_required', 'account_selection_required'];

type SignInDeps = {
  apis: Apis;
  entra: Entra;
  flowTrace: FlowTrace;
  logger: Logger;
  logins: Logins;
  nowSeconds: () => number;
  publicBaseUrl: string;
  revocation: SessionRevocation;
  sameSite: 'lax' | 'strict';
  /** What signing in asks for; what an API needs besides is asked for when a page needs it. */
  scopes: string[];
  sessions: Sessions;
  signOut: SignOut;
  stepUpLinks: StepUpLinks;
};

/** The session token that the new session replaces, and the kept step-up that the sign-in is for. */
type Begins = { replaces?: string | undefined; stepUp?: string | undefined };

/** `/sign-in` and `/auth/callback`: to Entra and back. */
export function createSignIn(deps: SignInDeps) {
  const { apis, entra, flowTrace, logger, logins, nowSeconds, publicBaseUrl, revocation, sessions } = deps;

  async function begin(req: Request, res: Response, start: LoginStart, more: Begins = {}): Promise<void> {
    flowStarts(start);
    const proofs = logins.newProofs();
    const traceId = String(res.locals.traceId);
    const scope = scopesOf(deps.scopes, start.scopes).join(' ');
    const url = await entra.authorizeUrl({ ...start, ...proofs, scope, traceId });
    await logins.write(req, res, { ...start, ...proofs, traceId, replaces: more.replaces }, more.stepUp);
    redirect(res, url.href);
  }

  async function complete(req: Request, res: Response, login: Login, redeemed: Redeemed & { kind: 'signed_in' }) {
    const { sessionToken: token, person } = redeemed;
    if (person.sid === undefined) {
      measure('onbehalf.flow.sid_missing', 1);
      logger.warn({ event: 'sign_in.sid_missing' }, 'the ID token has no sid: add the optional claim for sign-out');
    }
    const previous = await sessions.read(req, res);
    const { oid, tid, name, preferred_username: username, login_hint: loginHint } = person;
    // Not known to be the same person as before: what the browser keeps may be somebody else's.
    if (previous?.oid !== oid || previous.tid !== tid) forgetCached(res);
    const resumes = login.account === undefined || login.account === markOf(person);
    // The time that counts against a loop is the return, not the departure.
    const resumed = login.resumed.map((entry, index) => (index === 0 ? { ...entry, atSeconds: nowSeconds() } : entry));
    // A session token that was there before signing in must not outlive it.
    const replaced = new Set([previous?.token, login.replaces]);
    for (const old of replaced)
      if (old !== undefined && old !== token)
        await revocation.revoke({ kind: 'here', token: old }, { traceId: login.traceId });
    logger.info({ event: 'sign_in.completed', trace_id: login.traceId });
    if (login.signOut) {
      logins.clear(req, res, login);
      return redirect(res, (await deps.signOut.leave(res, login.signOut, { token, loginHint })).url);
    }
    const span = activeSpan();
    const flow = span && traceparentOfSpan(span);
    const session = { token, oid, tid, name, username, loginHint, flow, resumed: resumes ? resumed : [] };
    logins.clear(req, res, login, await sessions.write(res, session));
    if (span)
      res.cookie(landingCookie, flowTrace.write(span), {
        ...cookieFlags,
        sameSite: 'lax',
        maxAge: landingSeconds * 1_000,
      });
    land(res, resumes ? login.returnTo : '/');
  }

  function land(res: Response, path: string, title = 'You are signed in'): void {
    if (deps.sameSite === 'lax') redirect(res, path);
    // A redirect chain that began at Entra carries no Strict cookie; a navigation from a page of ours does.
    else sendPage(res, { title, main: forwarding(path), forward: path, signedIn: true });
  }

  /** Of a callback that belongs to no attempt of this browser's: reloaded, sent twice, too late, or somebody else's. */
  async function again(req: Request, res: Response, state: string): Promise<void> {
    const repeated = stateLooks.test(state);
    if (repeated && (await sessions.read(req, res))) return land(res, '/');
    if (repeated && deps.sameSite === 'strict') {
      // A Strict session is not seen from other sites: the start says it to whoever has none.
      setNotice(res, 'sign-in-again');
      return land(res, '/', 'One moment');
    }
    throw new Fault(
      'invalid_request',
      'This sign-in was completed already, took too long or began in another browser.',
    );
  }

  async function callback(req: Request, res: Response, input: unknown): Promise<void> {
    if (answeredSpeculative(req, res) || answeredAdministrator(res, input)) return;
    const flow = flowReturns();
    try {
      await finish(req, res, input, flow);
    } catch (error) {
      flow.end(outcomeOf(error), error);
      throw error;
    }
  }

  async function finish(req: Request, res: Response, input: unknown, flow: FlowReturn): Promise<void> {
    const parameters = parseParameters(callbackSchema, input);
    const found = await logins.read(req, parameters.state);
    if (!found) {
      flow.end('expired');
      return again(req, res, parameters.state);
    }
    const { login, carried } = found;
    flow.from(login, carried);
    res.locals.traceId = login.traceId;
    // A Fault leaves the attempt in place: the very same answer may be sent again once the outage is over.
    const redeemed = await inSpan('auth.code.redeem', () =>
      entra.redeem(new URLSearchParams(parameters), login, login.traceId),
    );
    if (redeemed.kind === 'signed_in') {
      await complete(req, res, login, redeemed);
      return flow.end('success');
    }
    if (redeemed.kind === 'code_unusable' && !login.again) {
      const { id, seed: _s, state: _, nonce: _n, verifier: _v, traceId: _t, replaces, ...start } = login;
      return begin(req, res, { ...start, again: true }, { replaces, stepUp: id });
    }
    logins.clear(req, res, login);
    if (redeemed.kind === 'refused' && login.prompt === 'none' && notWithoutAsking.includes(redeemed.error)) {
      // Whoever asked that nobody be asked wants to know by what comes next, not by a page of errors.
      flow.end('denied');
      return land(res, login.returnTo, 'One moment');
    }
    throw refusal(redeemed, logger);
  }

  return {
    signIn: async (req: Request, res: Response): Promise<void> => {
      if (answeredSpeculative(req, res)) return;
      const query = parseParameters(signInSchema, req.query);
      const scopes = knownScopes(apis, [...new Set((query.scope ?? '').split(' '))].join(' '), entra.graph);
      if (!scopes) throw new Fault('invalid_scope', 'A scope that this app does not use was asked for.');
      const session = await sessions.read(req, res);
      const { claims } = query;
      const stepUp = claims === undefined ? { scopes, resumed: [] } : await deps.stepUpLinks.open(req, claims, session);
      const start = {
        returnTo: returnPath(query.return_to, publicBaseUrl),
        prompt: query.prompt,
        loginHint: query.login_hint,
        domainHint: query.domain_hint,
        again: false,
        ...stepUp,
      };
      await begin(req, res, start, { replaces: session?.token, stepUp: claims });
    },
    /**
     * A form of ours: sign in, then sign out everywhere, for whoever has no living session here. Entra asks for which
     * account. What follows the sign-in is sealed into the attempt's cookie, so no link can begin this.
     */
    signInToEnd: async (req: Request, res: Response): Promise<void> => {
      const start = { returnTo: '/', scopes: [], resumed: [], prompt: 'select_account', again: false };
      const replaces = (await sessions.read(req, res))?.token;
      await begin(req, res, { ...start, signOut: 'everywhere' }, { replaces });
    },
    /** Where Entra answers by a form, an administrator's answer still comes by an address. */
    administrator: (req: Request, res: Response, next: NextFunction): void => {
      if (!answeredAdministrator(res, req.query)) next();
    },
    callbackByQuery: (req: Request, res: Response) => callback(req, res, req.query),
    callbackByForm: (req: Request, res: Response) => callback(req, res, req.body),
  };
}

/** What the person is told when Entra or our checks said no. Nothing that came from outside is repeated. */
function refusal(redeemed: Exclude<Redeemed, { kind: 'signed_in' }>, logger: Logger): Fault {
  if (redeemed.kind === 'code_unusable') return new Fault('invalid_grant', 'The sign-in could not be completed.');
  if (redeemed.kind === 'not_ours') {
    logger.warn({ event: 'sign_in.not_verified', error: redeemed.cause }, 'an answer did not pass the checks');
    return new Fault('invalid_request', 'The answer of the sign-in service could not be verified.');
  }
  switch (redeemed.error) {
    case 'access_denied':
    case 'consent_required':
      return new Fault('access_denied', 'The permission was not given, so nothing was changed.');
    case 'interaction_required':
    case 'login_required':
      return new Fault('login_required', 'You have to sign in for this.');
    case 'temporarily_unavailable':
    case 'server_error':
      return new Fault('unavailable', 'Sign-in service is unavailable, try again.', { retryAfterSeconds: 5 });
    default:
      return new Fault('invalid_request', 'The sign-in service did not accept the request.');
  }
}

/** Entra takes the scopes of one resource in a request: what is needed now comes before what is asked for at sign-in. */
function scopesOf(signIn: string[], needed: string[]): string[] {
  return [...new Set([...(needed.length > 0 ? signIn.filter(isOpenid) : signIn), ...needed])];
}

/** Shows how an administrator answered, who came by no attempt of ours; gives whether it did. Nothing follows from it. */
function answeredAdministrator(res: Response, input: unknown): boolean {
  const { success, data } = adminConsentSchema.safeParse(input);
  if (!success) return false;
  const agreed = data.error === undefined && /^true$/i.test(data.admin_consent);
  const title = agreed ? 'An administrator has agreed' : 'An administrator has not agreed';
  sendPage(res, { title, main: adminConsent(agreed) });
  return true;
}
