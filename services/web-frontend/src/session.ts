import { spanContextOf } from '@onbehalf/chassis/correlation';
import { linkRequest } from '@onbehalf/chassis/server-span';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { forgetCached } from './caching.ts';
import { cookieFlags, cookiePrefix, cookiesOf } from './cookies.ts';
import { sameAnswerSeconds } from './lifetimes.ts';
import type { Seal } from './seal.ts';

export const sessionCookie = `${cookiePrefix}session`;

/** What a person was sent to Entra for, on behalf of which call: `<api>/<path>`. */
export const resumption = z.object({
  target: z.string(),
  kind: z.enum(['claims', 'consent', 'sign_in']),
  claims: z.string().optional(),
  /** What consent was asked for: an API may need one for itself and another for what it calls. */
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
export type Resumption = z.output<typeof resumption>;
type Demanded = Pick<Resumption, 'target' | 'kind' | 'scope'>;

/** Browsers drop a cookie over 4,096 bytes; sealing adds a third and a header. */
const maxContentBytes = 2_600;

/** The session as one sealed cookie, so that any pod can serve it; whether it still lives is the broker's to say. */
export function createSessions({ seal, sameSite }: { seal: Seal; sameSite: 'lax' | 'strict' }) {
  const flags = { ...cookieFlags, sameSite };
  async function write(res: Response, session: Session): Promise<void> {
    const resumed = [...session.resumed];
    while (resumed.length > 0 && bytesOf({ ...session, resumed }) > maxContentBytes) resumed.pop();
    res.cookie(sessionCookie, await seal.seal('session', { ...session, resumed }), flags);
  }
  return {
    write,
    /** Takes the cookie away, and what the browser keeps of the person's data with it. */
    clear: (res: Response): void => {
      res.clearCookie(sessionCookie, flags);
      forgetCached(res);
    },
    /**
     * The session a request carries; sealed anew when the key ring has moved on. A cookie that does not open stays:
     * during a rotation another pod may already have the key that this one has not.
     */
    async read(req: Request, res: Response): Promise<Session | undefined> {
      const sealed = cookiesOf(req).get(sessionCookie);
      const opened = sealed && (await seal.open('session', sealed, sessionSchema));
      if (!opened) return undefined;
      const flow = spanContextOf(opened.value.flow);
      if (flow) linkRequest(flow);
      if (opened.stale) await write(res, opened.value);
      return opened.value;
    },
  };
}

export type Sessions = ReturnType<typeof createSessions>;

/** The claims that this target's challenge was satisfied with; tokens for it are asked with them from then on. */
export function claimsFor(session: Session, target: string): string | undefined {
  return session.resumed.find((entry) => entry.target === target && entry.claims)?.claims;
}

/** Whether the person came back from Entra for just this a moment ago. */
export function wasResumed(session: Session, demand: Demanded, now: number): boolean {
  return session.resumed.some((entry) => isSame(entry, demand) && now - entry.atSeconds < sameAnswerSeconds);
}

/** Whether two demands ask for the same thing, whatever claims they come with. */
export function isSame(one: Demanded, other: Demanded): boolean {
  return one.target === other.target && one.kind === other.kind && one.scope === other.scope;
}

function bytesOf(value: object): number {
  return Buffer.byteLength(JSON.stringify(value));
}
