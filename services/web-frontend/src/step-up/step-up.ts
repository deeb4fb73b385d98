import { Fault } from '@onbehalf/chassis/fault';
import { spanContextOf, traceparentOfSpan } from '@onbehalf/chassis/telemetry/correlation';
import { linkRequest } from '@onbehalf/chassis/telemetry/server-span';
import { activeSpan } from '@onbehalf/chassis/telemetry/tracing';
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Demand } from '../broker/broker.ts';
import { challengeSeconds } from '../lifetimes.ts';
import { sendPage } from '../pages/page.ts';
import { stillNeeded } from '../pages/pages.ts';
import { redirect } from '../pages/redirect.ts';
import { markOf } from '../session/caching.ts';
import { type LoginStart, type Logins, startSchema } from '../session/logins.ts';
import { pack } from '../session/packed.ts';
import type { Seal } from '../session/seal.ts';
import { isSame, resumption, type Session, short, wasResumed } from '../session/session.ts';

const challengeSchema = startSchema.pick({ scopes: true, claims: true, loginHint: true }).extend({
  account: z.string(),
  demand: resumption.pick({ target: true, kind: true, scope: true }),
  expiresAtSeconds: z.number(),
  /** The span of the request that needs it, as a `traceparent`: the flow links to it. */
  askedBy: z.string().optional(),
});

/** Targets whose demands a session remembers. */
const maxResumed = 4;

/** The `error` word that scripts get for a demand. */
const errorWords = {
  claims: 'interaction_required',
  consent: 'consent_required',
  sign_in: 'login_required',
} as const satisfies Record<Demand['kind'], string>;

type Demanded = {
  session: Session;
  target: string;
  demand: Demand;
  /** What the call was made with: Entra judges the same resource again. */
  scopes: string[];
};

type DemandsDeps = { logins: Pick<Logins, 'keepDemand' | 'demand'>; nowSeconds: () => number; seal: Seal };

/**
 * Turns a demand into a way through `/sign-in` and back, sealed, so that nobody else can make one. For a page it is kept
 * in a cookie and the link names it; for a script, which may be told of many at once, it is in the link. The same demand
 * for the same target within minutes of its sign-in gets a page, not another redirect.
 */
export function createDemands({ logins, nowSeconds, seal }: DemandsDeps) {
  async function sealed({ session, target, demand, scopes }: Demanded): Promise<string> {
    const { claims } = demand;
    const span = activeSpan();
    return seal.seal('challenge', {
      scopes: demand.scopes ?? scopes,
      ...(claims !== undefined && { claims: pack(claims) }),
      // Claims come with a session that lives, which knows its hint.
      ...(claims === undefined && { loginHint: hintOf(session) }),
      account: markOf(session),
      demand: sameness(target, demand),
      expiresAtSeconds: nowSeconds() + challengeSeconds,
      askedBy: span && traceparentOfSpan(span),
    } satisfies z.input<typeof challengeSchema>);
  }

  const linkTo = (claims: string, returnTo?: string) =>
    `/sign-in?${new URLSearchParams({ ...(returnTo !== undefined && { return_to: returnTo }), claims })}`;

  const stuck = ({ session, target, demand }: Demanded) =>
    demand.adminOnly === true || wasResumed(session, sameness(target, demand), nowSeconds());

  return {
    /** Sends a page's reader to sign in for it and back. */
    async answerPage(req: Request, res: Response, demanded: Demanded): Promise<void> {
      const kept = await sealed(demanded);
      if (!stuck(demanded)) return redirect(res, linkTo(logins.keepDemand(req, res, kept) ?? kept, req.path));
      res.status(403);
      const main = stillNeeded(linkTo(kept, req.path), demanded.demand.adminOnly === true);
      sendPage(res, { title: 'More is needed to show this', main, signedIn: true });
    },

    /** Tells a script what is needed and where to send the person; `return_to` is the script's to add. */
    async answerScript(res: Response, demanded: Demanded): Promise<void> {
      const repeated = stuck(demanded);
      res.status(401).set('Cache-Control', 'no-store');
      res.json({
        error: errorWords[demanded.demand.kind],
        ...(repeated ? { repeated } : { sign_in: linkTo(await sealed(demanded)) }),
        trace_id: res.locals.traceId,
      });
    },

    /**
     * What a link made here asks for, of whoever has this session now.
     * @throws Fault `invalid_request` for one that was not made here, or is too old.
     */
    async open(
      req: Request,
      claims: string,
      session: Session | undefined,
    ): Promise<Pick<LoginStart, 'scopes' | 'claims' | 'loginHint' | 'account' | 'resumed'>> {
      const opened = await seal.open('challenge', logins.demand(req, claims) ?? claims, challengeSchema);
      if (!opened || opened.value.expiresAtSeconds < nowSeconds()) {
        throw new Fault(
          'invalid_request',
          'This link is no longer good. Go back to the page you wanted and try again.',
        );
      }
      const { expiresAtSeconds: _, askedBy, demand, ...start } = opened.value;
      const request = spanContextOf(askedBy);
      if (request) linkRequest(request);
      const same = session && markOf(session) === start.account ? session : undefined;
      const others = same?.resumed.filter((entry) => !isSame(entry, demand)) ?? [];
      const first = { ...demand, claims: start.claims, atSeconds: nowSeconds() };
      return {
        ...start,
        loginHint: start.loginHint ?? (same && hintOf(same)),
        resumed: [first, ...others].slice(0, maxResumed),
      };
    },
  };
}

const sameness = (target: string, { kind, scopes }: Demand) => ({
  target,
  kind,
  ...(scopes && { scope: short(scopes.join(' ')) }),
});
const hintOf = ({ loginHint, username }: Session) => loginHint ?? username;

export type Demands = ReturnType<typeof createDemands>;
