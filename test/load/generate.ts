import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Ask, createAsking } from './asking.ts';
import { createHistogram, encode, record } from './histogram.ts';
import { journeys } from './journeys.ts';
import { mix, turns } from './mix.ts';
import type { Part, Plan, Progress } from './plan.ts';
import { dueTimesMs } from './schedule.ts';
import { createSender, type Reply } from './sender.ts';
import { createTally, type Outcome } from './tally.ts';
import { oidOf } from './token.ts';

/** Over so many in flight, requests queue here and their latency grows: nothing is dropped. */
const inFlightMost = 4_096;
/** One token in so many is opened. */
const openEvery = 100;
const slowestKept = 5;
/** What is due at the very end goes in the next turn of the event loop. */
const graceMs = 5;

type Job = { dueMs: number; kind: number; turn: number };

/**
 * Sends what the plan says when it says so, whatever the answers do: an open loop. Latency is from when a request was
 * due; errors count with theirs. `begin` is called when all connections stand and gives the start, epoch milliseconds.
 */
export async function generate(
  plan: Plan,
  begin: () => Promise<number>,
  tell: (progress: Progress) => void,
): Promise<Part> {
  const kinds = plan.kinds.map((kind) => ({
    ...{ kind, asking: createAsking(kind), tally: createTally(kind.name) },
    targets: kind.targets ?? plan.targets,
  }));
  const order = mix(plan.kinds.map(({ weight }) => weight));
  const turnOf = turns(order);
  await using sender = createSender();
  await sender.connect([...new Set(kinds.flatMap(({ targets }) => targets))], plan.connections);
  const lag = createHistogram();
  const slowest: Part['slowest'] = [];
  const queue: Job[] = [];
  const recent = createHistogram(2);
  let [sent, ended, sentInTime, errors, inFlight] = [0, 0, 0, 0, 0];

  const startAtMs = await begin();
  await delay(Math.max(0, startAtMs - Date.now()));
  const originMs = performance.now() + (startAtMs - Date.now());
  const began = process.cpuUsage();
  const now = () => performance.now() - originMs;
  const { promise: done, resolve: finish } = Promise.withResolvers<void>();
  let scheduled = false;

  function start(job: Job): void {
    const { kind, asking, tally, targets } = kinds[job.kind] ?? never();
    const person = job.turn % asking.size;
    // Each round through the people begins at another target, so that everybody comes to all of them.
    const target = targets[(job.turn + Math.floor(job.turn / asking.size)) % targets.length] ?? '';
    const startedMs = now();
    record(lag, startedMs - job.dueMs);
    if (startedMs <= plan.schedule.durationSeconds * 1_000 + graceMs) sentInTime += 1;
    inFlight += 1;
    const traceId = plan.traceEvery > 0 && sent % plan.traceEvery === 0 ? randomBytes(16).toString('hex') : undefined;
    const opens = sent % openEvery === 0;
    sent += 1;
    const end = (outcome: Outcome, sentMs: number) => {
      const endMs = now();
      tally.end({ dueMs: job.dueMs, sentMs, endMs }, person, outcome);
      record(recent, endMs - job.dueMs);
      if (outcome.errorType !== undefined) errors += 1;
      if (traceId) keepSlowest(slowest, { traceId, latencyMs: endMs - job.dueMs, atSeconds: job.dueMs / 1_000 });
      inFlight -= 1;
      ended += 1;
      const next = queue.shift();
      if (next) start(next);
      else if (scheduled && inFlight === 0) finish();
    };
    if (kind.journey) {
      const journey = journeys[kind.journey];
      void journey({ sender, target, kind, asking, person, places: plan.places }).then((outcome) =>
        end(outcome, startedMs),
      );
      return;
    }
    const ask = traced(asking.ask(person), traceId);
    sender.send(target, ask, opens, (reply) => {
      const { oid } = asking.person(person);
      if (opens && reply.status === 200 && oid) tally.open(oidOf(reply.body) === oid);
      end(outcomeOf(reply), reply.sentMs === undefined ? startedMs : reply.sentMs - originMs);
    });
  }

  const ticker = setInterval(() => {
    const [p50Ms, p99Ms] = [50, 99].map((at) => recent.getValueAtPercentile(at) / 1_000);
    recent.reset();
    tell({
      atSeconds: Math.max(0, Math.floor(now() / 1_000)),
      sent,
      errors,
      inFlight,
      p50Ms: p50Ms ?? 0,
      p99Ms: p99Ms ?? 0,
    });
  }, 1_000);
  let number = 0;
  for (const dueMs of dueTimesMs(plan.schedule)) {
    const place = number % order.length;
    const kind = order[place] ?? 0;
    const turn = Math.floor(number / order.length) * (plan.kinds[kind]?.weight ?? 1) + (turnOf[place] ?? 0);
    const { fromSeconds = 0, untilSeconds = 0 } = plan.kinds[kind] ?? {};
    const its = dueMs >= fromSeconds * 1_000 && dueMs < untilSeconds * 1_000;
    const mine = its && number % plan.share.of === plan.share.index;
    number += 1;
    if (!mine) continue;
    // A timer of 0 would be one of 1 ms; what is due by then goes in one turn of the event loop.
    while (dueMs > now()) await delay(1);
    const job = { dueMs, kind, turn };
    if (inFlight < inFlightMost) start(job);
    else queue.push(job);
  }
  scheduled = true;
  if (inFlight > 0) await done;
  clearInterval(ticker);
  const used = process.cpuUsage(began);
  return {
    ...{ requests: ended, sentInTime, slowest },
    cpuSeconds: (used.user + used.system) / 1e6,
    tookSeconds: now() / 1_000,
    lag: encode(lag),
    kinds: kinds.map(({ tally }) => tally.toSeen()),
  };
}

function keepSlowest(slowest: Part['slowest'], one: Part['slowest'][number]): void {
  slowest.push(one);
  slowest.sort((a, b) => b.latencyMs - a.latencyMs);
  slowest.length = Math.min(slowest.length, slowestKept);
}

function traced(ask: Ask, traceId: string | undefined): Ask {
  if (!traceId) return ask;
  return { ...ask, headers: { ...ask.headers, traceparent: `00-${traceId}-${traceId.slice(0, 16)}-01` } };
}

function outcomeOf({ status, error, retryAfterSeconds }: Reply): Outcome {
  if (status === 200) return {};
  const refused = status === 429 || status === 503;
  return { errorType: status === 0 ? error : `${status} ${error}`.trim(), refused, retryAfterSeconds };
}

function never(): never {
  throw new Error('a mix names only kinds that there are');
}
