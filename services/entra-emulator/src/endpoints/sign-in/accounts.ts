import { randomUUID } from 'node:crypto';
import { isIn } from '../../directory/directory.ts';
import type { App, User } from '../../directory/seed.ts';
import type { Session } from '../../tokens/grant.ts';
import { loginHint } from '../../tokens/tokens.ts';
import type { World } from '../../world.ts';
import type { Transaction } from './transaction.ts';

/** The people that may sign in, and the sessions of a browser. */
export class Accounts {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** The people that a transaction may be for; `domain_hint` narrows them. */
  candidates({ realm, client, domainHint }: Transaction): User[] {
    // Without a tenant in the URL each person signs in at home, so guests are left out.
    const here = this.#world.directory.users.filter(
      ({ tid, home, identityParentId }) =>
        !identityParentId && isIn(client, tid) && (realm.tenant ? realm.tenant.tid === tid : !home),
    );
    const hinted = here.filter(({ upn }) => domainHint && upn.endsWith(`@${domainHint.toLowerCase()}`));
    return hinted.length > 0 ? hinted : here;
  }

  /** The session that needs no question: the one of the `login_hint`, or the only one. */
  findSession(tx: Transaction): Session | undefined {
    if (tx.prompt === 'login' || tx.prompt === 'select_account') return undefined;
    const { state, now } = this.#world;
    const users = this.candidates(tx);
    const oldest = Math.max(tx.maxAge === undefined ? 0 : now() - tx.maxAge, tx.claims.notBefore ?? 0);
    const sessions = state
      .sessions(tx.browser)
      .filter(({ user, authTime }) => users.includes(user) && authTime >= oldest);
    if (tx.loginHint) return sessions.find(({ user }) => isHinted(tx, user));
    return sessions.length === 1 ? sessions[0] : undefined;
  }

  /** Signs a person in at the transaction's browser. */
  signIn(tx: Transaction, user: User): Session {
    const { state, now, lifetimes } = this.#world;
    const others = state.sessions(tx.browser).filter((session) => session.user !== user);
    const former = state.sessions(tx.browser).find((session) => session.user === user);
    const session: Session = {
      ...(former ?? { sid: randomUUID(), acrs: new Set<string>(), mfa: false, clients: new Set<App>() }),
      ...{ user, authTime: now(), expires: now() + lifetimes.sso, generation: state.generation(user) },
    };
    state.setSessions(tx.browser, [...others, session]);
    return session;
  }
}

/** Whether the `login_hint` names this person. */
export function isHinted(tx: Transaction, user: User): boolean {
  return tx.loginHint?.toLowerCase() === user.upn.toLowerCase() || tx.loginHint === loginHint(user);
}

/** Notes that the person approved a step-up. */
export function approve({ claims }: Transaction, session: Session): void {
  session.mfa = true;
  for (const acr of claims.acrs) session.acrs.add(acr);
}
