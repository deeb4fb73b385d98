import { randomUUID } from 'node:crypto';
import type { Permission } from '../directory/consent.ts';
import type { Realm } from '../directory/directory.ts';
import { needsStepUp, policyChallenge } from '../directory/policy.ts';
import { type Asked, parseScope } from '../directory/scopes.ts';
import { type App, isGenerated, type User } from '../directory/seed.ts';
import * as pages from '../pages/pages.ts';
import { platformOf, type Reply } from '../pages/reply.ts';
import { type CallIds, Refusal } from '../requests/aadsts.ts';
import { type Answer, type Call, parametersOf } from '../requests/call.ts';
import { type ClaimsRequest, parseClaims } from '../requests/claims-request.ts';
import { opaque } from '../tokens/keys.ts';
import type { Session } from '../tokens/state.ts';
import { loginHint } from '../tokens/tokens.ts';
import type { World } from '../world.ts';
import { type Ending, endWithCode, refuseAt } from './ending.ts';
import { required } from './grants.ts';

/** What a sign-in is for. */
type SignIn = {
  browser: string;
  realm: Realm;
  client: App;
  ending: Ending;
  asked: Asked;
  claims: ClaimsRequest;
  prompt?: string | undefined;
  loginHint?: string | undefined;
  domainHint?: string | undefined;
  /** Seconds. */
  maxAge?: number | undefined;
};

/** One sign-in under way: the request, and what the person has answered so far. */
type Transaction = SignIn & { id: string; session: Session | undefined; accepted: boolean; expires: number };

/** How long a page may stay open. */
const openSeconds = 3_600;
const silentPrompt = 'none';

