import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openForwardProxy } from '../kit/forward-proxy.ts';
import { freePort } from '../kit/ports.ts';
import { callApi, signIn } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import { until } from '../kit/until.ts';

describe('behind a forward proxy', () => {
  it('every service reaches Entra ID through HTTPS_PROXY, and nothing else', async () => {
    await using web = await openForwardProxy();
    await using broker = await openForwardProxy();
    await using api = await openForwardProxy();
    const through = ({ url }: { url: string }) => ({ HTTPS_PROXY: url, NO_PROXY: 'other.example.com' });
    await using system = await openSystem({
      frontend: true,
      name: 'proxy',
      env: { web: through(web), broker: through(broker), api: through(api) },
    });
    const alice = system.visitor();
    await signIn(alice, system, 'alice');
    await callApi(alice, system);
    await callApi(alice, system, 'Microsoft Graph');
    const entra = new URL(system.emulator.origin).host;
    for (const [name, { tunnels }] of Object.entries({ web, broker, api })) {
      assert.deepEqual([...new Set(tunnels)], [entra], name);
    }
    broker.refuse();
    await assert.rejects(signIn(system.visitor(), system, 'bob'), 'there is no other way to Entra ID');
  });

  it('a host of NO_PROXY is reached without it', async () => {
    await using proxy = await openForwardProxy();
    const past = { HTTPS_PROXY: proxy.url, NO_PROXY: 'localhost' };
    await using system = await openSystem({
      frontend: true,
      name: 'no-proxy',
      env: { web: past, broker: past, api: past },
    });
    const alice = system.visitor();
    await signIn(alice, system, 'alice');
    await callApi(alice, system);
    assert.deepEqual(proxy.tunnels, []);
  });

  const collectors = {
    http: { endpoint: 'http://collector.example.com:4318', key: 'HTTP_PROXY', past: '127.0.0.1' },
    // By the stand-in's name, whose certificate it has.
    https: { endpoint: 'https://localhost:4318', key: 'HTTPS_PROXY', past: 'other.example.com' },
  };
  for (const [scheme, { endpoint, key, past }] of Object.entries(collectors)) {
    it(`every service sends its telemetry through ${key} to a collector by ${scheme} that it cannot reach itself`, async (context) => {
      const port = await freePort();
      const collector = new URL(endpoint).host;
      await using proxy = await openForwardProxy({ [collector]: `127.0.0.1:${port}` });
      const observed = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_SCHEDULE_DELAY: '200' };
      const env = { ...observed, OTEL_METRIC_EXPORT_INTERVAL: '500', [key]: proxy.url, NO_PROXY: past };
      await using system = await openSystem({
        frontend: true,
        name: `proxy-${scheme}`,
        env: { web: env, broker: env, api: env },
      });
      const seen = { '/v1/traces': '', '/v1/metrics': '' };
      const collect = async (req: IncomingMessage, res: ServerResponse) => {
        for await (const chunk of req) seen[req.url as keyof typeof seen] += (chunk as Buffer).toString('latin1');
        res.end();
      };
      const read = (name: string) => readFile(join(system.stateDir, 'emulator', name));
      const server =
        scheme === 'http'
          ? createServer(collect)
          : createTlsServer({ cert: await read('tls.pem'), key: await read('tls.key') }, collect);
      context.after(() => server.close().closeAllConnections());
      await once(server.listen(port, '127.0.0.1'), 'listening');
      const alice = system.visitor();
      await signIn(alice, system, 'alice');
      await callApi(alice, system);
      const services = ['web-frontend', 'token-broker', 'downstream-api'];
      const isWhole = () => Object.values(seen).every((sent) => services.every((name) => sent.includes(name)));
      await until(isWhole, 'all of them are heard of');
      assert.ok((scheme === 'http' ? proxy.requests : proxy.tunnels).includes(collector));
    });
  }
});
