import { linkRequest } from '@onbehalf/chassis/telemetry/server-span';
import { activeSpan } from '@onbehalf/chassis/telemetry/tracing';
import type { SpanContext } from '@opentelemetry/api';

type Flight<T> = { owner: string; result: Promise<T>; leader: SpanContext | undefined };

/**
 * Work that is done once for all who ask for the same at the same time; who asks when it is over begins anew, so that
 * neither a result nor a failure outlives it. A flight has an owner and is joined by nobody else.
 */
export function createFlights<T>() {
  const flights = new Map<string, Flight<T>>();
  return {
    /** Does the work, or waits for the owner's that is under way under these names. */
    join(owner: string, names: readonly string[], work: () => Promise<T>): Promise<T> {
      const key = JSON.stringify([owner, ...names]);
      const flying = flights.get(key);
      if (flying) {
        // The call is in the trace of who made it.
        if (flying.leader) linkRequest(flying.leader);
        return flying.result;
      }
      const result = work().finally(() => {
        if (flights.get(key)?.result === result) flights.delete(key);
      });
      flights.set(key, { owner, result, leader: activeSpan() });
      return result;
    },

    /** Nobody joins what the owner has under way any more. */
    leave(owner: string): void {
      for (const [key, flight] of flights) if (flight.owner === owner) flights.delete(key);
    },
  };
}
