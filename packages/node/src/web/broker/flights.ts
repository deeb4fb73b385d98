import type { SpanContext } from '@opentelemetry/api';
import { linkRequest } from '../../core/telemetry/request-facts.ts';
import { activeSpan } from '../../core/telemetry/tracing.ts';

type Flight<T> = { owner: string; result: Promise<T>; leader: SpanContext | undefined };

/**
 * Work that runs once for all equal requests at the same time. A later request starts it again, so neither a result nor
 * a failure is kept. A flight has one owner; only the owner's requests join it.
 */
export function createFlights<T>() {
  const flights = new Map<string, Flight<T>>();
  return {
    /** Does the work, or waits for the owner's that is under way under these names. */
    join(owner: string, names: readonly string[], work: () => Promise<T>): Promise<T> {
      const key = JSON.stringify([owner, ...names]);
      const flying = flights.get(key);
      if (flying) {
        // The call is in the leader's trace.
        if (flying.leader) linkRequest(flying.leader);
        return flying.result;
      }
      const result = work().finally(() => {
        if (flights.get(key)?.result === result) flights.delete(key);
      });
      flights.set(key, { owner, result, leader: activeSpan() });
      return result;
    },

    /** No later request joins the owner's flights. */
    leave(owner: string): void {
      for (const [key, flight] of flights) if (flight.owner === owner) flights.delete(key);
    },
  };
}
