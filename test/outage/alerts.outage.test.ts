import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { alertGroups } from '../charts/alert-rules.ts';
import { ended } from '../kit/child.ts';
import { startPrometheus } from '../kit/debian/prometheus.ts';
import { callApi, signIn } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { until } from '../kit/until.ts';
import type { Visitor } from '../kit/visitor.ts';

/** How long a condition has to hold; the rules' own minutes are tried with promtool. */
const holdFor = '2s';
const opened = new AsyncDisposableStack();
let system: System;
let prometheus: Awaited<ReturnType<typeof startPrometheus>>;
let alice: Visitor;

const rules = () =>
  JSON.stringify({
    groups: alertGroups().map(({ name, rules: its }) => ({
      name,
      rules: its.map((rule) => ({ ...rule, ...(rule.for && { for: holdFor }) })),
    })),
  });

before(async () => {
  const measured = { METRICS_ENABLED: 'true', PUBLIC_RATE_BURST: '1000' };
  system = opened.use(
    await openSystem({
      frontend: true,
      name: 'outage-alerts',
      people: 100,
      env: { web: measured, broker: measured, api: measured },
    }),
  );
  const jobs = ['web-frontend', 'token-broker', 'downstream-api'];
  const targets = jobs.map((job) => ({ job, address: new URL(system.adminOf(job)).host }));
  prometheus = opened.use(await startPrometheus({ directory: system.stateDir, targets, rules: rules() }));
  alice = system.visitor();
  await signIn(alice, system, 'alice');
  await callApi(alice, system);
});
after(() => opened.disposeAsync());

const fires = (alert: string) =>
  until(async () => (await prometheus.firing()).has(alert), `${alert} does not fire`, 60_000);
/** Does so time and again until the alert fires, whatever becomes of it. */
async function firesWhile(alert: string, work: () => Promise<unknown>): Promise<void> {
  const again = async () => {
    await work().catch(() => {});
    await delay(200);
    return (await prometheus.firing()).has(alert);
  };
  await until(again, `${alert} does not fire`, 90_000);
}

let people = 0;
const nextPerson = () => `load${String((people++ % 100) + 1).padStart(5, '0')}@contoso.test`;
let sessions: string[] = [];
/** Whether twelve people could sign in. */
async function signInTwelve(): Promise<boolean> {
  sessions = await Promise.all(Array.from({ length: 12 }, () => system.signIn(nextPerson()))).catch(() => []);
  return sessions.length > 0;
}
const openedBy = (path: string, times: number) =>
  Promise.all(Array.from({ length: times }, () => system.visitor().open(`${system.web}${path}`)));

describe('a real Prometheus with the rules of the chart', () => {
  it('is silent while people sign in and call APIs', async () => {
    await delay(5_000);
    assert.deepEqual([...(await prometheus.firing())], []);
  });

  it('says that people do not come back from Entra ID', async () => {
    await firesWhile('OnbehalfNobodyReturns', () => openedBy('/sign-in', 12));
  });

  it('says that Entra ID does not respond', async () => {
    await system.admin('PUT', '/faults', [{ match: { path: '/token' }, then: { status: 503 } }]);
    // The broker lets Entra ID rest after a refusal: only with time more than four requests reach it.
    await firesWhile('OnbehalfEntraDown', () => system.signIn(nextPerson()));
    await system.admin('DELETE', '/faults');
  });

  it('says that Redis does not respond, and that token requests fail', async () => {
    await until(signInTwelve, 'nobody can sign in again');
    system.relays.redis.cut();
    const askAll = () => Promise.all(sessions.map((session) => system.exchange(0, session)));
    await firesWhile('OnbehalfRedisDown', askAll);
    await firesWhile('OnbehalfTokenErrorsFast', askAll);
    system.relays.redis.restore();
  });

  it('says that web-frontend responds with errors', async () => {
    system.relays.broker.cut();
    await firesWhile('OnbehalfFrontendErrors', () => alice.open(`${system.web}/whoami`));
    system.relays.broker.restore();
  });

  it('says that a service is gone', async () => {
    const { process } = system.program('downstream-api');
    process.kill('SIGKILL');
    await ended(process);
    await fires('OnbehalfServiceGone');
  });
});
