import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { openCollector } from './collector.fake.ts';
import { runOtel } from './otel.fake.ts';

type Ran = Awaited<ReturnType<typeof runOtel>>;
type Work = Parameters<typeof runOtel>[2];
type Row = [said: string, env: (url: string) => Record<string, string>, happened: (ran: Ran) => void, work?: Work];

const collector = await openCollector();
after(() => collector[Symbol.asyncDispose]());
const json = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' };
const general = (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, ...json });
/** With traces alone, so that the metrics say nothing. */
const traces = (extra: Record<string, string>) => (url: string) => ({
  ...general(url),
  OTEL_METRICS_EXPORTER: 'none',
  ...extra,
});
const metrics = (extra: Record<string, string>) => (url: string) => ({
  ...general(url),
  OTEL_TRACES_EXPORTER: 'none',
  ...extra,
});

const sends =
  (...paths: string[]) =>
  (ran: Ran) =>
    assert.deepEqual([ran.paths, ran.settings], [paths, []]);
const keeps =
  (spans: number, ...settings: string[]) =>
  (ran: Ran) =>
    assert.deepEqual([ran.spans.length, ran.settings], [spans, settings]);
const refuses = (words: RegExp) => (ran: Ran) => assert.match(ran.refusal, words);
const isOff = (ran: Ran) => assert.deepEqual([ran.on, ran.paths, ran.refusal], [false, [], '']);

