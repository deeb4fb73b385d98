import { z } from 'zod';
import { benchSchema } from './bench-figures.ts';
import { spanSchema } from './span.ts';

/** Raised when a reader of an older file would misread it. */
const version = 1;

const count = z.int().nonnegative();
const amount = z.number().nonnegative();
/** `null`: nothing was measured in that second, or too few samples lie beyond that percentile to tell it. */
const maybe = amount.nullable();
const verdict = z.enum(['pass', 'fail', 'invalid']);

/** From the intended send to the last byte, in milliseconds. */
const percentiles = { p50Ms: maybe, p90Ms: maybe, p99Ms: maybe, p999Ms: maybe, maxMs: maybe };

/** A condition that decides. `target` is in words, `measured` with its unit. */
const check = z.object({
  name: z.string(),
  target: z.string(),
  measured: z.string(),
  holds: z.boolean(),
  /** It is about time: `--quick` tells it and does not judge it, being too short on too busy a machine. */
  time: z.boolean().optional(),
});

/** Whether the figures may be believed: the generator kept its schedule and was not what was measured. */
const validity = z.object({
  valid: z.boolean(),
  /** One sentence for each rule that is broken. */
  reasons: z.array(z.string()),
  offeredPerSecond: amount,
  achievedPerSecond: amount,
  /** From the intended to the real send. */
  lagP99Ms: amount,
  /** Of one core, at most, over generator processes; `null` where it cannot be seen. */
  generatorCpu: maybe,
  emulatorCpu: maybe,
  /** The part of the time in which something on the machine waited for a processor. */
  cpuPressure: maybe.optional(),
});

/** What was due in one second; requests count where they were due, broker figures where they were read. */
const second = z.object({
  atSeconds: count,
  requests: count,
  errors: count,
  ...percentiles,
  /** Where tokens came from, by the brokers' own metrics. */
  l1: count,
  l2: count,
  entra: count,
  /** Token POSTs at the emulator, the least there must have been, and those it answered 429. */
  calls: count,
  minimumCalls: amount,
  throttled: count,
  /** Tokens bought that another flight had bought already. */
  stampedes: count,
  /** Latencies in microseconds: HDR V2, compressed, base64, two digits; this is what `--merge` adds. */
  histogram: z.string().optional(),
});

/** A band if it has an end, else a mark. */
const event = z.object({
  atSeconds: amount,
  untilSeconds: amount.optional(),
  kind: z.enum(['wave', 'cut', 'frozen', 'restart', 'throttle', 'stampede', 'refresh']),
  label: z.string(),
});

const broker = z.object({
  name: z.string(),
  seconds: z.array(
    z.object({
      atSeconds: count,
      /** Of one core. */
      cpu: maybe,
      eventLoopP99Ms: maybe,
      rssBytes: maybe,
      redisP99Ms: maybe,
    }),
  ),
});

const scenarioRun = z.object({
  name: z.string(),
  /** In one word or two what differs from the other runs of that name, e.g. `with refresh_in`; empty if nothing. */
  variant: z.string(),
  /** Counts from 1 with `--repeat`. */
  repeat: z.int().positive(),
  verdict,
  startedAt: z.iso.datetime(),
  /** Of several generators, which one this was, and when its first request was due, epoch milliseconds. */
  pod: z.object({ index: count, of: z.int().positive(), startAtMs: amount }).optional(),
  durationSeconds: amount,
  load: z.object({
    ratePerSecond: amount,
    users: count,
    /** 0: nobody knows, behind a Service. */
    brokers: count,
    /** What is less than the specification says, e.g. `rate 500 of 2,000`; absent if nothing. */
    scaled: z.string().optional(),
  }),
  /** The line that latencies are held against, where the scenario has one. */
  sloMs: amount.optional(),
  validity,
  checks: z.array(check),
  seconds: z.array(second),
  events: z.array(event),
  brokers: z.array(broker),
  /** Whole run, microseconds, HDR V2, compressed, base64, three digits. Service time begins at the real send. */
  histograms: z.object({ response: z.string(), service: z.string() }),
  /** Latencies of requests whose token all came from one place. */
  levels: z.array(z.object({ level: z.enum(['L1', 'L2', 'wait', 'Entra']), brokers: count, count, ...percentiles })),
  /** By `error.type`: the wire's word with its status, or the transport's code. */
  errors: z.array(z.object({ type: z.string(), count })),
  totals: z.object({
    requests: count,
    errors: count,
    l1: count,
    l2: count,
    entra: count,
    calls: count,
    minimumCalls: amount,
    throttled: count,
    stampedes: count,
    /** Tokens that were opened, and those of them that were another person's. */
    opened: count,
    foreign: count,
    /** Commands at Redis by name, of the run without its preparation. */
    redisCommands: z.record(z.string(), count),
  }),
  /** The slowest of the requests that were traced, slowest first, at most five. */
  slowest: z.array(z.object({ traceId: z.string(), latencyMs: amount, atSeconds: amount, spans: z.array(spanSchema) })),
});

/** What a load test leaves behind, and `--merge`, the report and the documentation read. Holds no secret. */
export const resultSchema = z.object({
  version: z.literal(version),
  verdict,
  context: z.object({
    commit: z.string(),
    /** Whether the working tree held changes. */
    modified: z.boolean(),
    command: z.string(),
    startedAt: z.iso.datetime(),
    seed: z.int(),
    quick: z.boolean(),
    /** `local`, or the origin that was given. */
    target: z.string(),
    generators: z.int().positive(),
    /** By name: node, redis, msal-node … */
    versions: z.record(z.string(), z.string()),
    cpu: z.string(),
    cores: z.int().positive(),
    memoryBytes: amount,
    /** Of 1, 5 and 15 minutes, before the first run. */
    loadAverage: z.tuple([amount, amount, amount]),
  }),
  /** 99th percentile of the open-loop self-test, whose server stalls for a second: at least 800. */
  selfTestP99Ms: amount,
  runs: z.array(scenarioRun),
  bench: benchSchema.optional(),
});

export type Result = z.output<typeof resultSchema>;
export type ScenarioRun = Result['runs'][number];
export type Check = ScenarioRun['checks'][number];
export type Validity = ScenarioRun['validity'];
export type Second = ScenarioRun['seconds'][number];
export type LoadEvent = ScenarioRun['events'][number];
export type BrokerSeries = ScenarioRun['brokers'][number];
export type Verdict = Result['verdict'];

/** The worst of several: invalid figures are none, so they outweigh a failure. */
export function worstOf(verdicts: Verdict[]): Verdict {
  if (verdicts.includes('invalid')) return 'invalid';
  return verdicts.includes('fail') ? 'fail' : 'pass';
}
