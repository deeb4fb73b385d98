import { randomUUID } from 'node:crypto';
import { Fault } from '@onbehalf/chassis/fault';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { z } from 'zod';
import { assertionLifeMs, indexRecordMs, indexTouchMs, upkeepMs } from '../lifetimes.ts';
import type { Names } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';
import type { Tombstone } from './tombstone.ts';

const record = z.object({
  /** The fingerprint of the index key in use, and those of its predecessors: a pod with one of these is late. */
  current: z.string(),
  former: z.array(z.string()),
  /** Everybody's tombstone: when the index key was last replaced. */
  everybody: z.object({ atSeconds: z.number(), id: z.string() }).optional(),
});

/** How many former index keys are remembered. */
const formerKept = 20;

type Deps = { store: Store; names: Names; logger: Logger; nowMs: () => number };

/**
 * Tells whether this process names things as the others do. A new index key hides all that was named with the one before,
 * tombstones too: it ends everybody's sessions. The first process that has the new one says so in the store; from then on
 * those with a former one judge nothing more, and assertions of before are refused for as long as they may live.
 */
export function createIndexGuard({ store, names, logger, nowMs }: Deps) {
  let state: 'unknown' | 'current' | 'replaced' = 'unknown';
  let everybody: Tombstone | undefined;
  let touchedMs = Number.NEGATIVE_INFINITY;
  const listeners: (() => void)[] = [];

  function stop(): void {
    state = 'replaced';
    logger.error({ event: 'index.replaced' }, 'another index key is in use: this process must be started anew with it');
    for (const listener of listeners) listener();
  }

  /** Reads which index key is in use; the first pod with a new one takes over. @throws Fault `unavailable`. */
  async function look(): Promise<void> {
    while (state !== 'replaced') {
      const read = await store.get(names.index);
      const found = read && record.parse(JSON.parse(read.toString()));
      if (found?.current === names.fingerprint) return await keep(read, found);
      if (found && (state === 'current' || found.former.includes(names.fingerprint))) return stop();
      await takeOver(read, found);
    }
  }

  async function keep(read: Buffer | undefined, found: z.output<typeof record>): Promise<void> {
    everybody = found.everybody;
    state = 'current';
    if (nowMs() - touchedMs < indexTouchMs) return;
    touchedMs = nowMs();
    await store.replace(names.index, read, read, indexRecordMs);
  }

  async function takeOver(read: Buffer | undefined, found: z.output<typeof record> | undefined): Promise<void> {
    // The other pods may go on until they look; tokens that they give out until then are older than this end.
    const until = Math.ceil((nowMs() + 2 * upkeepMs) / 1_000);
    const anew: z.output<typeof record> = {
      current: names.fingerprint,
      former: found ? [found.current, ...found.former].slice(0, formerKept) : [],
      everybody: found ? { atSeconds: until, id: randomUUID() } : everybody,
    };
    if (!(await store.replace(names.index, read, Buffer.from(JSON.stringify(anew)), indexRecordMs)) || !found) return;
    logger.warn({ event: 'index.taken_over' }, 'a new index key: everybody has to sign in again');
    await store.invalidate([names.index]);
  }

  store.events.onInvalidate((key) => {
    // A pod that misses the message, or cannot look now, looks in its upkeep.
    if (key === names.index) look().catch(() => {});
  });

  return {
    look,
    /** Everybody's tombstone, as long as any assertion may be older. */
    everybody: (): Tombstone | undefined =>
      everybody && nowMs() - everybody.atSeconds * 1_000 < assertionLifeMs ? everybody : undefined,
    /** Undefined where this process may judge; else it may once this resolves. Rejects with Fault `unavailable`. */
    judging(): Promise<void> | undefined {
      if (state === 'current') return undefined;
      return look().then(() => {
        if (state === 'current') return;
        throw new Fault('unavailable', 'This process has another index key than the rest.', { retryAfterSeconds: 5 });
      });
    },
    /** Calls this once another index key is in use. */
    onReplaced(listener: () => void): void {
      if (state === 'replaced') listener();
      else listeners.push(listener);
    },
  };
}

export type IndexGuard = ReturnType<typeof createIndexGuard>;
