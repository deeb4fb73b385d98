import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type ForwardProxy, openForwardProxy } from '../kit/forward-proxy.ts';
import { freePort } from '../kit/ports.ts';
import { callApi, signIn } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { until } from '../kit/until.ts';

const services = ['web-frontend', 'token-broker', 'downstream-api'];

/** A collector, by https where it has a certificate; gives what came for each path. */
async function openCollector(port: number, tls?: { cert: Buffer; key: Buffer }) {
  const seen = { '/v1/traces': '', '/v1/metrics': '' };
  const collect = async (req: IncomingMessage, res: ServerResponse) => {
    for await (const chunk of req) seen[req.url as keyof typeof seen] += (chunk as Buffer).toString('latin1');
    res.end();
  };
  const server = tls ? createTlsServer(tls, collect) : createServer(collect);
  await once(server.listen(port, '127.0.0.1'), 'listening');
  const isWhole = () => Object.values(seen).every((sent) => services.every((name) => sent.includes(name)));
  return {
    heard: () => until(isWhole, 'all services are heard of'),
    close: () => server.close().closeAllConnections(),
  };
}

const observed = { OTEL_BSP_SCHEDULE_DELAY: '200', OTEL_METRIC_EXPORT_INTERVAL: '500' };

describe('behind a forward proxy', () => {
  let system: System;
  let proxies: Record<'web' | 'broker' | 'api', ForwardProxy>;
  let collector: Awaited<ReturnType<typeof openCollector>>;
  const opened = new AsyncDisposableStack();
  const open = async (places: Record<string, string>) => opened.use(await openForwardProxy(places));
  before(async () => {
    const port = await freePort();
    // By the stand-in's name, whose certificate it has; only the proxies know where it is.
    const places = { 'localhost:4318': `127.0.0.1:${port}` };
    proxies = { web: await open(places), broker: await open(places), api: await open(places) };
    const through = ({ url }: ForwardProxy) => ({
      ...observed,
      ...{ HTTPS_PROXY: url, NO_PROXY: 'other.example.com', OTEL_EXPORTER_OTLP_ENDPOINT: 'https://localhost:4318' },
    });
    const env = { web: through(proxies.web), broker: through(proxies.broker), api: through(proxies.api) };
    system = opened.use(await openSystem({ frontend: true, name: 'proxy', env }));
    const read = (name: string) => readFile(join(system.stateDir, 'emulator', name));
    collector = await openCollector(port, { cert: await read('tls.pem'), key: await read('tls.key') });
    opened.defer(collector.close);
  });
  after(() => opened.disposeAsync());

  it('every service reaches Entra ID and a collector by https through HTTPS_PROXY, and nothing else', async () => {
    const alice = system.visitor();
    await signIn(alice, system, 'alice');
    await callApi(alice, system);
    await callApi(alice, system, 'Microsoft Graph');
    await collector.heard();
    const entra = new URL(system.emulator.origin).host;
    for (const [name, { tunnels, requests }] of Object.entries(proxies)) {
      assert.deepEqual([[...new Set(tunnels)].sort(), requests], [['localhost:4318', entra].sort(), []], name);
    }
  });

  it('there is no other way to Entra ID', async () => {
    proxies.broker.refuse();
    await assert.rejects(signIn(system.visitor(), system, 'bob'));
  });
});

describe('past a forward proxy', () => {
  let system: System;
  let proxy: ForwardProxy;
  let collector: Awaited<ReturnType<typeof openCollector>>;
  const opened = new AsyncDisposableStack();
  before(async () => {
    const port = await freePort();
    proxy = opened.use(await openForwardProxy({ 'collector.example.com:4318': `127.0.0.1:${port}` }));
    collector = await openCollector(port);
    opened.defer(collector.close);
    const env = {
      ...observed,
      ...{ HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url, NO_PROXY: 'localhost,127.0.0.1' },
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.example.com:4318',
    };
    system = opened.use(
      await openSystem({ frontend: true, name: 'no-proxy', env: { web: env, broker: env, api: env } }),
    );
    const alice = system.visitor();
    await signIn(alice, system, 'alice');
    await callApi(alice, system);
  });
  after(() => opened.disposeAsync());

  it('a host of NO_PROXY is reached', () => {
    assert.deepEqual(proxy.tunnels, []);
  });

  it('every service sends its telemetry through HTTP_PROXY to a collector by http that it cannot reach itself', async () => {
    await collector.heard();
    assert.deepEqual([...new Set(proxy.requests)], ['collector.example.com:4318']);
  });
});
