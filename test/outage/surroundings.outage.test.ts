import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { freePort } from '../kit/ports.ts';
import { openSystem } from '../kit/system/open.ts';
import { openTrials } from './trial.ts';

/** What is away from the start, or goes away as soon as something is written there. */
type Surroundings = { output: string; otel: Record<string, string> };

async function live({ output, otel }: Surroundings, name: string, context: TestContext): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const env = { web: { PUBLIC_RATE_BURST: '10000', ...otel }, broker: otel, api: otel };
  const system = opened.use(await openSystem({ frontend: true, name, brokers: 2, people: 200, env, output }));
  const trials = opened.use(await openTrials(system));
  const nothing = async () => {};
  await trials.pass({ strike: nothing, mend: nothing, servedShare: 1, wholeWithinMs: 0 }, context);
  for (const { process: program, name: room } of system.programs) assert.equal(program.exitCode, null, `${room} ended`);
}

describe('a steady load loses nothing, and no service ends, where', () => {
  it('the disk of the logs is full (ENOSPC) and the collector refuses connections', async (context) => {
    const otel = exporting(await freePort());
    await live({ output: '>/dev/full', otel }, 'outage-logs-full', context);
  });

  it('nobody reads the logs any more (EPIPE) and the collector never answers', async (context) => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const otel = exporting((silent.address() as AddressInfo).port);
    await live({ output: '> >(head -c 2000 >/dev/null)', otel }, 'outage-logs-closed', context);
    silent.close();
  });
});

const exporting = (port: number) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
  OTEL_BSP_SCHEDULE_DELAY: '200',
  OTEL_METRIC_EXPORT_INTERVAL: '1000',
});
