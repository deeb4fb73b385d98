import { z } from 'zod';
import { Fault } from '../../core/fault.ts';
import { linkRequest } from '../../core/telemetry/request-facts.ts';
import { spanContextOf, traceparentOfSpan } from '../../core/telemetry/trace-context.ts';
import { activeSpan } from '../../core/telemetry/tracing.ts';
import { challengeSeconds } from '../../lifetimes.ts';
import type { StepUp } from '../broker/broker.ts';
import { pathOf, type WebRequest } from '../http/request.ts';
import { sendJson, setHeaders, traceIdOf, type WebResponse } from '../http/response.ts';
import type { FailureLog } from '../pages/failure-log.ts';
import { pagesOf } from '../pages/pages.ts';
import { redirect } from '../pages/redirect.ts';
import { markOf } from '../session/caching.ts';
import { type Location, locationOf } from '../session/location.ts';
import { type LoginStart, type Logins, startSchema } from '../session/logins.ts';
import { pack } from '../session/packed.ts';
import type { Seal } from '../session/seal.ts';
import { isSameStepUp, resumption, type Session, short, wasJustSatisfied } from '../session/session.ts';

const challengeSchema = startSchema.pick({ scopes: true, claims: true, loginHint: true }).extend({
  account: z.string(),
  /** Links of earlier releases have this name too. */
  demand: resumption.pick({ target: true, kind: true, scope: true }),
  expiresAtSeconds: z.number(),
  /** The span of the request that needs it, as a `traceparent`: the flow links to it. */
  askedBy: z.string().optional(),
});

/** How many targets with a step-up a session keeps. */
const maxResumed = 4;

/** The `error` word that scripts get for a step-up. */
const errorWords = {
  claims: 'interaction_required',
  consent: 'consent_required',
  sign_in: 'login_required',
} as const satisfies Record<StepUp['kind'], string>;

type StepUpRequest = {
  session: Session;
  target: string;
  stepUp: StepUp;
  /** The scopes of the call: the step-up asks for the same resource. */
  scopes: string[];
  /** Where a page's reader comes back to; the page's own path unless said. */
  returnTo?: string;
};

type StepUpLinksDeps = {
  failures: Pick<FailureLog, 'stepUp'>;
  logins: Pick<Logins, 'keepStepUp' | 'keptStepUp'>;
  nowSeconds: () => number;
  seal: Seal;
};

/**
 * Turns a step-up into a link through `/sign-in` and back, sealed, so that nobody else can make one. For a page a cookie
 * keeps it and the link names it; for a script, which may get many at once, the link holds it. The same step-up for the
 * same target within minutes of its sign-in gets a page, not another redirect.
 */
export class StepUpLinks {
  readonly #failures: StepUpLinksDeps['failures'];
  readonly #logins: StepUpLinksDeps['logins'];
  readonly #nowSeconds: () => number;
  readonly #seal: Seal;

  constructor({ failures, logins, nowSeconds, seal }: StepUpLinksDeps) {
    this.#failures = failures;
    this.#logins = logins;
    this.#nowSeconds = nowSeconds;
    this.#seal = seal;
  }

  /** Sends a page's reader to sign in for it and back. */
  async respondToPage(req: WebRequest, res: WebResponse, request: StepUpRequest): Promise<void> {
    const location = locationOf(req);
    const kept = await this.#sealed(request, location);
    const back = { return_to: request.returnTo ?? location.address(pathOf(req)) };
    if (!this.#isRepeated(request)) {
      return redirect(res, toLink(this.#logins.keepStepUp(req, res, kept) ?? kept, back));
    }
    this.#failures.stepUp(request.stepUp.kind, traceIdOf(res));
    res.statusCode = 403;
    pagesOf(res).stillNeeded(res, location.address(toLink(kept, back)), request.stepUp.adminOnly === true);
  }

  /** Tells a script what is needed and where to send the person; the script adds `return_to`. */
  async respondToScript(res: WebResponse, request: StepUpRequest): Promise<void> {
    const repeated = this.#isRepeated(request);
    const location = locationOf(res.req);
    res.statusCode = 401;
    setHeaders(res, { 'Cache-Control': 'no-store' });
    sendJson(res, {
      error: errorWords[request.stepUp.kind],
      ...(repeated ? { repeated } : { sign_in: location.address(toLink(await this.#sealed(request, location))) }),
      trace_id: traceIdOf(res),
    });
  }

  /** The link itself, sealed within, for whoever leads there by another response. */
  async link(req: WebRequest, request: StepUpRequest): Promise<string> {
    const back = request.returnTo === undefined ? {} : { return_to: request.returnTo };
    return toLink(await this.#sealed(request, locationOf(req)), back);
  }

  /**
   * The start of a sign-in for a link made here, for the person who has this session now.
   * @throws Fault `invalid_request` for a link that was not made here, or is too old.
   */
  async open(
    req: WebRequest,
    claims: string,
    session: Session | undefined,
  ): Promise<Pick<LoginStart, 'scopes' | 'claims' | 'loginHint' | 'account' | 'resumed'>> {
    const sealed = this.#logins.keptStepUp(req, claims) ?? claims;
    const opened = await this.#seal.open(locationOf(req).sealedFor('challenge'), sealed, challengeSchema);
    if (!opened || opened.value.expiresAtSeconds < this.#nowSeconds()) {
      throw new Fault('invalid_request', 'This link is no longer good. Go back to the page you wanted and try again.');
    }
    const { expiresAtSeconds: _, askedBy, demand, ...start } = opened.value;
    const asking = spanContextOf(askedBy);
    if (asking) linkRequest(asking);
    const same = session && markOf(session) === start.account ? session : undefined;
    const others = same?.resumed.filter((entry) => !isSameStepUp(entry, demand)) ?? [];
    const first = { ...demand, claims: start.claims, atSeconds: this.#nowSeconds() };
    return {
      ...start,
      loginHint: start.loginHint ?? (same && toHint(same)),
      resumed: [first, ...others].slice(0, maxResumed),
    };
  }

  #sealed({ session, target, stepUp, scopes }: StepUpRequest, location: Location): Promise<string> {
    const { claims } = stepUp;
    const span = activeSpan();
    const challenge = {
      scopes: stepUp.scopes ?? scopes,
      ...(claims !== undefined && { claims: pack(claims) }),
      // Claims come with a living session, which knows its hint.
      ...(claims === undefined && { loginHint: toHint(session) }),
      account: markOf(session),
      demand: toState(target, stepUp),
      expiresAtSeconds: this.#nowSeconds() + challengeSeconds,
      askedBy: span && traceparentOfSpan(span),
    } satisfies z.input<typeof challengeSchema>;
    return this.#seal.seal(location.sealedFor('challenge'), challenge);
  }

  #isRepeated({ session, target, stepUp }: StepUpRequest): boolean {
    return stepUp.adminOnly === true || wasJustSatisfied(session, toState(target, stepUp), this.#nowSeconds());
  }
}

const toLink = (claims: string, back = {}) => `/sign-in?${new URLSearchParams({ ...back, claims })}`;

const toState = (target: string, { kind, scopes }: StepUp) => ({
  target,
  kind,
  ...(scopes && { scope: short(scopes.join(' ')) }),
});
const toHint = ({ loginHint, username }: Session) => loginHint ?? username;
