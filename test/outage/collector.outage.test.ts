import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../kit/ports.ts';
import { callApi, signIn, signOut } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { until } from '../kit/until.ts';

let system: System;
let asked = 0;
const failing = createServer((req, res) => {
  asked += 1;
  req.resume();
  // One in two answers 500, the other never.
  if (asked % 2 === 0) res.writeHead(500).end();
});

before(async () => {
  failing.listen(0, '127.0.0.1');
  const away = `http://127.0.0.1:${await freePort()}`;
  const broken = `http://127.0.0.1:${(failing.address() as AddressInfo).port}`;
  const otel = (endpoint: string) => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_BSP_SCHEDULE_DELAY: '50',
    OTEL_METRIC_EXPORT_INTERVAL: '200',
  });
  system = await openSystem({
    frontend: true,
    name: 'collector',
    env: { web: otel(away), broker: otel(broken), api: otel(away) },
  });
});
after(async () => {
  await system?.close();
  failing.closeAllConnections();
  failing.close();
});

const linesOf = (service: string) => readFileSync(join(system.logDir, `${service}.log`), 'utf8').split('\n');
const complaints = (service: string) => linesOf(service).filter((line) => line.includes('"telemetry.failed"'));

describe('without a collector that works', () => {
  it('people sign in, call APIs and sign out as ever', async () => {
    const visitor = system.visitor();
    for (let round = 0; round < 5; round += 1) {
      await signIn(visitor, system, 'alice');
      await callApi(visitor, system);
      await signOut(visitor, system);
    }
    assert.ok(visitor.answers.every(({ status }) => status < 500));
  });

  it('a service says so once, not at every export', async () => {
    await until(() => asked >= 4 && complaints('web-frontend').length > 0, 'exports fail, and one says so');
    for (const service of ['web-frontend', 'token-broker', 'downstream-api']) {
      assert.ok(complaints(service).length <= 1, `${service} complains ${complaints(service).length} times`);
    }
  });
});
