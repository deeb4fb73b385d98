import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { median } from '../../services/load-generator/src/results/statistics.ts';
import { cpuUs } from '../../services/load-generator/src/sampling/process-figures.ts';
import { record } from '../../tools/run/figures.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';

const slices = 5;
const requestsPerSlice = 1_000;

let system: System;
/** Takes exports and throws them away. */
const sink = createServer((req, res) => void req.resume().on('end', () => res.end()));

before(async () => {
  sink.listen(0, '127.0.0.1');
  const rates = { CALLERS_RATE: '1000000', SESSION_RATE: '1000000' };
  system = await openSystem({ name: 'telemetry-cost', brokers: 1, people: 1, env: { broker: rates } });
  const endpoint = `http://127.0.0.1:${(sink.address() as AddressInfo).port}`;
  const observed = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, METRICS_ENABLED: 'true' };
  system.brokers.push(await system.startBroker({ ...rates, ...observed }));
});
after(async () => {
  await system?.close();
  sink.closeAllConnections();
  sink.close();
});

describe('telemetry of everything', () => {
  it('costs a token request from memory little CPU', async () => {
    const session = await system.signIn('load00001', 0);
    const slice = async (broker: number) => {
      const pid = system.brokers[broker]?.child.process.pid ?? 0;
      const beforeUs = cpuUs(pid);
      for (let sent = 0; sent < requestsPerSlice; sent += 20) {
        const answers = await Promise.all(Array.from({ length: 20 }, () => system.exchange(broker, session)));
        assert.ok(answers.every(({ status }) => status === 200));
      }
      return (cpuUs(pid) - beforeUs) / requestsPerSlice;
    };
    // Warm: compiled, connected, the token in both memories.
    for (const broker of [0, 1, 0, 1]) await slice(broker);
    const off: number[] = [];
    const on: number[] = [];
    for (let turn = 0; turn < slices; turn += 1) {
      // In pairs and by turns, so that what else the machine does falls on both.
      off.push(await slice(0));
      on.push(await slice(1));
    }
    record('telemetry of everything: its CPU in a token request from memory', median(on) - median(off));
    record('telemetry of everything: such a request costs, of one without', median(on) / median(off));
  });
});
