import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { seeded } from '@onbehalf/chassis/life/random';
import { z } from 'zod';
import type { User } from '../directory/seed.ts';
import { Refusal } from '../requests/aadsts.ts';
import { type Answer, type Call, refuse } from '../requests/call.ts';
import type { Subject } from './subject.ts';

const text = z.string().min(1);
const milliseconds = z.number().nonnegative();

const effectSchema = z.union([
  z.strictObject({ status: z.int().min(200).max(599), retryAfter: z.int().optional(), body: z.unknown().optional() }),
  z.strictObject({
    aadsts: z.int(),
    error: text.optional(),
    suberror: text.nullable().optional(),
    claims: text.optional(),
    retryAfter: z.int().optional(),
  }),
  z.strictObject({ abort: z.enum(['before', 'after', 'mid-body']) }),
]);

/** What to spoil and how; without `then` it is latency alone. */
export const faultSchema = z.strictObject({
  match: z.strictObject({ path: text, grant: text, client: text, user: text, scope: text }).partial().default({}),
  /** The share of matching requests it takes, by a seeded generator. */
  rate: z.number().min(0).max(1).default(1),
  /** Matching requests that pass first. */
  skip: z.int().nonnegative().default(0),
  /** How many it takes before it is spent. */
  count: z.int().positive().optional(),
  delayMs: milliseconds.default(0),
  jitterMs: milliseconds.default(0),
  then: effectSchema.optional(),
});

type Fault = z.output<typeof faultSchema>;
type Armed = Fault & { seen: number; hits: number; random: () => number };
type Outcome = { answer: Answer | undefined; outcome: string };

/** Entra's own answer when it throttles is no JSON. */
const throttled: Answer = {
  status: 429,
  headers: { 'Content-Type': 'text/plain', 'Retry-After': '60' },
  body: 'Too Many Requests',
};

/** Scripted trouble in front of the protocol, which knows nothing of it. */
export type Faults = ReturnType<typeof createFaults>;

export function createFaults({ origin, signal }: { origin: string; signal: AbortSignal }) {
  let armed: Armed[] = [];

  /** The first fault that matches and still has something to do. */
  const take = (call: Call, subject: Subject): Armed | undefined =>
    armed.find((fault) => {
      if (!matches(fault.match, call, subject) || fault.hits >= (fault.count ?? Number.POSITIVE_INFINITY)) return false;
      fault.seen += 1;
      if (fault.seen <= fault.skip || fault.random() >= fault.rate) return false;
      fault.hits += 1;
      return true;
    });

  return {
    set(faults: Fault[]) {
      armed = faults.map((fault, index) => ({ ...fault, seen: 0, hits: 0, random: seeded(index + 1) }));
    },
    list: () => armed.map(({ random: _, seen: __, ...fault }) => fault),
    /** Answers a call through the fault that takes it, if one does; no answer means the connection is cut. */
    async around(call: Call, subject: Subject, res: ServerResponse, work: () => Promise<Answer>): Promise<Outcome> {
      const fault = take(call, subject);
      if (!fault) return through(await work());
      const { delayMs, jitterMs, then } = fault;
      // Closing the emulator does not wait for a fault's sleep.
      if (delayMs + jitterMs > 0)
        await delay(delayMs + fault.random() * jitterMs, undefined, { signal }).catch(() => {});
      if (!then) return through(await work());
      if ('abort' in then) {
        if (then.abort === 'before') return { answer: undefined, outcome: 'fault' };
        const { status, headers = {}, body = '' } = await work();
        if (then.abort === 'mid-body') {
          res.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) });
          await new Promise<void>((written) => res.write(body.slice(0, body.length / 2), () => written()));
        }
        return { answer: undefined, outcome: 'fault' };
      }
      if ('aadsts' in then) {
        const { aadsts, retryAfter: retryAfterSeconds, ...members } = then;
        return {
          answer: refuse(new Refusal(aadsts, {}, { ...members, retryAfterSeconds }), call.ids, origin),
          outcome: 'fault',
        };
      }
      return { answer: plain(then), outcome: 'fault' };
    },
  };
}

function through(answer: Answer): Outcome {
  return { answer, outcome: answer.outcome ?? (answer.status < 400 ? 'ok' : String(answer.status)) };
}

function plain({
  status,
  retryAfter,
  body,
}: {
  status: number;
  retryAfter?: number | undefined;
  body?: unknown;
}): Answer {
  if (status === 429 && body === undefined) {
    return { ...throttled, headers: { ...throttled.headers, 'Retry-After': String(retryAfter ?? 60) } };
  }
  const isText = typeof body === 'string' || body === undefined;
  const headers = {
    'Content-Type': isText ? 'text/plain' : 'application/json',
    ...(retryAfter !== undefined && { 'Retry-After': String(retryAfter) }),
  };
  return { status, headers, body: isText ? (body ?? '') : JSON.stringify(body) };
}

function matches({ path, grant, client, user, scope }: Fault['match'], call: Call, subject: Subject): boolean {
  return (
    (path === undefined || call.path.includes(path)) &&
    (grant === undefined || grant === subject.grant || grant === call.form.get('grant_type')) &&
    (client === undefined || subject.clientIds.includes(client)) &&
    (user === undefined || isNamed(subject.user(), user)) &&
    (scope === undefined || subject.scopes.includes(scope))
  );
}

function isNamed(user: User | undefined, name: string): boolean {
  return user !== undefined && [user.upn, user.oid].includes(name);
}
