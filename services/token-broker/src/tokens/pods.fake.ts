import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { seeded } from '@onbehalf/chassis/life/random';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { Fault } from '@onbehalf/node/core/fault';
import { faultOf } from '@onbehalf/node/core/fault.fake';
import { grantTypes } from '@onbehalf/node/core/oauth';
import type { Client } from '../clients/clients.ts';
import { fakeEntra } from '../entra/entra.fake.ts';
import { Broker } from '../grants/broker.ts';
import type { Session } from '../sessions/record.ts';
import { Sessions } from '../sessions/sessions.ts';
import { Tombstones } from '../sessions/tombstone.ts';
import { createL1 } from '../store/memory-cache.ts';
import { createRedisKeys } from '../store/redis-keys.ts';
import { createSealing } from '../store/sealing.ts';
import { watchedStore } from '../store/store.fake.ts';
import { Refusals } from './refusals.ts';
import type { TokenRecord } from './token.ts';
import { Tokens } from './tokens.ts';

export const tenantId = randomUUID();
export const readScope = 'api://api/read';
export const writeScope = 'api://api/write';
export const appScope = 'api://api/.default';

function client(name: string): Client {
  return {
    ...{ name, tenantId, clientId: randomUUID(), subjects: [], credentials: [{ type: 'federated' }] },
    ...{ grants: Object.values(grantTypes), scopes: [readScope, writeScope, appScope] },
    ...{ redirectUris: ['https://app.test/callback'], permissions: ['operator'] },
  };
}
/** The agents of the client `api`; the second is another client's too. */
export const agents = [randomUUID(), randomUUID()] as const;
/** How long a process of `web` lives; `nightly` may have one, `otherWeb` may not. */
export const processLifeSeconds = 7 * 86_400;
export const nightly = client('nightly');
export const web = { ...client('web'), processes: { clients: ['nightly', 'web'], lifeSeconds: processLifeSeconds } };
export const otherWeb = client('other-web');
export const api = { ...client('api'), agents: [...agents] };
export const otherApi = { ...client('other-api'), agents: [agents[1]] };

/** Making one costs more than making all the rest. */
const silent = createLogger({ level: 'silent', service: 'test' });

