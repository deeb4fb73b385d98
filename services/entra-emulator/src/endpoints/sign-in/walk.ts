import type { Permission } from '../../directory/consent.ts';
import { needsStepUp, policyChallenge } from '../../directory/policy.ts';
import { isGenerated, type User } from '../../directory/seed.ts';
import * as pages from '../../pages/pages.ts';
import { type CallIds, Refusal } from '../../requests/aadsts.ts';
import type { HttpResponse } from '../../requests/call.ts';
import type { Session } from '../../tokens/grant.ts';
import type { World } from '../../world.ts';
import { type Accounts, approve, isHinted } from './accounts.ts';
import { isSilent, type Transaction } from './transaction.ts';

/** Answers the pages in the person's place: `user` signs in where no `login_hint` names somebody. */
type Automaton = { user?: string };

/** The steps of a sign-in in their order: account, policy, step-up, consent. Each is a page, or nothing is missing. */
export class Walk {
  readonly #world: World;
  readonly #accounts: Accounts;

  constructor(world: World, accounts: Accounts) {
    this.#world = world;
    this.#accounts = accounts;
  }

  /**
   * Goes as far as it can without the person: gives the next page, or the session once nothing is missing.
   * @throws Refusal where `prompt=none` forbids the page.
   */
  proceed(tx: Transaction, ids: CallIds, mistake?: Refusal): HttpResponse | Session {
    tx.session ??= this.#accounts.findSession(tx);
    const automaton = isSilent(tx) ? undefined : this.#findAutomaton(tx);
    if (!tx.session && automaton) this.#signInAutomatically(tx, automaton);
    const { session } = tx;
    if (!session) return this.#askForAccount(tx, mistake);
    return (
      this.#refuse(tx, session, ids) ??
      this.#askForStepUp(tx, session, automaton) ??
      this.#askForConsent(tx, session, automaton) ??
      session
    );
  }

  /** The permissions that the person has still to accept. */
  missing(tx: Transaction, { user }: Session): Permission[] {
    if (tx.accepted) return [];
    const { consents } = this.#world;
    const wanted = consents.permissions(tx.client, tx.requested);
    return tx.prompt === 'consent' ? wanted : wanted.filter((permission) => !consents.has(user, permission));
  }

  /** Undefined where the person answers. `auto` without a user is for generated people only. */
  #findAutomaton(tx: Transaction): Automaton | undefined {
    const { interaction } = this.#world;
    if (interaction.mode === 'page') return undefined;
    if (interaction.user !== undefined) return interaction;
    const user = tx.session?.user ?? this.#accounts.candidates(tx).find((candidate) => isHinted(tx, candidate));
    return user && isGenerated(user) ? interaction : undefined;
  }

  #signInAutomatically(tx: Transaction, automaton: Automaton): void {
    const isChosen = (user: User) => (tx.loginHint ? isHinted(tx, user) : user.upn === automaton.user);
    const user = this.#accounts.candidates(tx).find(isChosen);
    if (user) tx.session = this.#accounts.signIn(tx, user);
  }

  #askForAccount(tx: Transaction, mistake: Refusal | undefined): HttpResponse {
    if (isSilent(tx)) throw new Refusal(50058);
    const users = this.#accounts.candidates(tx);
    const hinted = users.find((user) => isHinted(tx, user));
    return pages.pickAccount({ ...toForm(tx), users, hinted, problem: mistake?.message });
  }

  /** A page for those that no step can let in. */
  #refuse(tx: Transaction, { user }: Session, ids: CallIds): HttpResponse | undefined {
    if (user.disabled) return pages.problem(new Refusal(50057), ids);
    const blocked = [...tx.requested.resources.keys()].some(({ policy }) => policy === 'block');
    return blocked ? pages.problem(new Refusal(53003), ids) : undefined;
  }

  #askForStepUp(tx: Transaction, session: Session, automaton: Automaton | undefined): HttpResponse | undefined {
    if (!needsStepUp(session, tx.requested.resources.keys(), tx.claims)) return undefined;
    if (isSilent(tx)) {
      const claims = tx.claims.text ?? policyChallenge;
      throw new Refusal(50076, { resource: tx.client.appId }, { error: 'interaction_required', claims });
    }
    if (!automaton) return pages.approve({ ...toForm(tx), user: session.user, acrs: tx.claims.acrs });
    approve(tx, session);
    return undefined;
  }

  #askForConsent(tx: Transaction, session: Session, automaton: Automaton | undefined): HttpResponse | undefined {
    const permissions = this.missing(tx, session);
    if (permissions.length === 0) return undefined;
    if (isSilent(tx)) {
      const { appId: client, displayName: name } = tx.client;
      throw new Refusal(65001, { client, name }, { error: 'interaction_required', suberror: null });
    }
    if (!automaton) return pages.permissions({ ...toForm(tx), user: session.user, permissions });
    for (const permission of permissions) this.#world.consents.grant(session.user, permission);
    return undefined;
  }
}

function toForm({ id, realm, client, ending }: Transaction): pages.Form {
  const action = `/${realm.segment}/oauth2/v2.0/authorize/step`;
  return { tx: id, action, client, redirectUri: ending.redirectUri };
}
