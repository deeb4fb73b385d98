import type { ServerResponse } from 'node:http';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { Answer, Call } from '../requests/call.ts';
import type { World } from '../world.ts';
import { type Counters, createCounters } from './counters.ts';
import { createFaults, type Faults } from './faults.ts';
import type { Protocol } from './protocol.ts';
import { createSubjects } from './subject.ts';

type Needs = { world: World; protocol: Protocol; logger: Logger; signal: AbortSignal };

export type Dispatch = {
  faults: Faults;
  counters: Counters;
  /** Counts and logs one call, lets a fault have it first, else the protocol. Undefined: the connection was cut. */
  dispatch(call: Call, res: ServerResponse): Promise<Answer | undefined>;
};

export function createDispatch({ world, protocol, logger, signal }: Needs): Dispatch {
  const faults = createFaults({ origin: world.origin, signal });
  const counters = createCounters(world.now);
  const subjectOf = createSubjects(world);
  return {
    faults,
    counters,
    async dispatch(call, res) {
      const endpoint = protocol.endpointOf(call.path);
      const subject = subjectOf(call);
      const finish = counters.begin(endpoint, subject, call);
      let outcome = 'failed';
      try {
        const result = await faults.around(call, subject, res, () => protocol.handle(call));
        outcome = result.outcome;
        return result.answer && protocol.share(call.path, result.answer);
      } finally {
        finish(outcome);
        const { grant, client } = subject;
        logger.info({ event: 'request', endpoint, grant, client, outcome, trace_id: call.ids.traceId });
      }
    },
  };
}
