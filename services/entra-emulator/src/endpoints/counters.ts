import type { Call } from '../requests/call.ts';
import type { Subject } from './subject.ts';

type Count = { endpoint: string; grant: string; client: string; outcome: string; count: number };
type Remembered = ReturnType<typeof describe>;

/** How many requests `GET /requests` remembers. */
const remembered = 1_000;

/** What was called how often with which outcome, and how much at once: the proof of single flight. */
export type Counters = ReturnType<typeof createCounters>;

export function createCounters(now: () => number) {
  const counts = new Map<string, Count>();
  const running = new Map<string, number>();
  const maxConcurrent = new Map<string, number>();
  const requests: Remembered[] = [];

  return {
    /** Begins one request; the returned function ends it. */
    begin(endpoint: string, subject: Subject, call: Call): (outcome: string) => void {
      const { grant = endpoint, client = '' } = subject;
      const at = now();
      const concurrent = (running.get(grant) ?? 0) + 1;
      running.set(grant, concurrent);
      maxConcurrent.set(grant, Math.max(concurrent, maxConcurrent.get(grant) ?? 0));
      return (outcome) => {
        running.set(grant, (running.get(grant) ?? 1) - 1);
        const key = `${endpoint} ${grant} ${client} ${outcome}`;
        const count = counts.get(key);
        if (count) count.count += 1;
        else counts.set(key, { endpoint, grant, client, outcome, count: 1 });
        // What is remembered must not hold on to the request: that is most of the garbage under load.
        requests.push(describe(at, endpoint, subject, call, outcome));
        if (requests.length > remembered) requests.shift();
      };
    },
    read: () => ({ counts: [...counts.values()], maxConcurrent: Object.fromEntries(maxConcurrent) }),
    clear() {
      counts.clear();
      maxConcurrent.clear();
    },
    /** Requests that began at or after that time, epoch seconds; tokens in them as hashes. */
    since: (seconds: number) => requests.filter(({ at }) => at >= seconds),
  };
}

function describe(at: number, endpoint: string, subject: Subject, { method, headers }: Call, outcome: string) {
  const { grant, client, auth, scopes, claims } = subject;
  const who = { grant, client, auth, user: subject.user()?.upn };
  const what = { scope: scopes.join(' '), claims, tokens: subject.tokens(), traceparent: headers.traceparent };
  return { at, endpoint, method, ...who, ...what, outcome };
}