/** The authorization endpoint and its pages, as a walk: who, step-up, consent, then a code. */
export function createAuthorize(world: World) {
  const { directory, consents, state, now, lifetimes } = world;
  const open = new Map<string, Transaction>();

  const usersOf = ({ realm, client, domainHint }: Transaction): User[] => {
    // Where the tenant is not said it is everybody's home: nobody is a guest there.
    const here = directory.users.filter(
      ({ tid, home }) => directory.isIn(client, tid) && (realm.tenant ? realm.tenant.tid === tid : !home),
    );
    const hinted = here.filter(({ upn }) => domainHint && upn.endsWith(`@${domainHint.toLowerCase()}`));
    return hinted.length > 0 ? hinted : here;
  };
  const isHinted = (tx: Transaction, user: User) =>
    tx.loginHint?.toLowerCase() === user.upn.toLowerCase() || tx.loginHint === loginHint(user);

  /** The session that may go on without a question: the hinted one, or the only one. */
  const silentSession = (tx: Transaction): Session | undefined => {
    if (tx.prompt === 'login' || tx.prompt === 'select_account') return undefined;
    const users = usersOf(tx);
    const oldest = Math.max(tx.maxAge === undefined ? 0 : now() - tx.maxAge, tx.claims.notBefore ?? 0);
    const sessions = state
      .sessions(tx.browser)
      .filter(({ user, authTime }) => users.includes(user) && authTime >= oldest);
    if (tx.loginHint) return sessions.find(({ user }) => isHinted(tx, user));
    return sessions.length === 1 ? sessions[0] : undefined;
  };

  const signIn = (tx: Transaction, user: User): Session => {
    const others = state.sessions(tx.browser).filter((session) => session.user !== user);
    const former = state.sessions(tx.browser).find((session) => session.user === user);
    const session: Session = {
      ...(former ?? { sid: randomUUID(), acrs: new Set<string>(), mfa: false, clients: new Set<App>() }),
      ...{ user, authTime: now(), expires: now() + lifetimes.sso, generation: state.generationOf(user) },
    };
    state.setSessions(tx.browser, [...others, session]);
    return session;
  };

  const stepUp = ({ claims }: Transaction, session: Session) => {
    session.mfa = true;
    for (const acr of claims.acrs) session.acrs.add(acr);
  };

  const missing = (tx: Transaction, { user }: Session): Permission[] => {
    const wanted = consents.asked(tx.client, tx.asked);
    if (tx.accepted) return [];
    return tx.prompt === 'consent' ? wanted : wanted.filter((permission) => !consents.has(user, permission));
  };

  /** Who answers in the person's place, if anybody: for whom the admin says so, else for people for load only. */
  const answeringFor = (tx: Transaction) => {
    const { interaction } = world;
    if (interaction.mode === 'page') return undefined;
    if (interaction.user !== undefined) return interaction;
    const person = tx.session?.user ?? usersOf(tx).find((user) => isHinted(tx, user));
    return person && isGenerated(person) ? interaction : undefined;
  };

  /** Goes as far as it can without the person; `auto` interaction answers for them. */
  const proceed = (tx: Transaction, ids: CallIds, problem?: Refusal): Answer => {
    const { realm, client } = tx;
    tx.session ??= silentSession(tx);
    const auto = tx.prompt !== silentPrompt ? answeringFor(tx) : undefined;
    const page = {
      tx: tx.id,
      action: `/${realm.segment}/oauth2/v2.0/authorize/step`,
      client,
      redirectUri: tx.ending.redirectUri,
    };
    if (!tx.session && auto) {
      const user = usersOf(tx).find((it) => (tx.loginHint ? isHinted(tx, it) : it.upn === auto.user));
      if (user) tx.session = signIn(tx, user);
    }
    if (!tx.session) {
      if (tx.prompt === silentPrompt) throw new Refusal(50058);
      const users = usersOf(tx);
      return pages.pickAccount({
        ...page,
        users,
        hinted: users.find((user) => isHinted(tx, user)),
        problem: problem?.message,
      });
    }
    const { session } = tx;
    if (session.user.disabled) return pages.problem(new Refusal(50057), ids);
    const resources = [...tx.asked.resources.keys()];
    if (resources.some(({ policy }) => policy === 'block')) return pages.problem(new Refusal(53003), ids);
    if (needsStepUp(session, resources, tx.claims)) {
      if (tx.prompt === silentPrompt) {
        const claims = tx.claims.text ?? policyChallenge;
        throw new Refusal(50076, { resource: client.appId }, { error: 'interaction_required', claims });
      }
      if (!auto) return pages.approve({ ...page, user: session.user, acrs: tx.claims.acrs });
      stepUp(tx, session);
    }
    const permissions = missing(tx, session);
    if (permissions.length > 0) {
      if (tx.prompt === silentPrompt) {
        const name = { client: client.appId, name: client.displayName };
        throw new Refusal(65001, name, { error: 'interaction_required', suberror: null });
      }
      if (!auto) return pages.permissions({ ...page, user: session.user, permissions });
      for (const permission of permissions) consents.grant(session.user, permission);
    }
    open.delete(tx.id);
    return tx.ending.allow(session);
  };

  /** A refusal that the application hears of, in the way the sign-in ends. */
  const refusing = (refuse: Ending['refuse'], ids: CallIds, work: () => Answer): Answer => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return refuse(error, ids);
    }
  };

  /** Begins a sign-in in this browser. */
  const start = (request: SignIn, ids: CallIds): Answer => {
    const tx = { ...request, id: opaque(), session: undefined, accepted: false, expires: now() + openSeconds };
    open.set(tx.id, tx);
    return refusing(tx.ending.refuse, ids, () => proceed(tx, ids));
  };

  return {
    /** The authorization request. @throws Refusal where there is nobody to redirect to: the person sees a page. */
    begin(segment: string, browser: string, call: Call): Answer {
      const { ids } = call;
      const form = parametersOf(call);
      const get = (name: string) => form.get(name) || undefined;
      const realm = directory.realm(segment);
      const client = directory.client(required(form, 'client_id'), realm);
      const redirectUri = required(form, 'redirect_uri');
      const platform = platformOf(client, redirectUri);
      if (!platform) throw new Refusal(50011, { redirectUri, client: client.appId });
      const to: Reply = { redirectUri, mode: get('response_mode') ?? 'query', state: get('state') };
      const refuse: Ending['refuse'] = (refusal) => refuseAt(to, refusal, ids);
      return refusing(refuse, ids, () => {
        const responseType = required(form, 'response_type');
        if (responseType !== 'code') throw new Refusal(700054, { responseType });
        const value = get('code_challenge');
        if (client.requirePkce && !value) throw new Refusal(900144, { parameter: 'code_challenge' });
        const challenge = value ? { value, method: get('code_challenge_method') ?? 'plain' } : undefined;
        const asked = parseScope(directory, required(form, 'scope'), realm.tenant?.tid);
        const claims = parseClaims(get('claims'));
        const maxAge = get('max_age');
        const ending = endWithCode(world, {
          ...{ to, client, platform, challenge, asked, claims, nonce: get('nonce') },
          wantsAuthTime: maxAge !== undefined,
          wantsClientInfo: get('client_info') === '1',
        });
        const hints = { prompt: get('prompt'), loginHint: get('login_hint'), domainHint: get('domain_hint') };
        const oldest = maxAge === undefined ? undefined : Number(maxAge);
        return start({ browser, realm, client, ending, asked, claims, ...hints, maxAge: oldest }, ids);
      });
    },
    start,
    /** A page's form. @throws Refusal 50089 if its sign-in is not open in this browser. */
    step(browser: string | undefined, { form, ids }: Call): Answer {
      const tx = open.get(form.get('tx') ?? '');
      if (!tx || tx.browser !== browser || tx.expires <= now()) throw new Refusal(50089);
      return refusing(tx.ending.refuse, ids, () => {
        const username = form.get('username');
        const { session } = tx;
        if (username !== null) {
          const user = usersOf(tx).find(({ upn }) => upn.toLowerCase() === username.trim().toLowerCase());
          if (!user) return proceed(tx, ids, new Refusal(50034, { tenant: tx.realm.segment }));
          tx.session = signIn(tx, user);
        } else if (session && form.get('stepup') === 'approve') {
          stepUp(tx, session);
        } else if (session && form.get('stepup') === 'deny') {
          throw new Refusal(500121);
        } else if (session && form.get('consent') === 'accept') {
          for (const permission of missing(tx, session)) consents.grant(session.user, permission);
          tx.accepted = true;
        } else if (session && form.get('consent') === 'cancel') {
          throw new Refusal(65004);
        }
        return proceed(tx, ids);
      });
    },
  };
}
