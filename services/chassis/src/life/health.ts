import type { RequestListener } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { metricsPage } from '../telemetry/metrics-page.ts';

/**
 * The Kubernetes probes of the admin port. `/startupz`: the service has started. `/livez`: the event loop runs; nothing
 * outside the process counts. `/readyz`: started and not draining; no dependency makes a pod unready, since all pods
 * would become unready at once. `/metrics`, if metrics are on: the text format of Prometheus.
 */
export function createHealth() {
  let state: 'starting' | 'ready' | 'draining' = 'starting';
  const probes: Record<string, () => boolean> = {
    '/livez': () => true,
    '/startupz': () => state !== 'starting',
    '/readyz': () => state === 'ready',
  };
  const handler: RequestListener = async (req, res) => {
    if (req.url === '/metrics') {
      const page = await metricsPage();
      if (page !== undefined) return void res.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4' }).end(page);
    }
    const probe = Object.hasOwn(probes, req.url ?? '') ? probes[req.url ?? ''] : undefined;
    const status = !probe ? 404 : probe() ? 200 : 503;
    res.writeHead(status, { 'Content-Type': 'text/plain', 'Cache-Control': 'no-store' });
    res.end(probe ? `${state}\n` : 'not found\n');
  };
  return {
    handler,
    /** Makes the service ready. Disposing makes it unready, and waits for `shutdownDelayMs`. */
    ready(shutdownDelayMs: number): AsyncDisposable {
      state = 'ready';
      return {
        async [Symbol.asyncDispose]() {
          state = 'draining';
          await delay(shutdownDelayMs);
        },
      };
    },
  };
}
