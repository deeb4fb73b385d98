import { createHash, randomBytes } from 'node:crypto';
import type { createAsking } from './asking.ts';
import { outcomeOf } from './outcome.ts';
import type { Kind, Plan } from './plan.ts';
import type { Reply, Sender } from './sender.ts';
import type { Outcome } from './tally.ts';
import { tokenOf } from './token.ts';

type Journey = (about: {
  sender: Pick<Sender, 'ask'>;
  target: string;
  kind: Kind;
  asking: ReturnType<typeof createAsking>;
  person: number;
  places: Plan['places'];
}) => Promise<Outcome>;

const hopsMost = 10;
const random = () => randomBytes(32).toString('base64url');

/**
 * Signs a person in through web-frontend as a browser does whose person says yes to everything: to Entra and back to a
 * page. Gives the frontend's cookies. `scope`: an API's, to be consented to on the way.
 */
export async function walkSignIn(sender: Pick<Sender, 'ask'>, web: string, loginHint: string, scope = '') {
  const cookies = new Map<string, string>();
  let url = new URL(
    `/sign-in?${new URLSearchParams({ login_hint: loginHint, return_to: '/', ...(scope && { scope }) })}`,
    web,
  );
  for (let hops = 0; hops < hopsMost; hops += 1) {
    const home = url.origin === web;
    const cookie = cookieLine(cookies);
    const reply = await sender.ask(url.origin, {
      ...{ path: `${url.pathname}${url.search}`, method: 'GET', body: null },
      headers: { 'sec-fetch-mode': 'navigate', ...(home && cookie && { cookie }) },
    });
    if (home) keepCookies(cookies, reply);
    const { location } = reply.headers;
    if (reply.status >= 300 && reply.status < 400 && typeof location === 'string') url = new URL(location, url);
    else if (reply.status !== 200) return { outcome: outcomeOf(reply), cookies };
    else return { outcome: signedIn(cookies) ? {} : { errorType: 'no session' }, cookies };
  }
  return { outcome: { errorType: 'too many redirects' }, cookies };
}

/** Has a person say yes at Entra; gives the form that redeems the code, or the answer that holds none. */
export async function startCodeGrant(
  sender: Pick<Sender, 'ask'>,
  places: NonNullable<Plan['places']>,
  loginHint: string,
) {
  const [code_verifier, nonce] = [random(), random()];
  const query = new URLSearchParams({
    ...{ client_id: places.clientId, response_type: 'code', redirect_uri: places.redirectUri, scope: places.scope },
    ...{ nonce, state: random(), login_hint: loginHint },
    code_challenge: createHash('sha256').update(code_verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const authorize = new URL(places.authorizeUrl);
  const path = `${authorize.pathname}?${query}`;
  const reply = await sender.ask(authorize.origin, { path, method: 'GET', headers: {}, body: null });
  const { location } = reply.headers;
  const code = new URL(typeof location === 'string' ? location : 'x:', authorize).searchParams.get('code');
  const { redirectUri: redirect_uri } = places;
  return code ? { grant_type: 'authorization_code', code, nonce, code_verifier, redirect_uri } : reply;
}

/** The `Cookie` header. */
export function cookieLine(cookies: ReadonlyMap<string, string>): string {
  return [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
}

/** Several requests of one person that succeed or fail as one; their latency is that of all. */
export const journeys = {
  /** A whole sign-in through web-frontend. */
  async 'sign-in'({ sender, target, asking, person }) {
    return (await walkSignIn(sender, target, asking.person(person).fields.login_hint ?? '')).outcome;
  },

  /** A code grant at the broker and the session's end, as web-frontend would have it. */
  async 'sign-in-and-out'({ sender, target, asking, person, places }) {
    if (!places) throw new Error('a plan with sign-ins says where to');
    const { headers, body } = asking.ask(person);
    const post = (path: string, fields: Record<string, string>) =>
      sender.ask(target, { path, method: 'POST', headers, body: `${body}&${new URLSearchParams(fields)}` });
    const grant = await startCodeGrant(sender, places, asking.person(person).fields.login_hint ?? '');
    if (!('code' in grant)) return outcomeOf(grant);
    const signIn = await post('/oauth2/token', grant);
    if (signIn.status !== 200) return outcomeOf(signIn);
    const signOut = await post('/oauth2/revoke', { token: tokenOf(signIn.body) ?? '' });
    return signOut.status === 200 ? {} : outcomeOf(signOut);
  },
} satisfies Record<string, Journey>;

function keepCookies(cookies: Map<string, string>, { headers }: Reply): void {
  for (const line of [headers['set-cookie'] ?? []].flat()) {
    const [pair = ''] = line.split(';', 1);
    const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
    if (/max-age=0|expires=thu, 01 jan 1970/i.test(line)) cookies.delete(name);
    else cookies.set(name, value);
  }
}

const signedIn = (cookies: Map<string, string>) => cookies.has('__Host-Http-session');
