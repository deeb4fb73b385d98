import { z } from 'zod';
import { scheduleSchema } from './schedule.ts';

const fields = z.record(z.string(), z.string());

/** Who asks: what is theirs in the request, and whose the token must be. Secret: a plan never becomes a file. */
const person = z.strictObject({
  fields: fields.default({}),
  headers: fields.default({}),
  /** Entra's object id; a token opened for them has it. */
  oid: z.string().optional(),
});

/** One sort of request; `weight` is its share of all, in whole numbers. */
const kind = z.strictObject({
  name: z.string(),
  weight: z.int().positive().default(1),
  /** Of the schedule; what is due at other times is not sent. */
  fromSeconds: z.number().nonnegative().default(0),
  untilSeconds: z.number().positive().default(Number.MAX_SAFE_INTEGER),
  /** A form to the token endpoint unless said; a journey is several requests of one person, judged as one. */
  method: z.enum(['GET', 'POST']).default('POST'),
  path: z.string().startsWith('/').default('/oauth2/token'),
  /** Asks once more where a connection went away before the answer, as web-frontend and downstream-api do. */
  asksAgain: z.boolean().default(false),
  journey: z.enum(['sign-in', 'sign-in-and-out']).optional(),
  fields: fields.default({}),
  /** The body, in place of a form; the person must be named in the answer. */
  json: z.string().optional(),
  headers: fields.default({}),
  /** The caller's ServiceAccount token, a file that is renewed; absent: the request needs none. */
  assertionFile: z.string().optional(),
  people: z.array(person).min(1),
  /** Whose origins it goes to, in turn, if not the plan's. */
  targets: z.array(z.url()).optional(),
});

/** What journeys have to know beyond a target. */
const places = z.strictObject({
  authorizeUrl: z.url(),
  clientId: z.string(),
  redirectUri: z.url(),
  scope: z.string(),
});

/** What a generator process is told, on its standard input. */
export const planSchema = z.strictObject({
  targets: z.array(z.url()).min(1),
  schedule: scheduleSchema,
  /** Of all requests it sends those numbered `index`, `index + of`, … */
  share: z.strictObject({ index: z.int().nonnegative(), of: z.int().positive() }).default({ index: 0, of: 1 }),
  kinds: z.array(kind).min(1),
  places: places.optional(),
  /** Every n-th request is traced; 0: none. */
  traceEvery: z.int().nonnegative().default(0),
  /** Connections to each target that stand before the first request is due. */
  connections: z.int().nonnegative().default(8),
});

export type Plan = z.output<typeof planSchema>;
export type PlanInput = z.input<typeof planSchema>;
export type Kind = Plan['kinds'][number];
export type KindInput = PlanInput['kinds'][number];
export type Person = Kind['people'][number];

const count = z.int().nonnegative();

/** What a generator process saw of one kind; histograms as in a result. */
const seen = z.object({
  name: z.string(),
  response: z.string(),
  service: z.string(),
  /** By `error.type`. */
  errors: z.record(z.string(), count),
  /** Failures whose own latencies matter, by `error.type`. */
  errorLatencies: z.record(z.string(), z.string()),
  /** 429 and 503 without `Retry-After`, and 429 whose end moved away while it had not come. */
  withoutRetryAfter: count,
  risingRetryAfter: count,
  opened: count,
  foreign: count,
  askedAgain: count,
  seconds: z.array(z.object({ atSeconds: count, requests: count, errors: count, histogram: z.string() })),
  /** Seconds since the start, of each success that came right after a failure; the first 1,000. */
  firstSuccessAfterErrorSeconds: z.array(z.number()),
});

/** What a generator process says last. */
export const partSchema = z.object({
  requests: count,
  /** Those sent before the schedule was over, give or take a turn of the event loop. */
  sentInTime: count,
  cpuSeconds: z.number(),
  tookSeconds: z.number(),
  lag: z.string(),
  kinds: z.array(seen),
  slowest: z.array(z.object({ traceId: z.string(), latencyMs: z.number(), atSeconds: z.number() })),
});

export type Part = z.output<typeof partSchema>;
export type Seen = Part['kinds'][number];

/** A line of progress, once a second. */
export const progressSchema = z.object({
  atSeconds: count,
  sent: count,
  errors: count,
  inFlight: count,
  p50Ms: z.number(),
  p99Ms: z.number(),
});

export type Progress = z.output<typeof progressSchema>;
export const lineSchema = z.union([
  z.object({ ready: z.literal(true) }),
  z.object({ progress: progressSchema }),
  z.object({ part: partSchema }),
]);

/** The second thing a generator is told, when all are ready: epoch milliseconds of the first request. */
export const startSchema = z.strictObject({ startAtMs: z.number() });
