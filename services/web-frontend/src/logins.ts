import { randomBytes } from 'node:crypto';
import { activeSpan } from '@onbehalf/chassis/tracing';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { cookieFlags, cookiesOf } from './cookies.ts';
import { type Carried, type FlowTrace, loginCookiePrefix, splitLogin } from './flow-trace.ts';
import { loginSeconds, maxLogins } from './lifetimes.ts';
import type { Seal } from './seal.ts';
import { resumption } from './session.ts';

/** What a sign-in attempt was started with; enough to start it over. */
export const startSchema = z.object({
  returnTo: z.string(),
  scopes: z.array(z.string()).default([]),
  prompt: z.string().optional(),
  loginHint: z.string().optional(),
  domainHint: z.string().optional(),
  claims: z.string().optional(),
  /** The account a challenge was raised for: another one's answer does not resume the request. */
  account: z.object({ oid: z.string(), tid: z.string() }).optional(),
  /** Handed on to the new session; the first entry is what this attempt is for. */
  resumed: z.array(resumption).default([]),
  /** What is done with the new session at once; only our own form asks for it. */
  signOut: z.literal('everywhere').optional(),
  /** Whether this attempt already follows one whose code could not be used. */
  again: z.boolean().default(false),
});

const loginSchema = z.object({
  ...startSchema.shape,
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  traceId: z.string(),
  startedAtSeconds: z.number(),
  /** The session token that the new session takes the place of. */
  replaces: z.string().optional(),
});

export type LoginStart = z.output<typeof startSchema>;
export type Login = z.output<typeof loginSchema>;

/** Sealing adds a third and a header, the trace context 150 bytes. */
const maxContentBytes = 2_700;

type LoginsOptions = {
  seal: Seal;
  flowTrace: FlowTrace;
  responseMode: 'query' | 'form_post';
  nowSeconds: () => number;
};

/**
 * One sealed cookie per sign-in attempt, named by the first part of its `state`, so that several tabs do not disturb
 * each other. With `form_post` it has to cross sites (`SameSite=None`), with `query` it comes along on navigations.
 */
export function createLogins({ seal, flowTrace, responseMode, nowSeconds }: LoginsOptions) {
  const flags = { ...cookieFlags, sameSite: responseMode === 'form_post' ? 'none' : 'lax' } as const;
  const nameOf = (state: string) => loginCookiePrefix + state.slice(0, state.indexOf('.'));
  return {
    /** A fresh `state`. Its first part names the cookie and sorts by age. */
    newState(): string {
      const age = nowSeconds().toString(36).padStart(8, '0');
      return `${age}-${randomBytes(6).toString('base64url')}.${randomBytes(32).toString('base64url')}`;
    },

    async write(req: Request, res: Response, login: Login): Promise<void> {
      const others = [...cookiesOf(req).keys()].filter((name) => name.startsWith(loginCookiePrefix)).sort();
      for (const oldest of others.slice(0, Math.max(0, others.length + 1 - maxLogins))) res.clearCookie(oldest, flags);
      const options = { ...flags, maxAge: loginSeconds * 1_000 };
      const sealed = await seal.seal('login', fitted(login));
      const span = activeSpan();
      res.cookie(nameOf(login.state), span ? `${flowTrace.write(span)}.${sealed}` : sealed, options);
    },

    /** The attempt that a callback's `state` belongs to; undefined if this browser has none, or it is too old. */
    async read(req: Request, state: string): Promise<{ login: Login; carried: Carried | undefined } | undefined> {
      const { sealed, carried } = splitLogin(cookiesOf(req).get(nameOf(state)));
      const login = sealed && (await seal.open('login', sealed, loginSchema))?.value;
      if (!login || login.state !== state || nowSeconds() - login.startedAtSeconds > loginSeconds) return undefined;
      return { login, carried: flowTrace.readLogin(carried) };
    },

    clear: (res: Response, state: string): void => void res.clearCookie(nameOf(state), flags),
  };
}

/** Browsers drop a cookie over 4,096 bytes, and the sign-in with it: what only makes it smoother goes first. */
function fitted(login: Login): Login {
  const fits = (one: Login) => Buffer.byteLength(JSON.stringify(one)) <= maxContentBytes;
  if (fits(login)) return login;
  const alone = { ...login, resumed: login.resumed.slice(0, 1) };
  return fits(alone) ? alone : { ...alone, returnTo: '/' };
}

export type Logins = ReturnType<typeof createLogins>;
