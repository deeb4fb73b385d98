import { randomBytes } from 'node:crypto';
import { createHistogram, encode, type Histogram, record } from '../results/histogram.ts';
import { type Ask, createAsking } from './asking.ts';
import { journeys } from './journeys.ts';
import { placeOf } from './mix.ts';
import { outcomeOf } from './outcome.ts';
import type { Part, Plan } from './plan.ts';
import type { Reply, Sender } from './sender.ts';
import { createTally, type Outcome } from './tally.ts';
import { oidOf } from './token.ts';

/** One request that is due: `kind` by its place in the plan, `turn` counts that kind's requests. */
export type Job = { dueMs: number; kind: number; turn: number };

/** One token in so many is opened. */
const openEvery = 100;
const slowestKept = 5;
/** What is due at the very end goes in the next turn of the event loop. */
const graceMs = 5;

/** What web-frontend takes for a connection that went away before an answer. */
const wentAway = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

type Means = { sender: Pick<Sender, 'send' | 'ask'>; originMs: number; recent: Histogram };

/** Sends jobs and keeps count of them. `originMs` is the start by `performance.now()`; `recent` takes latencies too. */
export function createSending(plan: Plan, { sender, originMs, recent }: Means) {
  const kinds = plan.kinds.map((kind) => ({
    ...{ kind, asking: createAsking(kind), tally: createTally(kind.name) },
    targets: kind.targets ?? plan.targets,
  }));
  const now = () => performance.now() - originMs;
  const lag = createHistogram();
  const slowest: Part['slowest'] = [];
  const scheduledMs = plan.schedule.durationSeconds * 1_000 + graceMs;
  let [sent, ended, sentInTime, errors] = [0, 0, 0, 0];
  let ending = () => {};
  let { promise: idle, resolve: becomeIdle } = Promise.withResolvers<void>();
  becomeIdle();

  function start(job: Job): void {
    const { kind, asking, tally, targets } = kinds[job.kind] ?? never();
    const person = job.turn % asking.size;
    const target = targets[placeOf(job.turn, asking.size, targets.length)] ?? '';
    const startedMs = now();
    const [traced, opens] = [plan.traceEvery > 0 && sent % plan.traceEvery === 0, sent % openEvery === 0];
    const traceId = traced ? randomBytes(16).toString('hex') : undefined;
    if (sent === ended) ({ promise: idle, resolve: becomeIdle } = Promise.withResolvers<void>());
    sent += 1;
    record(lag, startedMs - job.dueMs);
    if (startedMs <= scheduledMs) sentInTime += 1;

    const end = (outcome: Outcome, sentMs = startedMs) => {
      const endMs = now();
      tally.end({ dueMs: job.dueMs, sentMs, endMs }, person, outcome);
      record(recent, endMs - job.dueMs);
      if (outcome.errorType !== undefined) errors += 1;
      if (traceId) keepSlowest(slowest, { traceId, latencyMs: endMs - job.dueMs, atSeconds: job.dueMs / 1_000 });
      ended += 1;
      ending();
      if (sent === ended) becomeIdle();
    };
    if (kind.journey) {
      void journeys[kind.journey]({ sender, target, kind, asking, person, places: plan.places }).then(end);
      return;
    }
    const answered = (reply: Reply) => {
      const { oid } = asking.person(person);
      if (opens && reply.status === 200 && oid) tally.open(oidOf(reply.body) === oid);
      end(outcomeOf(reply), reply.sentMs === undefined ? startedMs : reply.sentMs - originMs);
    };
    const ask = withTrace(asking.ask(person), traceId);
    sender.send(target, ask, opens, (reply) => {
      if (!kind.asksAgain || !wentAway.has(reply.error)) return answered(reply);
      tally.askAgain();
      sender.send(target, ask, opens, answered);
    });
  }

  return {
    start,
    /** Called after each end. */
    onEnd(then: () => void): void {
      ending = then;
    },
    counts: () => ({ sent, errors, inFlight: sent - ended }),
    /** Resolves when nothing is under way. */
    allEnded: () => idle,
    seen: () => ({
      ...{ requests: ended, sentInTime, slowest, lag: encode(lag) },
      kinds: kinds.map(({ tally }) => tally.toSeen()),
    }),
  };
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
