import assert from 'node:assert/strict';
import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { callApi, signIn } from '../../kit/steps.ts';
import { assertionFile } from './agents.ts';
import type { ClusterSystem } from './system.ts';

type Counts = {
  requests: number;
  failed: number;
  signedOut: number;
  foreign: number;
  outcomes: Record<string, number>;
};
/** `load` is what waits for each core of this machine. */
type Row = { what: string; seconds: number; load: number } & Counts;

const everyMs = 100;
/**
 * A cluster on two cores makes itself a load of some three for each. Where others make it far more, as no CI does, an answer
 * later than a deadline is nobody's fault: of a hundred requests five may fail then, and the table says so.
 */
const busyLoad = 6;
const lateShare = 0.05;
/** What a disturbance still does after its command has returned. */
const settleMs = 4_000;
const names = ['alice', 'bob'] as const;
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const assertionType = 'urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer';

/** People who ask for pages' data, and a caller who asks the broker, all the time; and what that came to meanwhile. */
export class SteadyLoad {
  readonly #system: ClusterSystem;
  readonly #rows: Row[] = [];

  private constructor(system: ClusterSystem) {
    this.#system = system;
  }

  /** Signs people in through the door, and has the agents ask on in their names. */
  static async start(system: ClusterSystem): Promise<SteadyLoad> {
    const { people, namespace } = system;
    const host = new URL(people.web).host;
    const requests = [];
    for (const name of names) {
      const visitor = people.visitor();
      await signIn(visitor, people, name);
      await callApi(visitor, people);
      const cookie = await visitor.jar.getCookieString(people.web);
      const headers = { cookie, host, 'x-csrf': '1', 'sec-fetch-site': 'same-origin' };
      const url = `http://onbehalf-web-frontend.${namespace}.svc:8080`;
      requests.push({ kind: 'session', name, url: `${url}/session`, headers });
      requests.push({ kind: 'api', name, url: `${url}/api/downstream-api/whoami`, headers });
    }
    await system.agent('gateway', '/load', { everyMs, requests });
    const url = `http://onbehalf-token-broker.${namespace}.svc:8080/oauth2/introspect`;
    const body = `token=nobody&client_assertion_type=${assertionType}`;
    const asked = { kind: 'broker', url, method: 'POST', headers: form, body, assertionFile };
    await system.agent('probe', '/load', { everyMs: everyMs * 4, requests: [asked] });
    return new SteadyLoad(system);
  }

  /** What was asked in all, and what came of it. */
  async counts(): Promise<Counts> {
    const [people, caller] = await Promise.all(
      (['gateway', 'probe'] as const).map((name) => this.#system.agent<Counts>(name, '/counts')),
    );
    return sum(people as Counts, caller as Counts);
  }

  /**
   * Does something to the system and keeps what people met meanwhile as a row.
   * @throws Error if more than `lost` failed, or one person was signed out or answered for another.
   */
  async during(what: string, disturb: () => Promise<unknown>, { lost = 0 } = {}): Promise<void> {
    const before = await this.counts();
    const startedMs = performance.now();
    await disturb();
    await delay(settleMs);
    const after = await this.counts();
    const load = (loadavg()[0] ?? 0) / availableParallelism();
    const row = { what, seconds: (performance.now() - startedMs) / 1_000, load, ...difference(after, before) };
    this.#rows.push(row);
    assert.ok(row.requests > 20, `${what}: only ${row.requests} requests`);
    assert.deepEqual({ signedOut: row.signedOut, foreign: row.foreign }, { signedOut: 0, foreign: 0 }, told(row));
    const late = load > busyLoad ? Math.ceil(row.requests * lateShare) : 0;
    assert.ok(row.failed <= Math.max(lost, late), told(row));
  }

  get table(): string {
    const lines = this.#rows.map(({ what, seconds, load, requests, failed, signedOut, foreign, outcomes }) => {
      const why = Object.entries(outcomes).map(([outcome, times]) => `${outcome} × ${times}`);
      const figures = [requests, failed, signedOut, foreign, why.join(', '), load.toFixed(1)];
      return `| ${what} | ${seconds.toFixed(0)} s | ${figures.join(' | ')} |`;
    });
    const head =
      '| Disturbance | Took | Requests | Failed | Signed out | Wrong token | Outcomes | Load per core |\n|---|---|---|---|---|---|---|---|';
    return [head, ...lines].join('\n');
  }
}

const told = ({ what, outcomes, load }: Row) =>
  `${what}: ${JSON.stringify(outcomes)} at load ${load.toFixed(1)} per core`;

const difference = (after: Counts, before: Counts) => combine(after, before, -1);
const sum = (one: Counts, other: Counts) => combine(one, other, 1);

function combine(one: Counts, other: Counts, sign: 1 | -1): Counts {
  const outcomes: Record<string, number> = {};
  for (const key of new Set([...Object.keys(one.outcomes), ...Object.keys(other.outcomes)])) {
    const count = (one.outcomes[key] ?? 0) + sign * (other.outcomes[key] ?? 0);
    if (count > 0) outcomes[key] = count;
  }
  const add = (key: 'requests' | 'failed' | 'signedOut' | 'foreign') => one[key] + sign * other[key];
  return {
    requests: add('requests'),
    failed: add('failed'),
    signedOut: add('signedOut'),
    foreign: add('foreign'),
    outcomes,
  };
}