const makeJwt = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${randomUUID()}`;

/** Brokers without HTTP over one store in memory and one fake Entra, under a clock that stands still unless moved. */
export function openPods({ pods = 1, idleSeconds = 3_600, absoluteSeconds = 43_200, perAccount = 20 } = {}) {
  const clock = { ms: 1_800_000_000_000 };
  /** What was counted against a session's limit. */
  const counts = { exchanges: 0 };
  const nowMs = () => clock.ms;
  const { store, watch } = watchedStore(nowMs);
  const told: Record<string, unknown>[] = [];
  const logger = Object.assign(Object.create(silent), { info: (line: object) => void told.push({ ...line }) });
  const entra = fakeEntra(tenantId, nowMs);
  const ring = { current: 'k1', keys: new Map([['k1', createSecretKey(randomBytes(32))]]) };
  const sealing = createSealing(() => ring);
  const redisKeys = createRedisKeys(createSecretKey(randomBytes(32)), 'ob:v1:');

  function openPod() {
    const bound = { maxBytes: 10_000_000, maxUnverifiedMs: 60_000, channel: store.channel, nowMs };
    const tokenL1 = createL1<TokenRecord>(bound, ({ accessToken }) => accessToken.length);
    const sessionL1 = createL1<Session>(bound, () => 600);
    const life = { idleSeconds, absoluteSeconds, perAccount };
    const tombstones = new Tombstones({ store, redisKeys, everybody: () => undefined, nowMs });
    const sessions = new Sessions({ ...life, store, l1: sessionL1, redisKeys, sealing, tombstones, logger, nowMs });
    const refusals = new Refusals(store, redisKeys, sealing, nowMs, () => 0);
    const tokens = new Tokens({ store, l1: tokenL1, refusals, redisKeys, sealing, logger, nowMs });
    const perSession = {
      take: () => {
        counts.exchanges += 1;
      },
    };
    const broker = new Broker({
      ...{ entra: entra.entra, store, sessions, tokens, tombstones, refusals, redisKeys, perSession, logger, nowMs },
      findClient: (name) => [web, otherWeb].find((one) => one.name === name),
    });
    const wanted = (scope: string, claims?: string, agent?: string) => ({
      ...{ scope, claims, agent, traceId: '0'.repeat(32) },
    });
    return {
      ...{ broker, sessions, tokens },
      /** Signs a person in; gives the session token. */
      async signIn(person: string, as: Client = web): Promise<string> {
        const asked = { redirectUri: 'https://app.test/callback', codeVerifier: 'v', traceId: '0'.repeat(32) };
        entra.codes.set(`code-${++codes}`, person);
        return (await broker.redeem(as, { ...asked, code: `code-${codes}` })).token;
      },
      exchange: async (token: string, scope = readScope, claims?: string) =>
        (await broker.exchange(web, token, wanted(scope, claims))).record.accessToken,
      /** Hands a process of a session's person to `nightly`; gives its token. */
      startProcess: async (token: string, scope = readScope, asked = nightly.name) =>
        (await broker.startProcess(web, token, { scope, client: asked, traceId: '0'.repeat(32) })).token,
      processToken: async (token: string, scope = '', as = nightly) =>
        (await broker.processToken(as, token, wanted(scope))).record.accessToken,
      onBehalfOf: async (assertion: string, scope = readScope, claims?: string, agent?: string) =>
        (await broker.onBehalfOf(api, assertion, wanted(scope, claims, agent))).record.accessToken,
      appToken: async (claims?: string, agent?: string, as = api) =>
        (await broker.appToken(as, wanted(appScope, claims, agent))).record.accessToken,
      /** For a user by object id. */
      agentUser: async (agent: string, user: string, scope = readScope, as = api) => {
        const asked = { ...wanted(scope), agent, user: { userObjectId: user } };
        return (await broker.agentUser(as, asked)).record.accessToken;
      },
      /** Resumes what was broken off, as every pod does every few seconds. */
      sweep: () => sessions.revocation.sweep(),
      isActive: async (token: string) => (await broker.introspect(web, token)) !== undefined,
    };
  }

  let codes = 0;
  const [first, ...more] = Array.from({ length: pods }, openPod);
  if (!first) throw new Error('there is no pod');
  return {
    /** The lines of tokens that agents got, of refusals, of processes, and the audit lines of ends: all pods'. */
    acted: () => told.filter(({ event }) => event === 'audit.agent_acted'),
    refused: () => told.filter(({ event }) => event === 'entra.refused'),
    started: () => told.filter(({ event }) => event === 'audit.process_started'),
    ended: () => told.filter(({ event }) => /^audit\.(sessions?|process)_(ended|revoked)$/.test(String(event))),
    ...{ clock, counts, store, watch, entra, redisKeys, ring, first, second: more[0] ?? first, all: [first, ...more] },
    /** A person's access token for the client `api`, as old as said. */
    makeAssertion: (person: string, ageSeconds = 10) => {
      const iat = Math.floor(clock.ms / 1_000) - ageSeconds;
      return makeJwt({ aud: api.clientId, tid: tenantId, oid: person, scp: 'x', iat, exp: iat + 36_000 });
    },
    /** From now on a session's tokens are assertions for the client `api`, dated back as Entra's are, and so is what is acquired with them. */
    writeAssertions(backdateSeconds: number): void {
      entra.write = ({ homeAccountId }) => {
        const [oid, tid] = homeAccountId.split('.');
        const iat = Math.floor(clock.ms / 1_000) - backdateSeconds;
        return makeJwt({ aud: api.clientId, tid, oid, scp: 'x', iat, exp: iat + backdateSeconds + 3_600 });
      };
    },
    keys: (kind: string) => [...watch.ttls().keys()].filter((key) => key.startsWith(`ob:v1:${kind}:`)),
    advance: (seconds: number) => {
      clock.ms += seconds * 1_000;
    },
    /**
     * Runs two tasks, one step of store or Entra at a time: the first until it has made so many steps, the second as many
     * as it may, the first to its end, then the rest. Gives how many steps the two made in their first turns.
     */
    async alternate(tasks: readonly Task[], steps: number[]): Promise<{ results: unknown[]; made: number[] }> {
      const waiting: { task: number; go: () => void }[] = [];
      const pause = () => new Promise<void>((go) => void waiting.push({ task: running.getStore() ?? 0, go }));
      watch.step = async (when) => (when === 'before' ? await pause() : undefined);
      entra.gate = pause;
      const left = [...tasks];
      const results = tasks.map(async (task, i) => await settle(() => running.run(i, task)).finally(() => left.pop()));
      /** The next step of a task; none if it has ended, or waits for the other. */
      const findStep = async (one?: number) => {
        for (let i = 0; i < 4; i += 1) {
          await turn();
          const next = waiting.findIndex(({ task }) => one === undefined || task === one);
          if (next >= 0) return waiting.splice(next, 1)[0];
        }
      };
      const made = steps.map(() => 0);
      for (const [one, most] of steps.entries()) {
        for (let next = most > 0 ? await findStep(one) : undefined; next; ) {
          next.go();
          made[one] = Number(made[one]) + 1;
          next = Number(made[one]) < most ? await findStep(one) : undefined;
        }
      }
      for (let next = await findStep(0); next; next = await findStep(0)) next.go();
      for (let next = await findStep(); next || left.length > 0; next = await findStep()) next?.go();
      watch.step = undefined;
      entra.gate = async () => {};
      return { results: await Promise.all(results), made };
    },
    /** Runs tasks at once; what they ask of store and Entra goes forward one step at a time, in an order made of `seed`. */
    async interleave<T extends readonly (() => Promise<unknown>)[]>(seed: number, ...tasks: T): Promise<unknown[]> {
      const random = seeded(seed);
      const waiting: (() => void)[] = [];
      const pause = () => new Promise<void>((resolve) => void waiting.push(resolve));
      watch.step = pause;
      entra.gate = pause;
      const left = [...tasks];
      const results = tasks.map(async (task) => await settle(task).finally(() => left.pop()));
      for (let idle = 0; idle < 5; ) {
        await turn();
        const [next] = waiting.splice(Math.floor(random() * waiting.length), 1);
        next?.();
        idle = next || left.length > 0 ? 0 : idle + 1;
      }
      watch.step = undefined;
      entra.gate = async () => {};
      return await Promise.all(results);
    },
  };
}

type Task = () => Promise<unknown>;

/**
 * Tries every order in which one of two tasks steps into the other once, by steps of store and Entra. `prepare` makes a
 * world and the two; `holds` is told what they gave, and where they met. Gives how many orders there were.
 */
export async function everyOrder(
  prepare: () => Promise<{ pods: Pods; tasks: [Task, Task]; holds(results: unknown[], where: string): Promise<void> }>,
): Promise<number> {
  let orders = 0;
  for (const first of [0, 1]) {
    for (let i = 0, whole = true; whole; i += 1) {
      for (let j = 1, more = true; more; j += 1) {
        const { pods, tasks, holds } = await prepare();
        const { results, made } = await pods.alternate(first === 0 ? tasks : tasks.toReversed(), [i, j]);
        await holds(first === 0 ? results : results.toReversed(), `task ${first}: ${i} steps, the other: ${j}`);
        orders += 1;
        whole = made[0] === i;
        more = whole && made[1] === j;
      }
    }
  }
  return orders;
}

/** Which of two tasks a step belongs to. */
const running = new AsyncLocalStorage<number>();

/** What a task gives, or the code it failed with. */
async function settle(task: Task): Promise<unknown> {
  try {
    return await task();
  } catch (error) {
    return error instanceof Fault ? error.code : error;
  }
}

export type Pods = ReturnType<typeof openPods>;

/** Pods with a person who has signed in at the first of them: who they are, and their session token. */
export async function openSignedIn(options?: Parameters<typeof openPods>[0]) {
  const pods = openPods(options);
  const person = randomUUID();
  return { pods, person, token: await pods.first.signIn(person) };
}

/** Waits until what goes on in the background is done. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await turn();
}

/** That no pod takes this assertion. */
export async function assertEnded(pods: Pods, assertion: string, where = ''): Promise<void> {
  for (const pod of pods.all) await assert.rejects(pod.onBehalfOf(assertion), faultOf('invalid_grant'), where);
}

/** That every pod takes it. */
export async function assertTaken(pods: Pods, assertion: string, where = ''): Promise<void> {
  for (const pod of pods.all) await assert.doesNotReject(pod.onBehalfOf(assertion), where);
}
