import type { Log } from '../../core/log.ts';
import { revocationRetry } from '../../lifetimes.ts';
import type { Broker } from '../broker/broker.ts';
import { measure } from '../telemetry/signals.ts';
import { type Lost, Retries } from './retries.ts';

/** What to revoke: this session, all sessions of its person, or all that came from one session at Entra. */
export type RevocationTarget =
  | { kind: 'here'; token: string; reason?: 'sign_out' | 'replaced' }
  | { kind: 'everywhere'; token: string }
  | { kind: 'front_channel'; sid: string; iss: string | undefined };

/** The trace of the request and, for front-channel logouts, which anybody can send, the client's network. */
type Requester = { traceId: string; network?: string };

/** `ended`: how many sessions the broker ended. While nothing is confirmed, `retried` says whether it is tried again. */
export type Revocation = { ended: number } | { ended?: never; retried: boolean };

type SessionRevocationOptions = {
  broker: Broker;
  logger: Log;
  nowMs?: () => number;
  pause?: ((ms: number) => Promise<void>) | undefined;
};

/**
 * How many revocations may wait for the broker. A person's own sign-out needs a session; front-channel logouts can come
 * from anybody, so they have room of their own, and no network can take all of it. At some 500 bytes each that is 6 MB.
 */
const room = { own: { all: 2_000, owner: 2_000 }, frontChannel: { all: 10_000, owner: 1_000 } };

/** Revokes sessions at the broker, and retries for a minute what the broker cannot confirm; on disposal once more. */
export class SessionRevocation implements AsyncDisposable {
  readonly #broker: Broker;
  readonly #logger: Log;
  readonly #nowMs: () => number;
  readonly #own: Retries;
  readonly #frontChannel: Retries;
  #fullLoggedAtMs = Number.NEGATIVE_INFINITY;

  constructor({ broker, logger, nowMs = Date.now, pause }: SessionRevocationOptions) {
    this.#broker = broker;
    this.#logger = logger;
    this.#nowMs = nowMs;
    this.#own = new Retries({ nowMs, pause, most: room.own });
    this.#frontChannel = new Retries({ nowMs, pause, most: room.frontChannel });
    // Every series starts at 0: otherwise the first loss is no increase.
    for (const kind of ['here', 'everywhere', 'front_channel'] as const) {
      for (const why of ['expired', 'full', 'shutdown'] as const) countLost(0, kind, why);
    }
  }

  /** Revokes now; what the broker cannot confirm is retried. */
  async revoke(target: RevocationTarget, requester: Requester): Promise<Revocation> {
    try {
      const ended = await this.#attempt(target, requester.traceId);
      this.#retries(target).remove(toKey(target));
      return { ended };
    } catch (error) {
      return this.#retry(target, requester, error);
    }
  }

  /** Revokes within seconds, at a pace of our own. */
  revokeLater(target: RevocationTarget, requester: Requester): Revocation {
    return this.#retry(target, requester);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#own[Symbol.asyncDispose](), this.#frontChannel[Symbol.asyncDispose]()]);
  }

  /** Returns how many sessions ended. @throws Fault if the broker does not confirm it. */
  async #attempt(target: RevocationTarget, traceId: string): Promise<number> {
    switch (target.kind) {
      case 'here': {
        // A revocation does not say whether there was a session (RFC 7009 section 2.2).
        const lifetime = await this.#broker.introspect(target.token, traceId);
        await this.#broker.revoke(target.token, traceId, target.reason);
        return lifetime ? 1 : 0;
      }
      case 'everywhere':
        return await this.#broker.revokeEverywhere(target.token, traceId);
      case 'front_channel':
        return await this.#broker.endBySid(target.sid, target.iss, traceId);
    }
  }

  #retry(target: RevocationTarget, { traceId, network = '' }: Requester, error?: unknown): Revocation {
    const added = this.#retries(target).add({
      key: toKey(target),
      owner: network,
      attempt: () => this.#attemptAgain(target, traceId),
      lost: (why) => this.#lose(target, traceId, why),
    });
    if (added === 'new' && error !== undefined)
      this.#logger.warn({ event: 'session.end_retrying', kind: target.kind, trace_id: traceId, error });
    return { retried: added !== 'lost' };
  }

  async #attemptAgain(target: RevocationTarget, traceId: string): Promise<void> {
    const ended = await this.#attempt(target, traceId);
    const facts = { kind: target.kind, ended, trace_id: traceId };
    // After a 200 a token is no longer usable (RFC 7009 section 2.2). Of other devices 0 says nothing.
    if (ended > 0 || target.kind === 'here') this.#logger.info({ event: 'session.end_confirmed', ...facts });
    else this.#logger[target.kind === 'everywhere' ? 'warn' : 'info']({ event: 'session.end_not_seen', ...facts });
  }

  #lose({ kind }: RevocationTarget, traceId: string, why: Lost): void {
    countLost(1, kind, why);
    // A flood that has no room must not flood the log: the metric counts it.
    if (why === 'full' && this.#nowMs() - this.#fullLoggedAtMs < revocationRetry.everyMs) return;
    if (why === 'full') this.#fullLoggedAtMs = this.#nowMs();
    const facts = { event: 'session.end_unconfirmed', kind, reason: why, trace_id: traceId };
    const level = kind === 'front_channel' ? 'warn' : 'error';
    this.#logger[level](facts, 'the session was not revoked: it may live until its idle limit');
  }

  #retries({ kind }: RevocationTarget): Retries {
    return kind === 'front_channel' ? this.#frontChannel : this.#own;
  }
}

function countLost(number: number, kind: RevocationTarget['kind'], why: Lost): void {
  measure('onbehalf.sign_out.lost', number, { 'onbehalf.sign_out.kind': kind, 'onbehalf.sign_out.lost_by': why });
}

const toKey = (target: RevocationTarget) =>
  `${target.kind} ${target.kind === 'front_channel' ? target.sid : target.token}`;
