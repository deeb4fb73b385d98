import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { System } from '../kit/system/system.ts';
import { type Person, sessionCookie } from './people.ts';

/** What people do: read a page, ask as a script, call an API, have it call the next, look in as a guest. */
type Kind = 'page' | 'session' | 'call' | 'on behalf' | 'guest';
type Asking = { path: string; headers: Record<string, string>; tells?: (body: string) => (string | undefined)[] };

/** One request and what came of it. `refused`: 503 or 429 with `Retry-After`; any other answer but the right one is `lost`. */
export type Sample = {
  kind: Kind;
  atMs: number;
  ms: number;
  outcome: 'served' | 'refused' | 'lost';
  /** The status, or why there is none. */
  why: string;
  /** The session cookie was taken away, or the person is sent to sign in. */
  signedOut: boolean;
  /** The answer is about somebody else. */
  foreign: boolean;
};

export type Load = {
  samples: Sample[];
  /** Asks one thing of somebody's, apart from the steady rate. */
  ask(kind: Kind, person: Person): Promise<Sample>;
  /** Stops sending and waits for what is under way. */
  stop(): Promise<void>;
};

const kinds: Kind[] = ['session', 'call', 'page', 'on behalf', 'guest', 'call', 'page', 'session', 'call', 'page'];
const tickMs = 10;
const answerWithinMs = 12_000;

const script = { accept: 'application/json', 'x-csrf': '1', 'sec-fetch-site': 'same-origin' };
const reader = { accept: 'text/html', 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' };
const json = (body: string) => JSON.parse(body) as Record<string, string>;

/** Who an answer says it is about stands in the answer, by two names where it has two. */
const askings: Record<Kind, Asking> = {
  page: { path: '/', headers: reader, tells: (body) => [/signed in as <strong>([^<]+)</.exec(body)?.[1]] },
  session: {
    path: '/session',
    headers: script,
    tells: (body) => {
      const { person } = JSON.parse(body) as { person: Record<string, string> };
      return [person.username, person.oid];
    },
  },
  call: {
    path: '/api/downstream-api/whoami',
    headers: script,
    tells: (body) => [json(body).username, json(body).object_id],
  },
  'on behalf': {
    path: '/api/downstream-api/graph/me',
    headers: script,
    tells: (body) => [json(body).userPrincipalName],
  },
  guest: { path: '/', headers: reader },
};

/** Sends at a steady rate, whatever comes back, everybody in turn and every kind in turn; keeps every outcome. */
export function steadyLoad(system: System, people: readonly Person[], perSecond: number): Load {
  const agent = new Agent({ keepAlive: true });
  const samples: Sample[] = [];
  const running = new Set<Promise<unknown>>();
  const startedMs = performance.now();
  let sent = 0;

  async function ask(kind: Kind, person: Person): Promise<Sample> {
    const atMs = performance.now();
    const { path, headers } = askings[kind];
    const cookie: Record<string, string> = kind === 'guest' ? {} : { cookie: person.cookie };
    const sample = { kind, atMs };
    try {
      const signal = AbortSignal.timeout(answerWithinMs);
      const sending = request(`${system.web}${path}`, { agent, signal, headers: { ...headers, ...cookie } }).end();
      const [answer] = (await once(sending, 'response')) as [IncomingMessage];
      const body = await text(answer);
      return { ...sample, ms: performance.now() - atMs, ...judge(kind, person, answer, body) };
    } catch (error) {
      const why = String((error as NodeJS.ErrnoException).code ?? error);
      return { ...sample, ms: performance.now() - atMs, outcome: 'lost', why, signedOut: false, foreign: false };
    }
  }

  const timer = setInterval(() => {
    for (const due = ((performance.now() - startedMs) * perSecond) / 1_000; sent < due; sent += 1) {
      const [kind, person] = [kinds[sent % kinds.length], people[sent % people.length]];
      if (!kind || !person) throw new Error('there is nobody to ask for');
      const asked: Promise<unknown> = ask(kind, person).then((sample) => {
        samples.push(sample);
        running.delete(asked);
      });
      running.add(asked);
    }
  }, tickMs);
  return {
    samples,
    ask,
    async stop() {
      clearInterval(timer);
      await Promise.all(running);
      agent.destroy();
    },
  };
}

function judge(kind: Kind, person: Person, { statusCode = 0, headers }: IncomingMessage, body: string) {
  const later = (statusCode === 503 || statusCode === 429) && Number(headers['retry-after']) >= 1;
  const told = statusCode === 200 ? askings[kind].tells?.(body) : undefined;
  const [name, oid = person.oid] = told ?? [];
  const nobody = told !== undefined && name === undefined;
  const cleared = (headers['set-cookie'] ?? []).some((each) => each.startsWith(`${sessionCookie}=;`));
  const sentAway = (statusCode >= 300 && statusCode < 400) || /"sign_in":/.test(body);
  return {
    outcome: statusCode === 200 && !nobody ? ('served' as const) : later ? ('refused' as const) : ('lost' as const),
    why: `${statusCode}`,
    signedOut: nobody || cleared || sentAway,
    foreign: told !== undefined && !nobody && (name !== person.username || oid !== person.oid),
  };
}
