import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { type Socket, SocketAddress } from 'node:net';
import { addAbortSignal, Writable } from 'node:stream';
import { RateLimit } from '@onbehalf/node/core/network/rate-limit';
import { newTraceId } from '@onbehalf/node/core/telemetry/trace-context';
import { createClientAddress } from '@onbehalf/node/web/network/client-network';
import { cookiesOf, refuseDoubledCookies } from '@onbehalf/node/web/session/cookies';
import { LRUCache } from 'lru-cache';
import { median } from '../../services/load-generator/src/results/statistics.ts';
import type { Client } from '../../services/token-broker/src/clients/clients.ts';
import { Assertions, readAssertion } from '../../services/token-broker/src/grants/assertions.ts';
import { JsonText } from '../../services/token-broker/src/http/endpoint.ts';
import { createRedisKeys, sha256 } from '../../services/token-broker/src/store/redis-keys.ts';

/** Something that only makes a hit faster: the code as it is, and the code that would do without it. */
type Trick = { name: string; withIt: () => unknown; without: () => unknown };

export type AblationRow = { name: string; withUs: number; withoutUs: number; savesUs: number; pays: boolean };

/** A hit takes some 50 us: what saves less than a fiftieth of it is not worth its lines. */
const leastUs = 1;
const calls = 20_000;

const nowSeconds = Math.floor(Date.now() / 1_000);
const client = {
  ...{ name: 'api', clientId: randomUUID(), tenantId: randomUUID(), grants: [] },
  scopes: ['https://graph.microsoft.com/User.Read', 'https://graph.microsoft.com/Mail.Read'],
} as unknown as Client;
const claims = { aud: client.clientId, tid: client.tenantId, oid: randomUUID(), scp: 'access_as_user' };
const payload = { ...claims, iat: nowSeconds, exp: nowSeconds + 3_600, more: 'm'.repeat(900) };
const assertion = `eyJhbGciOiJSUzI1NiJ9.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.${'y'.repeat(342)}`;
/** Each request brings its texts anew, cut from its body. */
const body = Buffer.from(`grant_type=x&assertion=${assertion}`);
const cut = (name: string) => {
  const text = body.toString('latin1');
  const from = text.indexOf(`${name}=`) + name.length + 1;
  const end = text.indexOf('&', from);
  return text.slice(from, end < 0 ? undefined : end);
};
const redisKeys = createRedisKeys(createSecretKey(randomBytes(32)), 'bench:');
/** A session's cookie, and two of an app. */
const cookie = `__Host-Http-session=${'e'.repeat(600)}; theme=dark; _ga=GA1.1.123456789.1700000000`;
const clientOf = createClientAddress([], { info() {}, warn() {}, error() {} });
const accessToken = `eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.${'x'.repeat(1_700)}.${'y'.repeat(342)}`;

const socketBuffer = Buffer.alloc(8_192);
/** As node:http writes it: behind its head, in one text. */
function write(json: JsonText): number {
  const text = `HTTP/1.1 200 OK\r\nContent-Length: ${json.bytes}\r\n\r\n${json.text}`;
  return socketBuffer.write(text, json.isAscii ? 'latin1' : 'utf8');
}

function busyName(): Trick {
  const limit = new RateLimit({ perSecond: 1_000_000, burst: 1_000_000 });
  const dues = new Map<string, number>();
  for (let n = 0; n < 5_000; n += 1) {
    limit.take(`session ${n}`);
    dues.set(`session ${n}`, 0);
  }
  return {
    name: 'a busy name among 5,000 stays where it is',
    withIt: () => limit.take('session 0'),
    without: () => {
      const due = dues.get('session 0') ?? 0;
      dues.delete('session 0');
      dues.set('session 0', due);
    },
  };
}

function tricks(): Trick[] {
  const assertions = new Assertions({ redisKeys, nowMs: Date.now });
  const [byDigest, byText] = [
    new LRUCache<string, object>({ max: 1_000 }),
    new LRUCache<string, object>({ max: 1_000 }),
  ];
  byDigest.set(sha256(assertion), {});
  byText.set(assertion, {});
  return [
    {
      name: 'an assertion is parsed and hashed once',
      withIt: () => assertions.parse(client, cut('assertion')),
      without: () => readAssertion(redisKeys, client, cut('assertion')),
    },
    {
      name: 'a verified client assertion is found by digest',
      withIt: () => byDigest.get(sha256(cut('assertion'))),
      without: () => byText.get(cut('assertion')),
    },
    {
      name: 'a token of plain ASCII is neither escaped nor counted',
      withIt: () => write(new JsonText(`{"access_token":"${accessToken}"}`, true)),
      without: () => write(new JsonText(`{"access_token":${JSON.stringify(accessToken)}}`, false)),
    },
    {
      name: 'cookies are parsed once for three questions',
      withIt: () => {
        const req = { headers: { cookie } };
        refuseDoubledCookies(req);
        return [cookiesOf(req), cookiesOf(req)];
      },
      without: () => {
        refuseDoubledCookies({ headers: { cookie } });
        return [cookiesOf({ headers: { cookie } }), cookiesOf({ headers: { cookie } })];
      },
    },
    {
      name: "a client's address is read once",
      withIt: () => clientOf({ headers: {}, socket: { remoteAddress: '::ffff:10.1.2.3' } as Socket }),
      without: () => new SocketAddress({ address: '::ffff:10.1.2.3', family: 'ipv6' }).address,
    },
    {
      name: 'a response ends its request without a signal',
      withIt: () => new Writable().once('close', () => undefined),
      without: () => addAbortSignal(new AbortController().signal, new Writable()),
    },
    busyName(),
    {
      name: 'trace ids are drawn many at a time',
      withIt: () => newTraceId(),
      without: () => randomBytes(16).toString('hex'),
    },
  ];
}

/** Measures what each trick saves a call, by turns, in microseconds of CPU. */
export function ablate(rounds: number): AblationRow[] {
  return tricks().map(({ name, withIt, without }) => {
    const [had, lacked]: [number[], number[]] = [[], []];
    for (let round = 0; round <= rounds; round += 1) {
      const [one, other] = [costUs(withIt), costUs(without)];
      // The first round is the compiler's.
      if (round > 0) had.push(one);
      if (round > 0) lacked.push(other);
    }
    const savesUs = median(lacked.map((value, i) => value - (had[i] ?? 0)));
    return { name, withUs: median(had), withoutUs: median(lacked), savesUs, pays: savesUs >= leastUs };
  });
}

export function describeAblation({ name, withUs, withoutUs, savesUs, pays }: AblationRow): string {
  const figures = `${withUs.toFixed(2)} instead of ${withoutUs.toFixed(2)} us`;
  return `${pays ? 'pays  ' : 'WASTES'} ${name.padEnd(50)} ${figures.padEnd(28)} saves ${savesUs.toFixed(2)} us`;
}

function costUs(call: () => unknown): number {
  const began = process.cpuUsage();
  for (let n = 0; n < calls; n += 1) call();
  const used = process.cpuUsage(began);
  return (used.user + used.system) / calls;
}
