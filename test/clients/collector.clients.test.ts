import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { createViewer, type Viewer } from '@onbehalf/trace-viewer/viewer';
import { freePort } from '../kit/ports.ts';
import { callApi, signIn, signInForApi } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { isWhole } from '../kit/traces.ts';
import { until } from '../kit/until.ts';
import { clientTests } from './client.ts';
import { collector, documented, startCollector } from './collector.ts';

const signIns = 100;
const junk = 400;

/** The policies of the page, decided after three seconds: nobody in this test has a second factor. */
function documentedProcessors() {
  const { tail_sampling } = documented('processors:\n  tail_sampling:').processors ?? {};
  return { tail_sampling: { ...tail_sampling, decision_wait: '3s' } };
}

const signedIn = (viewer: Viewer, beganMs = 0) =>
  viewer
    .flows()
    .filter(({ action, outcome, startMs }) => action === 'sign in' && outcome === 'success' && startMs >= beganMs);
const failures = (viewer: Viewer) => viewer.flows().filter(({ error }) => error).length;

/** A hundred people sign in; everybody has consented before their spans are counted. How many came through, how many whole. */
async function manySignIn(system: System, viewer: Viewer) {
  for (const person of ['alice', 'bob']) {
    const visitor = system.visitor();
    await signIn(visitor, system, person);
    await callApi(visitor, system);
  }
  await until(() => signedIn(viewer).length >= 2, 'the first sign-ins');
  const beganMs = Date.now();
  const queue = Array.from({ length: signIns }, (_, place) => (place % 2 ? 'alice' : 'bob'));
  const browse = async () => {
    for (let person = queue.pop(); person; person = queue.pop()) await signInForApi(system.visitor(), system, person);
  };
  await Promise.all(Array.from({ length: 4 }, browse));
  const whole = () => signedIn(viewer, beganMs).filter((trace) => isWhole(viewer, trace)).length;
  await until(() => whole() >= signIns, 'every sign-in').catch(() => undefined);
  return { kept: signedIn(viewer, beganMs).length, whole: whole() };
}

async function junkCalls(system: System, viewer: Viewer) {
  const headers = { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' };
  for (let sent = 0; sent < junk; sent += 1) await fetch(`${system.api}/whoami`, { headers });
  const kept = () => viewer.flows().filter(({ services }) => services.join() === 'downstream-api').length;
  await until(() => kept() > 0, 'none of the rest').catch(() => undefined);
  // Decided three seconds after they came.
  await delay(4_000);
  return { kept: kept() };
}

async function failingRequests(system: System, viewer: Viewer) {
  const alice = system.visitor();
  await signIn(alice, system, 'alice');
  const before = failures(viewer);
  system.relays.broker.cut();
  for (let times = 0; times < 10; times += 1) await alice.open(`${system.web}/whoami`);
  system.relays.broker.restore();
  await until(() => failures(viewer) >= before + 10, 'ten failures').catch(() => undefined);
  return { kept: failures(viewer) - before };
}

async function run() {
  await using viewer = await createViewer({});
  const port = await freePort();
  const otel = {
    ...{ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_METRICS_EXPORTER: 'none' },
    OTEL_BSP_SCHEDULE_DELAY: '100',
  };
  await using system = await openSystem({
    ...{ name: 'clients-collector', frontend: true },
    env: { web: { ...otel, PUBLIC_RATE_BURST: '10000' }, broker: { ...otel, SESSIONS_PER_ACCOUNT: '200' }, api: otel },
  });
  await using _ = await startCollector({
    ...{ directory: system.logDir, port, processors: documentedProcessors() },
    exporters: { otlp_http: { endpoint: viewer.url } },
  });
  return {
    version: collector.version,
    flows: {
      [sampled]: await manySignIn(system, viewer),
      [refused]: await junkCalls(system, viewer),
      [failed]: await failingRequests(system, viewer),
    },
  };
}

const sampled = `keeps ${signIns} of ${signIns} sign-ins, each whole`;
const refused = 'keeps one in twenty calls that were refused as they should be';
const failed = 'keeps each request that failed';

clientTests(
  { client: collector.client, at: 'our spans, with the sampling of docs/telemetry.md', run },
  {
    [sampled]: (seen) => assert.deepEqual(seen, { kept: signIns, whole: signIns }),
    // 20 are expected of 400, and more than 50 once in ten billion runs.
    [refused]: ({ kept }) => assert.ok(Number(kept) > 0 && Number(kept) <= 50, `${kept} of ${junk}`),
    [failed]: ({ kept }) => assert.ok(Number(kept) >= 10, `${kept} of 10`),
  },
);
