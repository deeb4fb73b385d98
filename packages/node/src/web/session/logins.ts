import { createHmac, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { activeSpan } from '../../core/telemetry/tracing.ts';
import { loginSeconds, maxLogins } from '../../lifetimes.ts';
import type { WebRequest } from '../http/request.ts';
import { type CookieOptions, clearCookie, setCookie, type WebResponse } from '../http/response.ts';
import { cookieBytes, cookieFlags, cookiePrefix, cookiesOf, maxCookieHeaderBytes } from './cookies.ts';
import { type Carried, type FlowTrace, loginCookiePrefix, splitLogin } from './flow-trace.ts';
import { type Location, locationOf } from './location.ts';
import { pack, unpack } from './packed.ts';
import type { Seal } from './seal.ts';
import { packResumption, type Resumption, resumption, sessionCookie } from './session.ts';

/** What a sign-in attempt was started with; enough to start it over. */
export const startSchema = z.object({
  returnTo: z.string().default('/').transform(unpack),
  scopes: z.array(z.string()).default([]),
  prompt: z.string().optional(),
  loginHint: z.string().optional(),
  domainHint: z.string().optional(),
  claims: z.string().transform(unpack).optional(),
  /** The mark of the account a challenge was raised for: the response for another account does not resume the request. */
  account: z.string().optional(),
  /** Handed on to the new session; the first entry is what this attempt is for. */
  resumed: z.array(resumption).default([]),
  /** What is done with the new session at once; only our own form asks for it. */
  signOut: z.literal('everywhere').optional(),
  /** Whether this attempt already follows one whose code could not be used. */
  again: z.boolean().default(false),
});

const loginSchema = z.object({
  ...startSchema.shape,
  /** 32 random bytes, of which all that the attempt must prove is derived. */
  seed: z.string(),
  traceId: z.string(),
  /** The session token that the new session takes the place of. */
  replaces: z.string().optional(),
});

export type LoginStart = z.output<typeof startSchema>;
/** What the attempt is and what it proves: RFC 6749 state, OpenID Connect nonce, RFC 7636 verifier. */
export type Login = z.output<typeof loginSchema> & Proofs & { id: string };
type Proofs = { state: string; nonce: string; verifier: string };
/** An attempt, when it began, and its place in its trace where telemetry is on. */
export type FoundLogin = { login: Login; startedAtMs: number; carried: Carried | undefined };

/** Of one attempt's cookie: room for claims of 800 characters, or a return path of 1,024, but not for all at once. */
export const maxLoginBytes = 1_900;

/** The landing and the notice, which come and go beside the session and the attempts. */
const otherBytes = 250;

type LoginsOptions = {
  seal: Seal;
  flowTrace: FlowTrace;
  responseMode: 'query' | 'form_post';
  sameSite: 'lax' | 'strict';
  nowMs: () => number;
};

/**
 * One sealed cookie per sign-in attempt, named by the first part of its `state`, so that several tabs do not disturb
 * each other. With `form_post` it has to cross sites (`SameSite=None`), with `query` it comes along on navigations. All
 * attempts and sessions of a host together stay within `maxCookieHeaderBytes`: the oldest attempts go.
 */
export class Logins {
  readonly #options: LoginsOptions;
  readonly #flags: CookieOptions;

  constructor(options: LoginsOptions) {
    this.#options = options;
    this.#flags = { ...cookieFlags, sameSite: options.responseMode === 'form_post' ? 'none' : 'lax' };
  }

  /** What a new attempt proves. Its name sorts by age, to the millisecond. */
  newProofs(): Pick<Login, 'id' | 'seed' | keyof Proofs> {
    const id = this.#newId();
    const seed = randomBytes(32).toString('base64url');
    return { id, seed, ...proofsOf(id, seed) };
  }

  /** Has the browser keep it, as much of it as fits, in place of a step-up that was kept under this id. */
  async write(req: WebRequest, res: WebResponse, login: Login, stepUp?: string): Promise<void> {
    const { flowTrace, seal } = this.#options;
    const span = activeSpan();
    const place = span ? `${flowTrace.write(span)}.` : '';
    for (const fitting of everSmaller(login)) {
      const value = place + (await seal.seal(locationOf(req).sealedFor('login'), toSealed(fitting)));
      if (this.#put(req, res, login.id, value, stepUp)) return;
    }
    throw new Error('an attempt to sign in does not fit into a cookie');
  }

  /** The attempt that a callback's `state` belongs to; undefined if this browser has none, or it is too old. */
  async read(req: WebRequest, state: string): Promise<FoundLogin | undefined> {
    const { flowTrace, nowMs, seal } = this.#options;
    const id = state.slice(0, state.indexOf('.'));
    const location = locationOf(req);
    const { sealed, carried } = splitLogin(cookiesOf(req).get(toName(location, id)));
    const opened = sealed && (await seal.open(location.sealedFor('login'), sealed, loginSchema))?.value;
    const login = opened && { ...opened, resumed: withClaims(opened), id, ...proofsOf(id, opened.seed) };
    const startedAtMs = Number.parseInt(id, 36);
    if (!login || login.state !== state || nowMs() - startedAtMs > loginSeconds * 1_000) return undefined;
    return { login, startedAtMs, carried: flowTrace.readLogin(carried) };
  }

  /** Has the browser forget an attempt that is over, and the oldest others until a session of so many bytes has room. */
  clear(req: WebRequest, res: WebResponse, { id }: Login, newSessionBytes = this.#sessionBytes(req)): void {
    const name = toName(locationOf(req), id);
    clearCookie(res, name, this.#flags);
    this.#makeRoom(req, res, newSessionBytes, name);
  }

  /** Has the browser keep a sealed step-up until the sign-in for it. Returns its id, or undefined if it does not fit. */
  keepStepUp(req: WebRequest, res: WebResponse, sealed: string): string | undefined {
    const id = this.#newId();
    return this.#put(req, res, id, sealed) ? id : undefined;
  }

  /** The sealed step-up of this id. */
  keptStepUp(req: WebRequest, id: string): string | undefined {
    return cookiesOf(req).get(toName(locationOf(req), id));
  }

  /** Returns whether it fits. */
  #put(req: WebRequest, res: WebResponse, id: string, value: string, replaces?: string): boolean {
    const location = locationOf(req);
    const name = toName(location, id);
    const ownBytes = cookieBytes(name, value);
    const bytes = ownBytes + this.#sessionBytes(req);
    const kept = otherBytes + this.#strangersBytes(req, location);
    const fits = ownBytes <= maxLoginBytes && (location.sharers === 1 || bytes + kept <= maxCookieHeaderBytes);
    if (!fits) return false;
    const former = toName(location, String(replaces));
    if (idOf(former) !== undefined && cookiesOf(req).has(former)) clearCookie(res, former, this.#flags);
    this.#makeRoom(req, res, bytes, name, former);
    setCookie(res, name, value, { ...this.#flags, maxAge: loginSeconds });
    return true;
  }

  /**
   * Has the browser forget the oldest attempts, of all locations of this host, until so many bytes have room beside what
   * it keeps.
   */
  #makeRoom(req: WebRequest, res: WebResponse, bytes: number, ...gone: string[]): void {
    const others = [...cookiesOf(req)].flatMap(([name, value]) => {
      const id = gone.includes(name) ? undefined : idOf(name);
      return id === undefined ? [] : [{ id, name, value }];
    });
    const oldestFirst = others.sort((one, other) => (one.id < other.id ? -1 : 1));
    const kept = bytes + otherBytes + this.#strangersBytes(req, locationOf(req));
    let taken = oldestFirst.reduce((sum, { name, value }) => sum + cookieBytes(name, value), kept);
    for (const [index, { name, value }] of oldestFirst.entries()) {
      if (taken <= maxCookieHeaderBytes && oldestFirst.length - index < maxLogins) return;
      clearCookie(res, name, this.#flags);
      taken -= cookieBytes(name, value);
    }
  }

  /** A Strict session cookie does not come from other sites, so there the largest possible one counts. */
  #sessionBytes(req: WebRequest): number {
    const location = locationOf(req);
    const name = location.cookie(sessionCookie);
    const value = cookiesOf(req).get(name);
    if (value !== undefined) return cookieBytes(name, value);
    return this.#options.sameSite === 'strict' ? location.maxSessionBytes : 0;
  }

  /** What the browser keeps of the other locations of this host beside their attempts. */
  #strangersBytes(req: WebRequest, location: Location): number {
    if (location.sharers === 1) return 0;
    if (this.#options.sameSite === 'strict') return (location.sharers - 1) * location.maxSessionBytes;
    const ours = location.cookie(cookiePrefix);
    const strangers = [...cookiesOf(req)].filter(
      ([name]) => name.startsWith(cookiePrefix) && !name.startsWith(ours) && idOf(name) === undefined,
    );
    return strangers.reduce((sum, [name, value]) => sum + cookieBytes(name, value), 0);
  }

  #newId(): string {
    return `${this.#options.nowMs().toString(36).padStart(9, '0')}-${randomBytes(6).toString('base64url')}`;
  }
}

const toName = (location: Location, id: string) => location.cookie(loginCookiePrefix + id);

/** By the name of an attempt's cookie, whichever location's; no other text becomes part of one. */
const cookieLooks = new RegExp(`^${cookiePrefix}(?:[\\w.~-]+~)?login-([\\w-]{1,40})$`);
const idOf = (name: string): string | undefined => cookieLooks.exec(name)?.[1];

/** A `state` of ours by its looks. */
export const stateLooks = /^[0-9a-z]{8,9}-[\w-]{8}\.[\w-]{43}$/;

function proofsOf(id: string, seed: string): Proofs {
  const derive = (what: string) => createHmac('sha256', seed).update(what).digest('base64url');
  return { state: `${id}.${derive(`state ${id}`)}`, nonce: derive('nonce'), verifier: derive('verifier') };
}

/**
 * Browsers drop a cookie that is too large, and the sign-in with it: what only makes it smoother goes first. Without its
 * scopes an attempt cannot be started over.
 */
function* everSmaller(login: Login): Generator<Login> {
  yield login;
  const alone = { ...login, resumed: login.resumed.slice(0, 1) };
  yield alone;
  const { loginHint: _, domainHint: __, ...rest } = alone;
  yield rest;
  yield { ...rest, returnTo: '/' };
  yield { ...rest, returnTo: '/', scopes: [], again: true };
}

/** As `loginSchema` reads it, in few bytes: no defaults, nothing that is derived, the claims once. */
function toSealed({ id: _, state: __, nonce: ___, verifier: ____, ...login }: Login): object {
  const { returnTo, scopes, claims, resumed, again, ...rest } = login;
  return {
    ...rest,
    ...(returnTo !== '/' && { returnTo: pack(returnTo) }),
    ...(scopes.length > 0 && { scopes }),
    ...(claims !== undefined && { claims: pack(claims) }),
    ...(resumed.length > 0 && { resumed: withoutClaims(resumed, claims).map(packResumption) }),
    ...(again && { again }),
  };
}

/** An attempt is made for its first step-up, so their claims are the same. */
const withoutClaims = ([first, ...others]: Resumption[], claims: string | undefined): Resumption[] =>
  first ? [first.claims === claims ? { ...first, claims: undefined } : first, ...others] : [];
const withClaims = ({ resumed: [first, ...others], claims }: Pick<LoginStart, 'resumed' | 'claims'>): Resumption[] =>
  first ? [{ ...first, claims: first.claims ?? claims }, ...others] : [];
