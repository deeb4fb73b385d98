import type { Call } from './call.ts';
import type { Subject } from './subject.ts';

type Count = { endpoint: string; grant: string; client: string; outcome: string; count: number };

/** How many requests `GET /requests` remembers. */
const remembered = 1_000;

/** What was called how often with which outcome, and how much at once: the proof of single flight. */
export type Counters = ReturnType<typeof createCounters>;

export function createCounters(now: () => number) {
  const counts = new Map<string, Count>();
  const running = new Map<string, number>();
  const maxConcurrent = new Map<string, number>();
  const requests: Record<string, unknown>[] = [];

  return {
    /** Begins one request; the returned function ends it. */
    begin(endpoint: string, subject: Subject, call: Call): (outcome: string) => void {
      const { grant = endpoint, client = '', auth, user, scopes, claims, tokens } = subject;
      const at = now();
      const concurrent = (running.get(grant) ?? 0) + 1;
      running.set(grant, concurrent);
      maxConcurrent.set(grant, Math.max(concurrent, maxConcurrent.get(grant) ?? 0));
      return (outcome) => {
        running.set(grant, (running.get(grant) ?? 1) - 1);
        const key = JSON.stringify([endpoint, grant, client, outcome]);
        const count = counts.get(key) ?? { endpoint, grant, client, outcome, count: 0 };
        counts.set(key, { ...count, count: count.count + 1 });
        const { traceparent } = call.headers;
        requests.push({
          ...{ at, endpoint, method: call.method, grant: subject.grant, client, auth, user: user?.upn },
          ...{ scope: scopes.join(' '), claims, tokens, traceparent, outcome },
        });
        if (requests.length > remembered) requests.shift();
      };
    },
    read: () => ({ counts: [...counts.values()], maxConcurrent: Object.fromEntries(maxConcurrent) }),
    clear() {
      counts.clear();
      maxConcurrent.clear();
    },
    /** Requests that began at or after that time, epoch seconds. */
    since: (seconds: number) => requests.filter(({ at }) => Number(at) >= seconds),
  };
}
