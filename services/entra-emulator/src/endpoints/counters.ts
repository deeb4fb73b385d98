import type { Call } from '../requests/call.ts';
import type { Subject } from './subject.ts';

type Count = { endpoint: string; grant: string; client: string; outcome: string; count: number };
type LoggedRequest = ReturnType<typeof describe>;

/** How many requests `GET /requests` remembers. */
const maxRequests = 1_000;

/** Counts calls by endpoint, grant, client and outcome, and how many ran at once: the proof of single flight. */
export class Counters {
  readonly #now: () => number;
  readonly #counts = new Map<string, Count>();
  readonly #running = new Map<string, number>();
  readonly #maxConcurrent = new Map<string, number>();
  readonly #requests: LoggedRequest[] = [];

  /** @param now epoch seconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Begins one request; the returned function ends it. */
  begin(endpoint: string, subject: Subject, call: Call): (outcome: string) => void {
    const { grant = endpoint } = subject;
    const at = this.#now();
    const concurrent = (this.#running.get(grant) ?? 0) + 1;
    this.#running.set(grant, concurrent);
    this.#maxConcurrent.set(grant, Math.max(concurrent, this.#maxConcurrent.get(grant) ?? 0));
    return (outcome) => {
      this.#running.set(grant, (this.#running.get(grant) ?? 1) - 1);
      this.#count(endpoint, subject, outcome);
      // The log must not keep the request alive: that would be most of the garbage under load.
      this.#requests.push(describe(at, endpoint, subject, call, outcome));
      if (this.#requests.length > maxRequests) this.#requests.shift();
    };
  }

  #count(endpoint: string, { grant = endpoint, client = '' }: Subject, outcome: string): void {
    const key = `${endpoint} ${grant} ${client} ${outcome}`;
    const count = this.#counts.get(key);
    if (count) count.count += 1;
    else this.#counts.set(key, { endpoint, grant, client, outcome, count: 1 });
  }

  read(): { counts: Count[]; maxConcurrent: Record<string, number> } {
    return { counts: [...this.#counts.values()], maxConcurrent: Object.fromEntries(this.#maxConcurrent) };
  }

  clear(): void {
    this.#counts.clear();
    this.#maxConcurrent.clear();
  }

  /** Requests that began at or after that time, epoch seconds; tokens in them as hashes. */
  since(seconds: number): LoggedRequest[] {
    return this.#requests.filter(({ at }) => at >= seconds);
  }
}

function describe(at: number, endpoint: string, subject: Subject, { method, headers }: Call, outcome: string) {
  const { grant, client, auth, scopes, claims } = subject;
  const caller = { grant, client, auth, user: subject.user()?.upn };
  const request = { scope: scopes.join(' '), claims, tokens: subject.tokens(), traceparent: headers.traceparent };
  return { at, endpoint, method, ...caller, ...request, outcome };
}
