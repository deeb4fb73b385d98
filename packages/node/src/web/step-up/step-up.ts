import type { Request, Response } from 'express';
import { z } from 'zod';
import { Fault } from '../../core/fault.ts';
import { linkRequest } from '../../core/telemetry/request-facts.ts';
import { spanContextOf, traceparentOfSpan } from '../../core/telemetry/trace-context.ts';
import { activeSpan } from '../../core/telemetry/tracing.ts';
import { challengeSeconds } from '../../lifetimes.ts';
import type { StepUp } from '../broker/broker.ts';
import type { FailureLog } from '../pages/failure-log.ts';
import { pagesOf } from '../pages/pages.ts';
import { redirect } from '../pages/redirect.ts';
import { markOf } from '../session/caching.ts';
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
  async respondToPage(req: Request, res: Response, request: StepUpRequest): Promise<void> {
    const kept = await this.#sealed(request);
    if (!this.#isRepeated(request)) {
      return redirect(res, toLink(this.#logins.keepStepUp(req, res, kept) ?? kept, req.path));
    }
    this.#failures.stepUp(request.stepUp.kind, String(res.locals.traceId));
    res.status(403);
    pagesOf(res).stillNeeded(res, toLink(kept, req.path), request.stepUp.adminOnly === true);
  }

  /** Tells a script what is needed and where to send the person; the script adds `return_to`. */
  async respondToScript(res: Response, request: StepUpRequest): Promise<void> {
    const repeated = this.#isRepeated(request);
    res.status(401).set('Cache-Control', 'no-store');
    res.json({
      error: errorWords[request.stepUp.kind],
      ...(repeated ? { repeated } : { sign_in: toLink(await this.#sealed(request)) }),
      trace_id: res.locals.traceId,
    });
  }

  /**
   * The start of a sign-in for a link made here, for the person who has this session now.
   * @throws Fault `invalid_request` for a link that was not made here, or is too old.
   */
  async open(
    req: Request,
    claims: string,
    session: Session | undefined,
  ): Promise<Pick<LoginStart, 'scopes' | 'claims' | 'loginHint' | 'account' | 'resumed'>> {
    const sealed = this.#logins.keptStepUp(req, claims) ?? claims;
    const opened = await this.#seal.open('challenge', sealed, challengeSchema);
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

  #sealed({ session, target, stepUp, scopes }: StepUpRequest): Promise<string> {
    const { claims } = stepUp;
    const span = activeSpan();
    return this.#seal.seal('challenge', {
      scopes: stepUp.scopes ?? scopes,
      ...(claims !== undefined && { claims: pack(claims) }),
      // Claims come with a living session, which knows its hint.
      ...(claims === undefined && { loginHint: toHint(session) }),
      account: markOf(session),
      demand: toState(target, stepUp),
      expiresAtSeconds: this.#nowSeconds() + challengeSeconds,
      askedBy: span && traceparentOfSpan(span),
    } satisfies z.input<typeof challengeSchema>);
  }

  #isRepeated({ session, target, stepUp }: StepUpRequest): boolean {
    return stepUp.adminOnly === true || wasJustSatisfied(session, toState(target, stepUp), this.#nowSeconds());
  }
}

const toLink = (claims: string, returnTo?: string) =>
  `/sign-in?${new URLSearchParams({ ...(returnTo !== undefined && { return_to: returnTo }), claims })}`;

const toState = (target: string, { kind, scopes }: StepUp) => ({
  target,
  kind,
  ...(scopes && { scope: short(scopes.join(' ')) }),
});
const toHint = ({ loginHint, username }: Session) => loginHint ?? username;
