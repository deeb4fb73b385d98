import type { ServerResponse } from 'node:http';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { Call, HttpResponse } from '../requests/call.ts';
import type { World } from '../world.ts';
import { Counters } from './counters.ts';
import { InjectedFaults } from './injected-faults.ts';
import { Protocol } from './protocol.ts';
import { readSubject } from './subject.ts';

type Needs = { world: World; logger: Logger; signal: AbortSignal };

/** What every call passes: counters, injected faults, the protocol, the log. */
export class Dispatch {
  readonly world: World;
  readonly faults: InjectedFaults;
  readonly counters: Counters;
  readonly #protocol: Protocol;
  readonly #logger: Logger;

  /** @param signal ends the delays of faults. */
  constructor({ world, logger, signal }: Needs) {
    this.world = world;
    this.faults = new InjectedFaults({ origin: world.origin, signal });
    this.counters = new Counters(world.now);
    this.#protocol = new Protocol(world);
    this.#logger = logger;
  }

  /** The response of an injected fault, if one takes the call, else of the protocol. Undefined: the connection is cut. */
  async handle(call: Call, res: ServerResponse): Promise<HttpResponse | undefined> {
    const endpoint = this.#protocol.endpointName(call.path);
    const subject = readSubject(this.world, call);
    const finish = this.counters.begin(endpoint, subject, call);
    let outcome = 'failed';
    try {
      const result = await this.faults.around(call, subject, res, () => this.#protocol.handle(call));
      outcome = result.outcome;
      return result.response && this.#protocol.share(call.path, result.response);
    } finally {
      finish(outcome);
      const { grant, client } = subject;
      const { traceId: trace_id, correlationId: correlation_id } = call.ids;
      this.#logger.info({ event: 'request', endpoint, grant, client, outcome, trace_id, correlation_id });
    }
  }
}
