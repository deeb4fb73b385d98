import { z } from 'zod';
import { Fault } from '../../core/fault.ts';
import type { Log } from '../../core/log.ts';
import { traceparentOfSpan } from '../../core/telemetry/trace-context.ts';
import { activeSpan, inSpan } from '../../core/telemetry/tracing.ts';
import { landingSeconds } from '../../lifetimes.ts';
import type { WebRequest } from '../http/request.ts';
import { continueTrace, exchangeOf, setCookie, traceIdOf, type WebResponse } from '../http/response.ts';
import { setNotice } from '../pages/notice.ts';
import { pagesOf } from '../pages/pages.ts';
import { redirect } from '../pages/redirect.ts';
import { forgetCached, markOf } from '../session/caching.ts';
import { cookieFlags } from '../session/cookies.ts';
import { type FlowTrace, landingCookie } from '../session/flow-trace.ts';
import { type Location, locationOf } from '../session/location.ts';
import { type Login, type Logins, stateLooks } from '../session/logins.ts';
import type { Sessions } from '../session/session.ts';
import { measure } from '../telemetry/signals.ts';
import { answeredAdministrator } from './administrator-consent.ts';
import { type FlowReturn, flowReturns, kindOf, outcomeOf } from './flow.ts';
import { parseParameters } from './form.ts';
import type { OidcClient, Redeemed } from './oidc.ts';
import type { SessionRevocation } from './session-revocation.ts';
import type { SignIn } from './sign-in.ts';
import type { SignOut } from './sign-out.ts';
import { respondedSpeculative } from './speculative.ts';

/** RFC 6749 section 4.1.2; the checks read what Entra adds. */
const callbackSchema = z.record(z.string(), z.string().max(8_192)).and(z.object({ state: z.string().min(1).max(256) }));

/** Entra's error words where `prompt=none` forbids to ask the person. OpenID Connect Core 3.1.2.6. */
const promptNoneErrors = ['login_required', 'interaction_required', 'consent_required', 'account_selection_required'];

type CallbackDeps = {
  entra: OidcClient;
  flowTrace: FlowTrace;
  logger: Log;
  logins: Logins;
  nowSeconds: () => number;
  revocation: SessionRevocation;
  sameSite: 'lax' | 'strict';
  sessions: Sessions;
  signIn: SignIn;
  signOut: SignOut;
};

type SignedIn = Extract<Redeemed, { kind: 'signed_in' }>;

/** `/auth/callback`: the browser comes back from Entra. */
export class Callback {
  readonly #deps: CallbackDeps;

  constructor(deps: CallbackDeps) {
    this.#deps = deps;
  }

  /** `input` is the query or the form, as the response mode says. */
  async callback(req: WebRequest, res: WebResponse, input: unknown): Promise<void> {
    if (respondedSpeculative(req, res) || answeredAdministrator(res, input)) return;
    const flow = flowReturns(this.#deps.logger, traceIdOf(res));
    try {
      await this.#finish(req, res, input, flow);
    } catch (error) {
      flow.end(outcomeOf(error), error);
      throw error;
    }
  }

  async #finish(req: WebRequest, res: WebResponse, input: unknown, flow: FlowReturn): Promise<void> {
    const { entra, logger, logins, signIn } = this.#deps;
    const parameters = parseParameters(callbackSchema, input);
    const found = await logins.read(req, parameters.state);
    if (!found) {
      flow.end('expired');
      return this.#withoutAttempt(req, res, parameters.state);
    }
    const { login } = found;
    const { redirectUri } = locationOf(req);
    flow.from(found);
    continueTrace(res, login.traceId);
    // A Fault leaves the attempt in place: after an outage the browser may send the same response again.
    const redeemed = await inSpan('auth.code.redeem', () =>
      entra.redeem(new URLSearchParams(parameters), { ...login, redirectUri }, login.traceId),
    );
    if (redeemed.kind === 'signed_in') {
      await this.#complete(req, res, login, redeemed);
      return flow.end('success');
    }
    if (redeemed.kind === 'code_unusable' && !login.again) {
      logger.info({ event: 'sign_in.repeated', ...redeemed.reason, trace_id: login.traceId });
      const { id, seed: _s, state: _, nonce: _n, verifier: _v, traceId: _t, replaces, ...start } = login;
      return signIn.begin(req, res, { ...start, again: true }, { replaces, stepUp: id });
    }
    logins.clear(req, res, login);
    if (redeemed.kind === 'refused' && login.prompt === 'none' && promptNoneErrors.includes(redeemed.error)) {
      // The page that asked with `prompt=none` learns it from the missing session, not from a page of errors.
      flow.end('denied', undefined, redeemed.reason);
      return this.#land(res, login.returnTo, false);
    }
    const fault = toFault(redeemed, login, res, logger);
    flow.end(outcomeOf(fault), fault, redeemed.kind === 'not_ours' ? undefined : redeemed.reason);
    throw fault;
  }

