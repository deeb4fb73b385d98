import { setTimeout as delay } from 'node:timers/promises';
import { createHistogram } from '../results/histogram.ts';
import { mix, turns } from './mix.ts';
import type { Part, Plan, Progress } from './plan.ts';
import { dueTimesMs } from './schedule.ts';
import { type Reply, Sender } from './sender.ts';
import { type Job, Sending } from './sending.ts';

/** Over so many in flight, requests queue here and their latency grows: nothing is dropped. */
const inFlightMost = 4_096;
/** Of each kind. */
const rehearsals = 3_000;

/**
 * Sends what the plan says when it says so, whatever the answers do: an open loop. Latency is from when a request was
 * due; errors count with theirs. `begin` is called when all connections stand and gives the start, epoch milliseconds.
 */
export async function generate(
  plan: Plan,
  begin: () => Promise<number>,
  tell: (progress: Progress) => void,
): Promise<Part> {
  await using sender = new Sender();
  const origins = new Set(plan.kinds.flatMap(({ targets }) => targets ?? plan.targets));
  await sender.connect([...origins], plan.connections);
  rehearse(plan);
  const startAtMs = await begin();
  await delay(Math.max(0, startAtMs - Date.now()));
  const originMs = performance.now() + (startAtMs - Date.now());
  const now = () => performance.now() - originMs;
  const began = process.cpuUsage();

  const recent = createHistogram(2);
  const sending = new Sending(plan, { sender, originMs, recent });
  const queue: Job[] = [];
  sending.onEnd(() => {
    const next = queue.shift();
    if (next) sending.start(next);
  });
  const ticker = setInterval(() => {
    const [p50Ms = 0, p99Ms = 0] = [50, 99].map((at) => recent.getValueAtPercentile(at) / 1_000);
    recent.reset();
    tell({ atSeconds: Math.max(0, Math.floor(now() / 1_000)), ...sending.counts(), p50Ms, p99Ms });
  }, 1_000);
  for (const job of jobsOf(plan)) {
    // A timer of 0 would be one of 1 ms; what is due by then goes in one turn of the event loop.
    while (job.dueMs > now()) await delay(1);
    if (sending.counts().inFlight < inFlightMost) sending.start(job);
    else queue.push(job);
  }
  await sending.allEnded();
  clearInterval(ticker);
  const used = process.cpuUsage(began);
  return { ...sending.seen(), cpuSeconds: (used.user + used.system) / 1e6, tookSeconds: now() / 1_000 };
}

/** Sends to nobody until this code is compiled and its memory grown: a short burst must not wait for that. */
function rehearse(plan: Plan): void {
  const answer: Reply = {
    ...{ status: 200, error: '', headers: {}, body: '' },
    retryAfterSeconds: undefined,
    sentMs: 0,
  };
  const sender = {
    send: (...[, , , end]: Parameters<Sender['send']>) => end(answer),
    ask: async () => answer,
  };
  const sending = new Sending(plan, { sender, originMs: performance.now(), recent: createHistogram(2) });
  const kinds = plan.kinds.flatMap(({ journey }, kind) => (journey ? [] : [kind]));
  for (const kind of kinds) for (let turn = 0; turn < rehearsals; turn += 1) sending.start({ dueMs: 0, kind, turn });
}

/** The requests of this generator's share in order, each with its kind and its turn among that kind's. */
function* jobsOf({ schedule, kinds, share }: Plan): Generator<Job> {
  const order = mix(kinds.map(({ weight }) => weight));
  const turnOf = turns(order);
  let number = 0;
  for (const dueMs of dueTimesMs(schedule)) {
    const place = number % order.length;
    const kind = order[place] ?? 0;
    const { weight = 1, fromSeconds = 0, untilSeconds = 0 } = kinds[kind] ?? {};
    const turn = Math.floor(number / order.length) * weight + (turnOf[place] ?? 0);
    const its = dueMs >= fromSeconds * 1_000 && dueMs < untilSeconds * 1_000;
    if (its && number % share.of === share.index) yield { dueMs, kind, turn };
    number += 1;
  }
}
