import { spanContextOf, traceparentOfSpan } from '@onbehalf/chassis/correlation';
import { Fault } from '@onbehalf/chassis/fault';
import { linkRequest } from '@onbehalf/chassis/server-span';
import { activeSpan } from '@onbehalf/chassis/tracing';
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Demand } from './broker.ts';
import { challengeSeconds } from './lifetimes.ts';
import { type LoginStart, startSchema } from './logins.ts';
import { sendPage } from './page.ts';
import { stillNeeded } from './pages.ts';
import { redirect } from './redirect.ts';
import type { Seal } from './seal.ts';
import { isSame, type Session, wasResumed } from './session.ts';

const challengeSchema = startSchema
  .pick({ scopes: true, claims: true, loginHint: true, account: true, resumed: true })
  .extend({
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

/**
 * Turns a demand into a way through `/sign-in` and back. The link holds the demand sealed, so nobody else can make one.
 * The same demand for the same target within minutes of its sign-in gets a page, not another redirect.
 */
export function createDemands({ seal, nowSeconds }: { seal: Seal; nowSeconds: () => number }) {
  async function link({ session, target, demand, scopes }: Demanded, returnTo?: string): Promise<string> {
    const { claims } = demand;
    const same = sameness(target, demand);
    const span = activeSpan();
    const others = session.resumed.filter((entry) => !isSame(entry, same));
    const sealed = await seal.seal('challenge', {
      scopes: demand.scopes ?? scopes,
      claims,
      loginHint: session.loginHint ?? session.username,
      account: { oid: session.oid, tid: session.tid },
      resumed: [{ ...same, claims, atSeconds: nowSeconds() }, ...others].slice(0, maxResumed),
      expiresAtSeconds: nowSeconds() + challengeSeconds,
      askedBy: span && traceparentOfSpan(span),
    } satisfies z.input<typeof challengeSchema>);
    return `/sign-in?${new URLSearchParams({ ...(returnTo !== undefined && { return_to: returnTo }), claims: sealed })}`;
  }

  const stuck = ({ session, target, demand }: Demanded) =>
    demand.adminOnly === true || wasResumed(session, sameness(target, demand), nowSeconds());

  return {
    /** Sends a page's reader to sign in for it and back. */
    async answerPage(req: Request, res: Response, demanded: Demanded): Promise<void> {
      const url = await link(demanded, req.path);
      if (!stuck(demanded)) return redirect(res, url);
      res.status(403);
      const main = stillNeeded(url, demanded.demand.adminOnly === true);
      sendPage(res, { title: 'More is needed to show this', main, signedIn: true });
    },

    /** Tells a script what is needed and where to send the person; `return_to` is the script's to add. */
    async answerScript(res: Response, demanded: Demanded): Promise<void> {
      const repeated = stuck(demanded);
      res.status(401).set('Cache-Control', 'no-store');
      res.json({
        error: errorWords[demanded.demand.kind],
        ...(repeated ? { repeated } : { sign_in: await link(demanded) }),
        trace_id: res.locals.traceId,
      });
    },

    /** What a link made here asks for. @throws Fault `invalid_request` for one that was not, or is too old. */
    async open(sealed: string): Promise<Pick<LoginStart, 'scopes' | 'claims' | 'loginHint' | 'account' | 'resumed'>> {
      const opened = await seal.open('challenge', sealed, challengeSchema);
      if (!opened || opened.value.expiresAtSeconds < nowSeconds()) {
        throw new Fault(
          'invalid_request',
          'This link is no longer good. Go back to the page you wanted and try again.',
        );
      }
      const { expiresAtSeconds: _, askedBy, ...start } = opened.value;
      const request = spanContextOf(askedBy);
      if (request) linkRequest(request);
      return start;
    },
  };
}

const sameness = (target: string, { kind, scopes }: Demand) => ({ target, kind, scope: scopes?.join(' ') });

export type Demands = ReturnType<typeof createDemands>;