  async #complete(
    req: WebRequest,
    res: WebResponse,
    login: Login,
    { sessionToken: token, person }: SignedIn,
  ): Promise<void> {
    const { logger, logins, sessions, signOut } = this.#deps;
    if (person.sid === undefined) {
      measure('onbehalf.flow.sid_missing', 1);
      logger.warn(
        { event: 'sign_in.sid_missing', trace_id: login.traceId },
        'the ID token has no sid: add the optional claim for sign-out',
      );
    }
    const previous = await sessions.read(req, res);
    // Not known to be the same person as before: the browser's cache may hold another person's data.
    if (previous?.oid !== person.oid || previous.tid !== person.tid) forgetCached(res);
    await this.#revokeReplaced([previous?.token, login.replaces], token, login.traceId);
    if (login.signOut) {
      logins.clear(req, res, login);
      const { url } = await signOut.leave(res, login.signOut, { token, loginHint: person.login_hint });
      return redirect(res, url);
    }
    const resumes = login.account === undefined || login.account === markOf(person);
    await this.#keepSession(req, res, login, { token, person, resumes });
    this.#land(res, resumes ? login.returnTo : '/');
  }

  /** No session token of before the sign-in stays valid after it. */
  async #revokeReplaced(replaced: (string | undefined)[], token: string, traceId: string): Promise<void> {
    for (const old of new Set(replaced)) {
      if (old === undefined || old === token) continue;
      await this.#deps.revocation.revoke({ kind: 'here', token: old, reason: 'replaced' }, { traceId });
    }
  }

  async #keepSession(
    req: WebRequest,
    res: WebResponse,
    login: Login,
    { token, person, resumes }: { token: string; person: SignedIn['person']; resumes: boolean },
  ): Promise<void> {
    const { flowTrace, logins, nowSeconds, sessions } = this.#deps;
    const { oid, tid, name, preferred_username: username, login_hint: loginHint } = person;
    // The time that counts against a loop is the return, not the departure.
    const [first, ...others] = resumes ? login.resumed : [];
    const resumed = first ? [{ ...first, atSeconds: nowSeconds() }, ...others] : [];
    const span = activeSpan();
    const flow = span && traceparentOfSpan(span);
    const session = { token, oid, tid, name, username, loginHint, flow, resumed };
    logins.clear(req, res, login, await sessions.write(res, session));
    if (!span) return;
    const flags = { ...cookieFlags, sameSite: 'lax', maxAge: landingSeconds } as const;
    setCookie(res, locationOf(req).cookie(landingCookie), flowTrace.write(span), flags);
  }

  #land(res: WebResponse, path: string, signedIn = true): void {
    if (this.#deps.sameSite === 'lax') redirect(res, path);
    // A redirect chain that began at Entra carries no Strict cookie; a navigation from a page of ours does.
    else pagesOf(res).forwarding(res, locationOf(res.req).address(path), signedIn);
  }

  /** This browser has no such attempt: the callback was reloaded, sent twice, too late, or is another browser's. */
  async #withoutAttempt(req: WebRequest, res: WebResponse, state: string): Promise<void> {
    const repeated = stateLooks.test(state);
    if (repeated && (await this.#deps.sessions.read(req, res))) return this.#land(res, '/');
    if (repeated && this.#deps.sameSite === 'strict') {
      // A Strict session cookie does not come from another site: the start page shows the notice without a session.
      setNotice(res, 'sign-in-again');
      return this.#land(res, '/', false);
    }
    throw new Fault(
      'invalid_request',
      'This sign-in was completed already, took too long or began in another browser.',
    );
  }
}

/** What the person decided at Entra, by why they were sent there. */
const declined = {
  sign_in: 'The sign-in was cancelled, so nothing was changed.',
  step_up: 'The extra check was declined, so nothing was changed.',
  consent: 'The permission was not given, so nothing was changed.',
};

/** Where a person who said no may change their mind: the page that needs it, or the sign-in. */
function toBeginAgain(login: Login, location: Location): string {
  const returnTo = location.address(login.returnTo);
  if (kindOf(login) !== 'sign_in') return returnTo;
  return `${location.address('/sign-in')}?${new URLSearchParams({ return_to: returnTo })}`;
}

/** The Fault that the person sees when Entra or our checks refuse. It repeats no text from outside. */
function toFault(
  redeemed: Exclude<Redeemed, { kind: 'signed_in' }>,
  login: Login,
  res: WebResponse,
  logger: Log,
): Fault {
  if (redeemed.kind === 'code_unusable') return new Fault('invalid_grant', 'The sign-in could not be completed.');
  if (redeemed.kind === 'not_ours') {
    logger.warn(
      { event: 'sign_in.not_verified', error: redeemed.cause, trace_id: login.traceId },
      'an authorization response did not pass the checks',
    );
    return new Fault('invalid_request', 'The response of the sign-in service could not be verified.');
  }
  switch (redeemed.error) {
    case 'access_denied':
    case 'consent_required':
      exchangeOf(res).beginAgain = toBeginAgain(login, locationOf(res.req));
      return new Fault('access_denied', declined[kindOf(login)]);
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
