import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { trace } from '@opentelemetry/api';
import { openCollector } from './collector.fake.ts';
import { runOtel } from './otel.fake.ts';

type Collector = Awaited<ReturnType<typeof openCollector>>;

const settings = ({ url }: Collector) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  OTEL_METRICS_EXPORTER: 'none',
  OTEL_BSP_SCHEDULE_DELAY: '50',
});
const spansOf = ({ received }: Collector) =>
  received.reduce((sum, { text }) => sum + (text.match(/"spanId"/g)?.length ?? 0), 0);
const events = (lines: Record<string, unknown>[]) => lines.map(({ event, lost }) => [event, lost]);

async function until(isSo: () => boolean, withinMs: number): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!isSo() && performance.now() < endMs) await delay(20);
}

describe('a collector that refuses', () => {
  it('for five seconds, with 503 and by cutting connections, costs no span of 1,200', async () => {
    await using collector = await openCollector();
    collector.set({ status: 503 });
    const whileOpen = async () => {
      await delay(2_500);
      collector.set('reset');
      await delay(2_500);
      collector.set({ status: 200 });
      await until(() => spansOf(collector) === 1_200, 15_000);
    };
    const { lines } = await runOtel(settings(collector), collector, { spans: 1_200, whileOpen });
    assert.equal(spansOf(collector), 1_200);
    assert.deepEqual(lines, []);
  });

  it('longer than an export may take costs what did not fit, and the log says how much and why', async () => {
    await using collector = await openCollector();
    collector.set({ status: 503 });
    const short = { OTEL_EXPORTER_OTLP_TIMEOUT: '400', OTEL_BSP_MAX_QUEUE_SIZE: '600' };
    const whileOpen = async () => {
      await until(() => false, 700);
      collector.set({ status: 200 });
      // The SDK tells what it dropped with the next span that finds room.
      for (let span = 0; span < 10; span += 1) trace.getTracer('test').startSpan('later').end();
      await until(() => spansOf(collector) > 0, 5_000);
    };
    const { lines } = await runOtel({ ...settings(collector), ...short }, collector, { spans: 1_200, whileOpen });
    const told = lines.reduce((sum, { event, lost }) => (event === 'telemetry.failed' ? sum : sum + Number(lost)), 0);
    assert.deepEqual([...new Set(lines.map(({ event }) => event))].slice(0, 2), [
      'telemetry.failed',
      'telemetry.resumed',
    ]);
    assert.ok(spansOf(collector) > 0 && told > 0, 'some are lost, some are not');
    assert.equal(spansOf(collector) + told, 1_210, 'each is sent or told');
  });

  it('says why in one line', async () => {
    await using collector = await openCollector();
    collector.set({ status: 400 });
    const whileOpen = () => delay(300);
    const { lines } = await runOtel(settings(collector), collector, { whileOpen });
    assert.deepEqual(events(lines), [['telemetry.failed', 1]]);
    assert.equal((lines[0]?.error as { code?: number } | undefined)?.code, 400);
  });

  it('holds up no shutdown for more than two seconds, and what it costs is told', async () => {
    await using collector = await openCollector();
    collector.set('never');
    const { lines, tookMs } = await runOtel(settings(collector), collector, { spans: 3 });
    assert.ok(tookMs > 1_900 && tookMs < 3_000, `${tookMs} ms`);
    assert.deepEqual(events(lines), [['telemetry.failed', 3]]);
  });
});

describe('an export', () => {
  it('goes out by gRPC where the protocol says so', async () => {
    await using collector = await openCollector('grpc');
    const grpc = { ...settings(collector), OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
    const { paths, requests, lines } = await runOtel(grpc, collector, { attributes: { 'test.text': 'by grpc' } });
    assert.deepEqual([paths, lines], [['/opentelemetry.proto.collector.trace.v1.TraceService/Export'], []]);
    assert.match(requests[0]?.text ?? '', /by grpc/);
  });

  it('is given up after OTEL_EXPORTER_OTLP_TIMEOUT', async () => {
    await using collector = await openCollector();
    collector.set('never');
    const env = { ...settings(collector), OTEL_EXPORTER_OTLP_TIMEOUT: '300' };
    const { lines, tookMs } = await runOtel(env, collector, { whileOpen: () => delay(900) });
    assert.deepEqual(events(lines), [['telemetry.failed', 1]]);
    assert.ok(tookMs < 1_900, 'nothing was left to wait for at the end');
  });

  it('holds only what is registered', async () => {
    await using collector = await openCollector();
    const attributes = { 'test.text': 'kept', 'url.query': 'canary' };
    const { spans, requests } = await runOtel(settings(collector), collector, { attributes });
    assert.deepEqual(spans[0]?.attributes, [{ key: 'test.text', value: { stringValue: 'kept' } }]);
    assert.ok(requests.every(({ text }) => !text.includes('canary')));
  });
});
