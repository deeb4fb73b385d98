import { createHash } from 'node:crypto';
import { z } from 'zod';
import { linkRequest } from '../../core/telemetry/request-facts.ts';
import { spanContextOf } from '../../core/telemetry/trace-context.ts';
import { stepUpLoopSeconds } from '../../lifetimes.ts';
import type { WebRequest } from '../http/request.ts';
import { clearCookie, exchangeOf, setCookie, type WebResponse } from '../http/response.ts';
import { forgetCached } from './caching.ts';
import { cookieBytes, cookieFlags, cookiePrefix, cookiesOf } from './cookies.ts';
import { type Location, locationOf } from './location.ts';
import { pack, unpack } from './packed.ts';
import type { Seal } from './seal.ts';

export const sessionCookie = `${cookiePrefix}session`;

/** A step-up that a person went to Entra for. `target` names the call: `<api>/<path>`, `short`. */
export const resumption = z.object({
  target: z.string(),
  kind: z.enum(['claims', 'consent', 'sign_in']),
  claims: z.string().transform(unpack).optional(),
  /** What consent was asked for, `short`: an API may need one for itself and another for what it calls. */
  scope: z.string().optional(),
  atSeconds: z.number(),
});

const sessionSchema = z.object({
  /** The broker's opaque session token. No token of Entra's is ever in here. */
  token: z.string(),
  oid: z.string(),
  tid: z.string(),
  name: z.string().optional(),
  username: z.string().optional(),
  loginHint: z.string().optional(),
  /** The span of the callback that began it, as a `traceparent`: later requests link to it. */
  flow: z.string().optional(),
  /** The latest first. */
  resumed: z.array(resumption).default([]),
});

export type Session = z.output<typeof sessionSchema>;
export type OpenedSession = { value: Session; stale: boolean };
export type Resumption = z.output<typeof resumption>;
type StepUpState = Pick<Resumption, 'target' | 'kind' | 'scope'>;

/** The session as one sealed cookie, so that any pod can serve it; only the broker knows whether it still lives. */
export function createSessions({ seal, sameSite }: { seal: Seal; sameSite: 'lax' | 'strict' }) {
  const flags = { ...cookieFlags, sameSite };
  async function write(res: WebResponse, session: Session): Promise<string> {
    const location = locationOf(res.req);
    const name = location.cookie(sessionCookie);
    for (const fitting of everSmaller(session)) {
      const sealed = await seal.seal(location.sealedFor('session'), toSealed(fitting));
      if (cookieBytes(name, sealed) > location.maxSessionBytes) continue;
      setCookie(res, name, sealed, flags);
      return sealed;
    }
    throw new Error('a session without anything but its token does not fit into a cookie');
  }
  const open = (sealed: string, at: Location): Promise<OpenedSession | undefined> =>
    seal.open(at.sealedFor('session'), sealed, sessionSchema);
  return {
    /** What a cookie's value holds that was set at this location; `stale` if it is to be sealed anew. */
    open,
    /** Has the browser keep it, as much of it as fits. Gives how many bytes of `Cookie` it takes. */
    write: async (res: WebResponse, session: Session): Promise<number> =>
      cookieBytes(locationOf(res.req).cookie(sessionCookie), await write(res, session)),
    /** Takes the cookie away, and what the browser keeps of the person's data with it. */
    clear: (res: WebResponse): void => {
      clearCookie(res, locationOf(res.req).cookie(sessionCookie), flags);
      forgetCached(res);
    },
    /**
     * The session a request carries; sealed anew when the key ring has moved on. A cookie that does not open stays:
     * during a rotation another pod may already have the key that this one has not.
     */
    async read(req: WebRequest, res: WebResponse): Promise<Session | undefined> {
      const location = locationOf(req);
      const sealed = cookiesOf(req).get(location.cookie(sessionCookie));
      const opened = sealed && (await open(sealed, location));
      if (!opened) return undefined;
      const flow = spanContextOf(opened.value.flow);
      if (flow) linkRequest(flow);
      if (opened.stale) exchangeOf(res).resealed = await write(res, opened.value);
      return opened.value;
    },
  };
}

export type Sessions = ReturnType<typeof createSessions>;

/** The claims that satisfied this target's challenge; later token requests for it carry them. */
export function claimsFor(session: Session, target: string): string | undefined {
  return session.resumed.find((entry) => entry.target === target && entry.claims)?.claims;
}

/** A text that is only compared, in at most 22 characters. */
export function short(text: string): string {
  return text.length <= 22 ? text : createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/** Whether the person satisfied this step-up within the last minutes. */
export function wasJustSatisfied(session: Session, stepUp: StepUpState, now: number): boolean {
  return session.resumed.some((entry) => isSameStepUp(entry, stepUp) && now - entry.atSeconds < stepUpLoopSeconds);
}

/** Whether two step-ups ask for the same thing, with the same claims or not. */
export function isSameStepUp(one: StepUpState, other: StepUpState): boolean {
  return one.target === other.target && one.kind === other.kind && one.scope === other.scope;
}

/** What matters least goes first: older step-ups, the hint, the ends of names, then the claims of the latest step-up. */
function* everSmaller(session: Session): Generator<Session> {
  for (let left = session.resumed.length; left > 1; left -= 1)
    yield { ...session, resumed: session.resumed.slice(0, left) };
  const alone = { ...session, resumed: session.resumed.slice(0, 1) };
  yield alone;
  const { loginHint: _, name, username, ...rest } = alone;
  yield { ...rest, name, username };
  const bare = { ...rest, name: name?.slice(0, 40), username: username?.slice(0, 40) };
  yield bare;
  yield { ...bare, resumed: [] };
}

const toSealed = (session: Session): object => ({ ...session, resumed: session.resumed.map(packResumption) });

/** With its claims packed; `resumption` unpacks them. */
export const packResumption = ({ claims, ...rest }: Resumption) => ({
  ...rest,
  ...(claims !== undefined && { claims: pack(claims) }),
});
