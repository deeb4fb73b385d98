import { randomBytes } from 'node:crypto';
import { createHistogram, encode, type Histogram, record } from '../results/histogram.ts';
import { type Ask, createAsking } from './asking.ts';
import { journeys } from './journeys.ts';
import { placeOf } from './mix.ts';
import { outcomeOf } from './outcome.ts';
import type { Kind, Part, Plan } from './plan.ts';
import type { Reply, Sender } from './sender.ts';
import { type Outcome, Tally } from './tally.ts';
import { oidOf } from './token.ts';

/** One request that is due: `kind` by its place in the plan, `turn` counts that kind's requests. */
export type Job = { dueMs: number; kind: number; turn: number };

/** A timer of Node has whole milliseconds, so a request goes out up to so much late through no fault of the server. */
const timerMs = 1;

/** One token in so many is opened, and every answer to JSON: an error may stand in it. */
const openEvery = 100;
const slowestKept = 5;
/** What is due at the very end goes in the next turn of the event loop. */
const graceMs = 5;

/** What web-frontend takes for a connection that went away before an answer. */
const wentAway = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

type Means = { sender: Pick<Sender, 'send' | 'ask'>; originMs: number; recent: Histogram };

type KindSending = { kind: Kind; asking: ReturnType<typeof createAsking>; tally: Tally; targets: string[] };

/** Sends jobs and keeps count of them. `originMs` is the start by `performance.now()`; `recent` takes latencies too. */
export class Sending {
  readonly #plan: Plan;
  readonly #sender: Means['sender'];
  readonly #originMs: number;
  readonly #recent: Histogram;
  readonly #kinds: KindSending[];
  readonly #lag = createHistogram();
  readonly #slowest: Part['slowest'] = [];
  readonly #scheduledMs: number;
  #sent = 0;
  #ended = 0;
  #sentInTime = 0;
  #errors = 0;
  #onEnd = () => {};
  #idle = Promise.withResolvers<void>();

  constructor(plan: Plan, { sender, originMs, recent }: Means) {
    this.#plan = plan;
    this.#sender = sender;
    this.#originMs = originMs;
    this.#recent = recent;
    this.#kinds = plan.kinds.map((kind) => ({
      ...{ kind, asking: createAsking(kind), tally: new Tally(kind.name) },
      targets: kind.targets ?? plan.targets,
    }));
    this.#scheduledMs = plan.schedule.durationSeconds * 1_000 + graceMs;
    this.#idle.resolve();
  }

  start(job: Job): void {
    const { kind, asking, targets, tally } = this.#kinds[job.kind] ?? never();
    const { traceEvery } = this.#plan;
    const person = job.turn % asking.size;
    const target = targets[placeOf(job.turn, asking.size, targets.length)] ?? '';
    const startedMs = this.#now();
    const opens = kind.json !== undefined || this.#sent % openEvery === 0;
    const traceId = traceEvery > 0 && this.#sent % traceEvery === 0 ? randomBytes(16).toString('hex') : undefined;
    if (this.#sent === this.#ended) this.#idle = Promise.withResolvers<void>();
    this.#sent += 1;
    record(this.#lag, startedMs - job.dueMs);
    if (startedMs <= this.#scheduledMs) this.#sentInTime += 1;

    const dueMs = job.dueMs + Math.min(timerMs, Math.max(0, startedMs - job.dueMs));
    const end = (outcome: Outcome, sentMs = startedMs) => this.#end(dueMs, person, tally, outcome, sentMs, traceId);
    if (kind.journey) {
      const about = { sender: this.#sender, target, kind, asking, person, places: this.#plan.places };
      void journeys[kind.journey](about).then(end);
      return;
    }
    const answered = (reply: Reply) => {
      const { oid } = asking.person(person);
      if (opens && reply.status === 200 && oid)
        tally.open(kind.json === undefined ? oidOf(reply.body) === oid : reply.body.includes(oid));
      end(outcomeOf(reply), reply.sentMs === undefined ? startedMs : reply.sentMs - this.#originMs);
    };
    const ask = withTrace(asking.ask(person), traceId);
    this.#sender.send(target, ask, opens, (reply) => {
      if (!kind.asksAgain || !wentAway.has(reply.error)) return answered(reply);
      tally.askAgain();
      this.#sender.send(target, ask, opens, answered);
    });
  }

  /** Called after each end. */
  onEnd(then: () => void): void {
    this.#onEnd = then;
  }

  counts() {
    return { sent: this.#sent, errors: this.#errors, inFlight: this.#sent - this.#ended };
  }

  /** Resolves when nothing is under way. */
  allEnded(): Promise<void> {
    return this.#idle.promise;
  }

  seen() {
    return {
      ...{ requests: this.#ended, sentInTime: this.#sentInTime, slowest: this.#slowest, lag: encode(this.#lag) },
      kinds: this.#kinds.map(({ tally }) => tally.toSeen()),
    };
  }

  #now(): number {
    return performance.now() - this.#originMs;
  }

  #end(
    dueMs: number,
    person: number,
    tally: Tally,
    outcome: Outcome,
    sentMs: number,
    traceId: string | undefined,
  ): void {
    const endMs = this.#now();
    tally.end({ dueMs, sentMs, endMs }, person, outcome);
    record(this.#recent, endMs - dueMs);
    if (outcome.errorType !== undefined) this.#errors += 1;
    if (traceId) keepSlowest(this.#slowest, { traceId, latencyMs: endMs - dueMs, atSeconds: dueMs / 1_000 });
    this.#ended += 1;
    this.#onEnd();
    if (this.#sent === this.#ended) this.#idle.resolve();
  }
}

function keepSlowest(slowest: Part['slowest'], one: Part['slowest'][number]): void {
  slowest.push(one);
  slowest.sort((a, b) => b.latencyMs - a.latencyMs);
  slowest.length = Math.min(slowest.length, slowestKept);
}

function withTrace(ask: Ask, traceId: string | undefined): Ask {
  if (!traceId) return ask;
  return { ...ask, headers: { ...ask.headers, traceparent: `00-${traceId}-${traceId.slice(0, 16)}-01` } };
}

function never(): never {
  throw new Error('a mix names only kinds that there are');
}