const rows: Row[] = [
  ['nothing is set: nothing is on', () => ({}), isOff],
  ['OTEL_SDK_DISABLED is read whatever its case', (url) => ({ ...general(url), OTEL_SDK_DISABLED: ' TRUE ' }), isOff],
  [
    'OTEL_SDK_DISABLED: what is not true is false',
    (url) => ({ ...general(url), OTEL_SDK_DISABLED: '1' }),
    (ran) => assert.deepEqual([ran.on, ran.settings], [true, ['OTEL_SDK_DISABLED']]),
  ],
  [
    '…_ENDPOINT is the base of both signals',
    (url) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: `${url}/otlp` }),
    sends('/otlp/v1/metrics', '/otlp/v1/traces'),
  ],
  [
    '…_TRACES_ENDPOINT alone turns traces on, as it is written',
    (url) => ({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/as/is` }),
    sends('/as/is'),
  ],
  ['…_METRICS_ENDPOINT alone turns metrics on', (url) => ({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: url }), sends('/')],
  [
    'a signal’s own endpoint wins',
    (url) => ({ ...general(url), OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/own` }),
    sends('/own', '/v1/metrics'),
  ],
  [
    'an empty value is no value',
    (url) => ({ ...general(url), OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: '', OTEL_TRACES_SAMPLER: '' }),
    sends('/v1/metrics', '/v1/traces'),
  ],
  ['OTEL_TRACES_EXPORTER=none', (url) => ({ ...general(url), OTEL_TRACES_EXPORTER: 'none' }), sends('/v1/metrics')],
  ['OTEL_METRICS_EXPORTER=none', (url) => ({ ...general(url), OTEL_METRICS_EXPORTER: 'None' }), sends('/v1/traces')],
  [
    'an exporter nobody knows is the default one',
    traces({ OTEL_TRACES_EXPORTER: 'fax' }),
    keeps(1, 'OTEL_TRACES_EXPORTER'),
  ],
  [
    'an exporter that is not supported is refused',
    traces({ OTEL_TRACES_EXPORTER: 'zipkin' }),
    refuses(/OTEL_TRACES_EXPORTER: must be otlp or none/),
  ],
  [
    'prometheus is refused for our own page',
    metrics({ OTEL_METRICS_EXPORTER: 'otlp,prometheus' }),
    refuses(/OTEL_METRICS_EXPORTER: .*METRICS_ENABLED/),
  ],
  ['logs do not go out', traces({ OTEL_LOGS_EXPORTER: 'otlp' }), keeps(1, 'OTEL_LOGS_EXPORTER')],
  [
    'protobuf unless said',
    (url) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url }),
    (ran) => assert.deepEqual(types(ran), ['application/x-protobuf', 'application/x-protobuf']),
  ],
  [
    'OTEL_EXPORTER_OTLP_PROTOCOL=http/json',
    general,
    (ran) => assert.deepEqual(types(ran), ['application/json', 'application/json']),
  ],
  [
    'a signal’s own protocol wins',
    (url) => ({ ...general(url), OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/protobuf' }),
    (ran) => assert.deepEqual(types(ran), ['application/json', 'application/x-protobuf']),
  ],
  [
    'a protocol nobody knows is the default one',
    (url) => ({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url, OTEL_EXPORTER_OTLP_PROTOCOL: 'smoke' }),
    (ran) =>
      assert.deepEqual([types(ran), ran.settings], [['application/x-protobuf'], ['OTEL_EXPORTER_OTLP_PROTOCOL']]),
  ],
  [
    'an endpoint that is no URL is refused',
    () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }),
    refuses(/OTEL_EXPORTER_OTLP_ENDPOINT: must be an http or https URL/),
  ],
  [
    '…_HEADERS, the signal’s over the general',
    traces({ OTEL_EXPORTER_OTLP_HEADERS: 'a=1,b=1', OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'b=2' }),
    ({ requests: [request] }) => assert.deepEqual([request?.headers.a, request?.headers.b], ['1', '2']),
  ],
  [
    '…_COMPRESSION=gzip',
    traces({ OTEL_EXPORTER_OTLP_COMPRESSION: 'GZIP' }),
    (ran) => assert.deepEqual([ran.requests[0]?.headers['content-encoding'], ran.spans.length], ['gzip', 1]),
  ],
  ['always_off', traces({ OTEL_TRACES_SAMPLER: 'always_off' }), keeps(0)],
  [
    'always_off keeps nothing of a caller either',
    traces({ OTEL_TRACES_SAMPLER: 'always_off' }),
    keeps(0),
    { parentFlags: 1 },
  ],
  [
    'parentbased_always_off keeps what its caller keeps',
    traces({ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }),
    keeps(1),
    { parentFlags: 1 },
  ],
  ['the default sampler drops what its caller drops', traces({}), keeps(0), { parentFlags: 0 }],
  ['a sampler’s name in capitals', traces({ OTEL_TRACES_SAMPLER: 'Always_Off' }), keeps(0)],
  [
    'a sampler nobody knows is the default one',
    traces({ OTEL_TRACES_SAMPLER: 'sometimes' }),
    keeps(1, 'OTEL_TRACES_SAMPLER'),
  ],
  [
    'a sampler of a vendor is refused',
    traces({ OTEL_TRACES_SAMPLER: 'parentbased_jaeger_remote' }),
    refuses(/OTEL_TRACES_SAMPLER: must be/),
  ],
  ['traceidratio, 0', traces({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }), keeps(0)],
  [
    'traceidratio without a ratio is 1',
    traces({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '' }),
    keeps(1, 'OTEL_TRACES_SAMPLER_ARG'),
  ],
  [
    'traceidratio, 5%, is 1',
    traces({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '5%' }),
    keeps(1, 'OTEL_TRACES_SAMPLER_ARG'),
  ],
  [
    'traceidratio, -1, is 1',
    traces({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '-1' }),
    keeps(1, 'OTEL_TRACES_SAMPLER_ARG'),
  ],
  ['histograms have buckets', metrics({}), (ran) => assert.ok(ran.histogram?.histogram)],
  [
    '…_DEFAULT_HISTOGRAM_AGGREGATION',
    metrics({ [aggregation()]: 'base2_exponential_bucket_histogram' }),
    (ran) => assert.ok(ran.histogram?.exponentialHistogram),
  ],
  [
    'exponential histograms and Prometheus’ page exclude each other',
    metrics({ [aggregation()]: 'base2_exponential_bucket_histogram', METRICS_ENABLED: 'true' }),
    refuses(/must be unset with METRICS_ENABLED/),
  ],
  [
    '…_TEMPORALITY_PREFERENCE=delta',
    metrics({ OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta' }),
    (ran) => assert.equal(ran.histogram?.histogram?.aggregationTemporality, 1),
  ],
  [
    'OTEL_BSP_MAX_EXPORT_BATCH_SIZE',
    traces({ OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '2' }),
    (ran) => assert.deepEqual([ran.requests.length, ran.spans.length], [2, 3]),
    { spans: 3 },
  ],
  [
    'OTEL_BSP_MAX_QUEUE_SIZE',
    traces({ OTEL_BSP_MAX_QUEUE_SIZE: '2' }),
    // Two that are under way, two that wait.
    (ran) => assert.equal(ran.spans.length, 4),
    { spans: 9 },
  ],
  ['OTEL_BSP_SCHEDULE_DELAY', traces({ OTEL_BSP_SCHEDULE_DELAY: '20' }), keeps(1), { whileOpen: () => arrived() }],
  [
    'OTEL_METRIC_EXPORT_INTERVAL',
    metrics({ OTEL_METRIC_EXPORT_INTERVAL: '20' }),
    (ran) => assert.ok(ran.requests.length > 1),
    { whileOpen: () => arrived() },
  ],
  [
    'an interval that is none is the default',
    metrics({ OTEL_METRIC_EXPORT_INTERVAL: 'often' }),
    (ran) => assert.deepEqual(ran.settings, ['OTEL_METRIC_EXPORT_INTERVAL']),
  ],
  [
    'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT',
    traces({ OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '3' }),
    ({ spans }) => assert.equal(spans[0]?.attributes[0]?.value.stringValue, 'abc'),
    { attributes: { 'test.text': 'abcdef' } },
  ],
  [
    'OTEL_PROPAGATORS without ours is refused',
    traces({ OTEL_PROPAGATORS: 'b3' }),
    refuses(/OTEL_PROPAGATORS: must name tracecontext/),
  ],
  [
    'OTEL_CONFIG_FILE is refused',
    traces({ OTEL_CONFIG_FILE: '/etc/otel.yaml' }),
    refuses(/OTEL_CONFIG_FILE: is not supported/),
  ],
  [
    'OTEL_SERVICE_NAME wins over OTEL_RESOURCE_ATTRIBUTES',
    traces({ OTEL_RESOURCE_ATTRIBUTES: 'service.name=a,team=b%20c', OTEL_SERVICE_NAME: 'mine' }),
    ({ resource }) => assert.deepEqual([resource['service.name'], resource.team], ['mine', 'b c']),
  ],
  [
    'OTEL_RESOURCE_ATTRIBUTES names the instance',
    traces({ OTEL_RESOURCE_ATTRIBUTES: 'service.instance.id=pod' }),
    ({ resource }) => assert.equal(resource['service.instance.id'], 'pod'),
  ],
  ['the SDK, the service and the instance name themselves', traces({}), isNamed],
  ['OTEL_LOG_LEVEL lets nothing of the SDK’s words into the log', traces({ OTEL_LOG_LEVEL: 'debug' }), keeps(1)],
];

function types({ requests }: Ran) {
  return requests
    .map(({ path, headers }) => [path, headers['content-type']])
    .sort()
    .map(([, type]) => type)
    .reverse();
}

function aggregation() {
  return 'OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION';
}

async function arrived() {
  const endMs = performance.now() + 5_000;
  while (collector.received.length === 0 && performance.now() < endMs) await new Promise(setImmediate);
}

function isNamed({ resource }: Ran) {
  assert.equal(resource['service.name'], 'test-service');
  assert.equal(resource['telemetry.sdk.language'], 'nodejs');
  assert.match(resource['telemetry.sdk.version'] ?? '', /^\d+\.\d+\.\d+$/);
  assert.match(resource['service.instance.id'] ?? '', /^[0-9a-f-]{36}$/);
}

describe('what OpenTelemetry’s specification says of its variables', () => {
  for (const [said, env, happened, work] of rows) {
    it(said, async () => happened(await runOtel(env(collector.url), collector, work)));
  }
});
