import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import type { System } from '../kit/system/system.ts';

export type Flood = { sent(): number; answers: Map<string, number>; stop(): Promise<void> };

const formType = { 'content-type': 'application/x-www-form-urlencoded' };
const senders = 4;
const pauseMs = 10;
const withinMs = 5_000;

const random = (bytes: number) => randomBytes(bytes).toString('base64url');
const any = (n: number) => Math.floor(Math.random() * n);
const jwt = () => `eyJ${random(60)}.eyJ${random(300)}.${random(256)}`;

type Garbage = { path: string; method?: string; headers?: Record<string, string>; body?: string | Buffer };

/** What nobody should ever send, to each service by its own front door. */
const garbage: Record<'web' | 'broker' | 'api', (() => Garbage)[]> = {
  web: [
    () => ({ path: `/${random(40)}` }),
    () => ({ path: '/', headers: { cookie: `__Host-Http-session=${random(2_000)}` } }),
    () => ({ path: `/auth/callback?code=${random(600)}&state=${random(9)}.${random(30)}` }),
    () => ({ path: `/sign-in?return_to=//${random(500)}&claims=${random(3_000)}` }),
    () => ({ path: `/auth/front-channel-logout?sid=${random(100)}` }),
    () => ({
      path: '/sign-out',
      method: 'POST',
      headers: { ...formType, 'sec-fetch-site': 'same-origin' },
      body: random(12_000),
    }),
    () => ({ path: `/api/downstream-api/${random(200)}`, headers: { 'x-csrf': '1', 'sec-fetch-site': 'same-origin' } }),
  ],
  broker: [
    () => ({ path: '/oauth2/token', method: 'POST', headers: formType, body: randomBytes(any(60_000)) }),
    () => ({
      path: '/oauth2/token',
      method: 'POST',
      headers: formType,
      body: `client_assertion=${jwt()}&grant_type=${random(20)}`,
    }),
    () => ({
      path: '/oauth2/introspect',
      method: 'POST',
      headers: formType,
      body: `token=${random(100)}&client_assertion=${jwt()}`,
    }),
    () => ({
      path: '/oauth2/token',
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '['.repeat(50_000),
    }),
    () => ({
      path: '/sessions/end',
      method: 'POST',
      headers: formType,
      body: `${random(6)}=${random(6)}&`.repeat(3_000),
    }),
  ],
  api: [
    () => ({ path: '/whoami', headers: { authorization: `Bearer ${jwt()}` } }),
    () => ({ path: '/whoami', headers: { authorization: random(5_000), traceparent: random(50) } }),
    () => ({ path: `/graph/me?access_token=${jwt()}` }),
    () => ({ path: '/reports', method: 'POST', headers: formType, body: `access_token=${jwt()}` }),
  ],
};

/** Sends garbage at every service, by HTTP and as bare bytes, until told to stop. */
export function flood(system: System): Flood {
  const agent = new Agent({ keepAlive: true, maxSockets: 2 * senders });
  const answers = new Map<string, number>();
  const stopping = new AbortController();
  let sent = 0;
  const count = (what: string) => answers.set(what, (answers.get(what) ?? 0) + 1);

  async function send(origin: string, { path, method = 'GET', headers = {}, body }: Garbage): Promise<void> {
    const outgoing = request(`${origin}${path}`, { method, agent, headers, signal: AbortSignal.timeout(withinMs) });
    const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
    outgoing.end(body);
    const [answer] = await answered;
    answer.resume();
    await once(answer, 'end');
    count(`${answer.statusCode}`);
  }

  async function bare(origin: string): Promise<void> {
    const { hostname, port } = new URL(origin);
    const socket = connect(Number(port), hostname).on('error', () => {});
    socket.setTimeout(withinMs, () => socket.destroy());
    socket.end(
      any(2)
        ? randomBytes(any(9_000))
        : `GET / HTTP/1.1\r\nHost: a\r\n${`${random(9)}: ${random(99)}\r\n`.repeat(300)}\r\n`,
    );
    socket.resume();
    await once(socket, 'close');
    count('bare');
  }

  async function sendForEver(origin: string, kinds: (() => Garbage)[]): Promise<void> {
    while (!stopping.signal.aborted) {
      sent += 1;
      const kind = kinds[sent % (kinds.length + 1)];
      await (kind ? send(origin, kind()) : bare(origin)).catch(() => count('cut'));
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
  const running = (['web', 'broker', 'api'] as const).flatMap((service) =>
    Array.from({ length: senders }, () => sendForEver(system[service], garbage[service])),
  );
  return {
    sent: () => sent,
    answers,
    async stop() {
      stopping.abort();
      await Promise.all(running);
      agent.destroy();
    },
  };
}
