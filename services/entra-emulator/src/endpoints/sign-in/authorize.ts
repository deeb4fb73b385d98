import type { Realm } from '../../directory/directory.ts';
import { findPlatform } from '../../directory/redirect-uri.ts';
import { readScopes } from '../../directory/scopes.ts';
import type { App, Platform } from '../../directory/seed.ts';
import type { ResponseTarget } from '../../pages/authorization-response.ts';
import { type CallIds, Refusal } from '../../requests/aadsts.ts';
import { type Call, type HttpResponse, readParameters, requireParameter } from '../../requests/call.ts';
import { parseClaims } from '../../requests/claims-request.ts';
import { opaque } from '../../tokens/jwt.ts';
import type { World } from '../../world.ts';
import { Accounts, approve } from './accounts.ts';
import { type Ending, endWithCode, refuseAt } from './ending.ts';
import type { SignIn, Transaction } from './transaction.ts';
import { Walk } from './walk.ts';

/** How long a page may stay open. */
const openSeconds = 3_600;

type ReadRequest = { browser: string; realm: Realm; client: App; platform: Platform; target: ResponseTarget };

/** The authorization endpoint and the forms of its pages. */
export class Authorize {
  readonly #world: World;
  readonly #accounts: Accounts;
  readonly #walk: Walk;
  readonly #open = new Map<string, Transaction>();

  constructor(world: World) {
    this.#world = world;
    this.#accounts = new Accounts(world);
    this.#walk = new Walk(world, this.#accounts);
  }

  /** The authorization request. @throws Refusal without a registered redirect URI: the person sees a page. */
  begin(segment: string, browser: string, call: Call): HttpResponse {
    const { directory } = this.#world;
    const form = readParameters(call);
    const realm = directory.realm(segment);
    const client = directory.client(requireParameter(form, 'client_id'), realm);
    const redirectUri = requireParameter(form, 'redirect_uri');
    const platform = findPlatform(client, redirectUri);
    if (!platform) throw new Refusal(50011, { redirectUri, client: client.appId });
    const mode = form.get('response_mode') || 'query';
    const target = { redirectUri, mode, state: form.get('state') || undefined };
    const refuse: Ending['refuse'] = (refusal, ids) => refuseAt(target, refusal, ids);
    return refusing(refuse, call.ids, () => {
      const signIn = this.#readSignIn(form, { browser, realm, client, platform, target });
      return this.start(signIn, call.ids);
    });
  }

  #readSignIn(form: URLSearchParams, { browser, realm, client, platform, target }: ReadRequest): SignIn {
    const get = (name: string) => form.get(name) || undefined;
    const responseType = requireParameter(form, 'response_type');
    if (responseType !== 'code') throw new Refusal(700054, { responseType });
    const value = get('code_challenge');
    if (client.requirePkce && !value) throw new Refusal(900144, { parameter: 'code_challenge' });
    const challenge = value ? { value, method: get('code_challenge_method') ?? 'plain' } : undefined;
    const requested = readScopes(this.#world, form, requireParameter(form, 'scope'), realm.tenant?.tid);
    const claims = parseClaims(get('claims'));
    const maxAge = get('max_age');
    const ending = endWithCode(this.#world, {
      ...{ target, client, platform, challenge, requested, claims, nonce: get('nonce') },
      wantsAuthTime: maxAge !== undefined,
      wantsClientInfo: get('client_info') === '1',
    });
    const hints = { prompt: get('prompt'), loginHint: get('login_hint'), domainHint: get('domain_hint') };
    const oldest = maxAge === undefined ? undefined : Number(maxAge);
    return { browser, realm, client, ending, requested, claims, ...hints, maxAge: oldest };
  }

  /** Begins a sign-in in this browser. */
  start(signIn: SignIn, ids: CallIds): HttpResponse {
    const expires = this.#world.now() + openSeconds;
    const tx: Transaction = { ...signIn, id: opaque(), session: undefined, accepted: false, expires };
    this.#open.set(tx.id, tx);
    return refusing(tx.ending.refuse, ids, () => this.#proceed(tx, ids));
  }

  /** A page's form. @throws Refusal 50089 if its sign-in is not open in this browser. */
  step(browser: string | undefined, { form, ids }: Call): HttpResponse {
    const tx = this.#open.get(form.get('tx') ?? '');
    if (!tx || tx.browser !== browser || tx.expires <= this.#world.now()) throw new Refusal(50089);
    return refusing(tx.ending.refuse, ids, () => this.#proceed(tx, ids, this.#take(tx, form)));
  }

  /** Takes the person's answer. @returns the mistake in it, for the page. @throws Refusal if they decline. */
  #take(tx: Transaction, form: URLSearchParams): Refusal | undefined {
    const username = form.get('username');
    if (username !== null) return this.#takeAccount(tx, username);
    const { session } = tx;
    if (!session) return undefined;
    const [stepUp, consent] = [form.get('stepup'), form.get('consent')];
    if (stepUp === 'approve') approve(tx, session);
    else if (stepUp === 'deny') throw new Refusal(500121);
    else if (consent === 'accept') {
      const permissions = this.#walk.missing(tx, session);
      for (const permission of permissions) this.#world.consents.grant(session.user, permission);
      tx.accepted = true;
    } else if (consent === 'cancel') throw new Refusal(65004);
    return undefined;
  }

  #takeAccount(tx: Transaction, username: string): Refusal | undefined {
    const name = username.trim().toLowerCase();
    const user = this.#accounts.candidates(tx).find(({ upn }) => upn.toLowerCase() === name);
    if (!user) return new Refusal(50034, { tenant: tx.realm.segment });
    tx.session = this.#accounts.signIn(tx, user);
    return undefined;
  }

  #proceed(tx: Transaction, ids: CallIds, mistake?: Refusal): HttpResponse {
    const next = this.#walk.proceed(tx, ids, mistake);
    if ('status' in next) return next;
    this.#open.delete(tx.id);
    return tx.ending.allow(next);
  }
}

/** Gives a Refusal to the application, in the way the sign-in ends. */
function refusing(refuse: Ending['refuse'], ids: CallIds, work: () => HttpResponse): HttpResponse {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return refuse(error, ids);
  }
}
