import { Fault } from '@onbehalf/chassis/fault';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { Client } from '../clients/clients.ts';
import type { Entra, SignIn } from '../entra/entra.ts';
import { type EntraClass, type Refusal, toEntraFault } from '../entra/entra-errors.ts';
import { codeLedgerMs } from '../lifetimes.ts';
import type { Names } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';
import { logRefusal, type Refusals } from '../tokens/refusals.ts';

type Deps = { entra: Entra; store: Store; refusals: Refusals; names: Names; logger: Logger };

/** A sign-in to redeem, as the endpoint asks for it. */
export type Redeem = {
  code: string;
  redirectUri: string;
  codeVerifier: string;
  nonce?: string | undefined;
  traceId: string;
};

/** What Entra's answer says nothing of the code by: it did not look at it. */
const unanswered = new Set<EntraClass>(['transient', 'throttled', 'credential']);

/** What MSAL asks with a code; an API's scopes are asked for by an exchange. */
const signInScopes = ['openid', 'profile', 'offline_access'];

const mark = Buffer.from('1');

/**
 * Redeems authorization codes, each once. The ledger of spent codes is also the proof that the store answers: a code is
 * not spent on a sign-in that cannot be kept. What Entra did not answer may be sent once more.
 */
export function createRedemption({ entra, store, refusals, names, logger }: Deps) {
  /** @throws Fault `invalid_grant`, `unavailable` (then the code may be sent again) or Entra's class. */
  return async function redeem(client: Client, { traceId, ...asked }: Redeem): Promise<SignIn> {
    const about = aboutSignInsOf(client);
    const paused = await refusals.recall(about, undefined);
    if (paused) throw refusals.toFault(paused);
    const spent = names.code(client.name, asked.code);
    if (!(await store.setIfAbsent(spent, mark, codeLedgerMs))) {
      throw new Fault('invalid_grant', 'The authorization code was used before.');
    }
    const answer = await entra.redeemCode(client, { ...asked, nonce: asked.nonce, scopes: signInScopes, traceId });
    if (answer.kind === 'token') return answer;
    const { refusal } = answer;
    logRefusal(logger, { client: client.name }, refusal);
    // The answer of Entra's counts; the store's failing here leaves the code spent.
    if (unanswered.has(refusal.class)) await release(spent).catch(() => undefined);
    const kept = pausesAll(refusal)
      ? await refusals.remember(about, refusal, undefined).catch(() => undefined)
      : undefined;
    throw kept ? refusals.toFault(kept) : toEntraFault(refusal);
  };

  /** Lets the code be sent a second time, but no third: the mark of that comes before the ledger forgets the first. */
  async function release(spent: string): Promise<void> {
    if (await store.setIfAbsent(names.released(spent), mark, codeLedgerMs)) await store.delete(spent);
  }

  /** Sign-ins at a client share one throttle key: before a code is redeemed, only Entra knows whose it is. */
  function aboutSignInsOf({ name, tenantId }: Client) {
    const throttleKey = names.app(name, tenantId);
    return { throttleKey, partition: throttleKey, plainField: 'code', field: 'code' };
  }
}

/**
 * Whether the client as a whole is told to wait: by Entra's gateway, which answers 429 without a number. An AADSTS number
 * comes of a look at the one request.
 */
function pausesAll({ class: name, members }: Refusal): boolean {
  return name === 'throttled' && members.error_codes === undefined;
}
