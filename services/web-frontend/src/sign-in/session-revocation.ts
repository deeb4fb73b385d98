import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { Broker } from '../broker/broker.ts';
import { endAgain } from '../lifetimes.ts';
import { measure } from '../signals.ts';
import { createRetries, type Lost } from './retries.ts';

/** What is to be ended: this session, all of its person's, or those that a session at Entra carries. */
export type End =
  | { kind: 'here' | 'everywhere'; token: string }
  | { kind: 'front_channel'; sid: string; iss: string | undefined };

/** In whose name: the flow, and for front-channel logouts, which anybody can send, the client's network. */
type Asked = { traceId: string; network?: string };

/** `ended` is how many sessions the broker saw end; it is absent while none of that is confirmed. */
export type Ending = { ended: number } | { ended?: never; kept: boolean };

type EndingsOptions = {
  broker: Broker;
  logger: Logger;
  nowMs?: () => number;
  pause?: ((ms: number) => Promise<void>) | undefined;
};

/**
 * What may wait for the broker. People's own sign-outs come with a session of theirs; front-channel logouts come from
 * anybody, so they have room of their own, and no network has all of it. At some 500 bytes each that is 6 MB.
 */
const room = { own: { all: 2_000, owner: 2_000 }, frontChannel: { all: 10_000, owner: 1_000 } };

/** Ends sessions at the broker, and keeps at it for a minute when the broker cannot confirm; disposed, once more. */
export function createEndings({ broker, logger, nowMs = Date.now, pause }: EndingsOptions) {
  const own = createRetries({ nowMs, pause, most: room.own });
  const frontChannel = createRetries({ nowMs, pause, most: room.frontChannel });
  // From 0 on, or the first that is lost would be no increase of a series that was not there.
  for (const kind of ['here', 'everywhere', 'front_channel'] as const) {
    for (const why of ['expired', 'full', 'shutdown'] as const) countLost(0, kind, why);
  }
  const retriesOf = ({ kind }: End) => (kind === 'front_channel' ? frontChannel : own);

  /** Gives how many sessions ended. @throws Fault if that is not confirmed. */
  async function attempt(end: End, traceId: string): Promise<number> {
    switch (end.kind) {
      case 'here': {
        // A revocation does not say whether there was a session (RFC 7009 section 2.2).
        const lifetime = await broker.introspect(end.token, traceId);
        await broker.revoke(end.token, traceId);
        return lifetime ? 1 : 0;
      }
      case 'everywhere':
        return await broker.revokeEverywhere(end.token, traceId);
      case 'front_channel':
        return await broker.endBySid(end.sid, end.iss, traceId);
    }
  }

  let fullToldAtMs = Number.NEGATIVE_INFINITY;

  function lose({ kind }: End, traceId: string, why: Lost): void {
    countLost(1, kind, why);
    // A flood that has no room must not flood the log: the metric counts it.
    if (why === 'full' && nowMs() - fullToldAtMs < endAgain.everyMs) return;
    if (why === 'full') fullToldAtMs = nowMs();
    const facts = { event: 'session.end_unconfirmed', kind, reason: why, trace_id: traceId };
    logger[kind === 'front_channel' ? 'warn' : 'error'](facts, 'a session that was to end may live until it idles out');
  }

  async function tryAgain(end: End, traceId: string): Promise<void> {
    const ended = await attempt(end, traceId);
    const facts = { kind: end.kind, ended, trace_id: traceId };
    // After a 200 a token is good for nothing (RFC 7009 section 2.2). Of other devices 0 says nothing.
    if (ended > 0 || end.kind === 'here') logger.info({ event: 'session.end_confirmed', ...facts });
    else logger[end.kind === 'everywhere' ? 'warn' : 'info']({ event: 'session.end_not_seen', ...facts });
  }

  function keep(end: End, { traceId, network = '' }: Asked, error?: unknown): Ending {
    const added = retriesOf(end).add({
      key: keyOf(end),
      owner: network,
      attempt: () => tryAgain(end, traceId),
      lost: (why) => lose(end, traceId, why),
    });
    if (added === 'new' && error !== undefined)
      logger.warn({ event: 'session.end_retrying', kind: end.kind, trace_id: traceId, error });
    return { kept: added !== 'lost' };
  }

  return {
    /** Ends it, or tells that this is not confirmed yet, and whether it is tried again. */
    async end(end: End, asked: Asked): Promise<Ending> {
      try {
        const ended = await attempt(end, asked.traceId);
        retriesOf(end).remove(keyOf(end));
        return { ended };
      } catch (error) {
        return keep(end, asked, error);
      }
    },

    /** Has it done within seconds, at a pace of our own. */
    defer: (end: End, asked: Asked): Ending => keep(end, asked),

    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all([own[Symbol.asyncDispose](), frontChannel[Symbol.asyncDispose]()]);
    },
  };
}

function countLost(number: number, kind: End['kind'], why: Lost): void {
  measure('onbehalf.sign_out.lost', number, { 'onbehalf.sign_out.kind': kind, 'onbehalf.sign_out.lost_by': why });
}

export type Endings = ReturnType<typeof createEndings>;

const keyOf = (end: End) => `${end.kind} ${end.kind === 'front_channel' ? end.sid : end.token}`;
