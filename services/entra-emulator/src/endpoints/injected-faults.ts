import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { seeded } from '@onbehalf/chassis/life/random';
import { z } from 'zod';
import type { User } from '../directory/seed.ts';
import { Refusal } from '../requests/aadsts.ts';
import { type Call, type HttpResponse, refuse } from '../requests/call.ts';
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

/** Which requests fail, and how; without `then` they are only late. */
export const injectedFaultSchema = z.strictObject({
  match: z.strictObject({ path: text, grant: text, client: text, user: text, scope: text }).partial().default({}),
  /** The share of matching requests that fail, by a seeded generator. */
  rate: z.number().min(0).max(1).default(1),
  /** Matching requests that pass first. */
  skip: z.int().nonnegative().default(0),
  /** How many requests fail before the fault is used up. */
  count: z.int().positive().optional(),
  delayMs: milliseconds.default(0),
  jitterMs: milliseconds.default(0),
  then: effectSchema.optional(),
});

type InjectedFault = z.output<typeof injectedFaultSchema>;
type Armed = InjectedFault & { seen: number; hits: number; random: () => number };
type Effect = z.output<typeof effectSchema>;
/** No response means that the connection is cut. */
type Outcome = { response: HttpResponse | undefined; outcome: string };
type Work = () => Promise<HttpResponse>;

/** Entra's own response when it throttles is no JSON. */
const throttled: HttpResponse = {
  status: 429,
  headers: { 'Content-Type': 'text/plain', 'Retry-After': '60' },
  body: 'Too Many Requests',
};

/** Scripted failures, in front of the protocol, which does not know them. */
export class InjectedFaults {
  readonly #origin: string;
  readonly #signal: AbortSignal;
  #armed: Armed[] = [];

  constructor({ origin, signal }: { origin: string; signal: AbortSignal }) {
    this.#origin = origin;
    this.#signal = signal;
  }

  set(faults: InjectedFault[]): void {
    this.#armed = faults.map((fault, index) => arm(fault, index + 1));
  }

  /** One more, which goes before the others. Gives how often it has hit; disposing it takes it away. @throws ZodError. */
  add(fault: z.input<typeof injectedFaultSchema>): Disposable & { readonly hits: number } {
    const armed = arm(injectedFaultSchema.parse(fault), this.#armed.length + 1);
    this.#armed.unshift(armed);
    return {
      get hits() {
        return armed.hits;
      },
      [Symbol.dispose]: () => {
        this.#armed = this.#armed.filter((each) => each !== armed);
      },
    };
  }

  list(): (InjectedFault & { hits: number })[] {
    return this.#armed.map(({ random: _, seen: __, ...fault }) => fault);
  }

  /** Runs the work through the first fault that takes the call, if one does. */
  async around(call: Call, subject: Subject, res: ServerResponse, work: Work): Promise<Outcome> {
    const fault = this.#armed.find((each) => takes(each, call, subject));
    if (!fault) return pass(await work());
    await this.#delay(fault);
    if (!fault.then) return pass(await work());
    return { response: await this.#fail(fault.then, call, res, work), outcome: 'fault' };
  }

  async #delay({ delayMs, jitterMs, random }: Armed): Promise<void> {
    if (delayMs + jitterMs === 0) return;
    // Closing the emulator does not wait for it.
    await delay(delayMs + random() * jitterMs, undefined, { signal: this.#signal }).catch(() => {});
  }

  async #fail(effect: Effect, call: Call, res: ServerResponse, work: Work): Promise<HttpResponse | undefined> {
    if ('abort' in effect) return abort(effect.abort, res, work);
    if (!('aadsts' in effect)) return respondWith(effect);
    const { aadsts, retryAfter: retryAfterSeconds, ...members } = effect;
    return refuse(new Refusal(aadsts, {}, { ...members, retryAfterSeconds }), call.ids, this.#origin);
  }
}

function arm(fault: InjectedFault, seed: number): Armed {
  return { ...fault, seen: 0, hits: 0, random: seeded(seed) };
}

/** Whether a fault matches and is not used up; counts the call. */
function takes(fault: Armed, call: Call, subject: Subject): boolean {
  if (!matches(fault.match, call, subject) || fault.hits >= (fault.count ?? Number.POSITIVE_INFINITY)) return false;
  fault.seen += 1;
  if (fault.seen <= fault.skip || fault.random() >= fault.rate) return false;
  fault.hits += 1;
  return true;
}

/** Loses the response: before the work, after it, or halfway through the body. */
async function abort(when: 'before' | 'after' | 'mid-body', res: ServerResponse, work: Work): Promise<undefined> {
  if (when === 'before') return;
  const { status, headers = {}, body = '' } = await work();
  if (when === 'after') return;
  res.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) });
  await new Promise<void>((written) => res.write(body.slice(0, body.length / 2), () => written()));
}

function pass(response: HttpResponse): Outcome {
  return { response, outcome: response.outcome ?? (response.status < 400 ? 'ok' : String(response.status)) };
}

function respondWith({
  status,
  retryAfter,
  body,
}: {
  status: number;
  retryAfter?: number | undefined;
  body?: unknown;
}): HttpResponse {
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

function matches({ path, grant, client, user, scope }: InjectedFault['match'], call: Call, subject: Subject): boolean {
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
