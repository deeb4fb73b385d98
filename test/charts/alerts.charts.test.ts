import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempDisposableSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { KubernetesObject } from '@kubernetes/client-node';
import { stringify } from 'yaml';
import { findPromtool } from '../kit/debian/promtool.ts';
import { type AlertGroup, type AlertRule, alertGroups, alertsFile } from './alert-rules.ts';
import { prometheusNames, unknownMetrics } from './metric-names.ts';
import { copyCharts, objectsOf, ofKind, podsOf, render, scenarios } from './render.ts';

const runbookUrl = 'https://github.com/onbehalf/onbehalf/blob/main/docs/runbook.md';

const rules = alertGroups().flatMap((group) => group.rules);

/**
 * A series and its values as promtool writes them: `0+60x10` grows by 60 a minute, ten times; `_x30 1x10` is born after
 * half an hour. Where a series names no `job` or `instance` it is of one pod of the service that has the metric.
 */
type Series = [series: string, values: string];

const http = (status: number, job = 'token-broker') =>
  `http_server_request_duration_seconds_count{job="${job}", http_route="/oauth2/token", http_response_status_code="${status}"}`;
const page = (status: number) => http(status, 'prod/onbehalf-web-frontend');
const toBroker = (labels: string) =>
  `http_client_request_duration_seconds_count{job="web-frontend", server_address="onbehalf-token-broker", ${labels}}`;
const started = 'onbehalf_flow_started_total{onbehalf_flow_kind="sign_in"}';
const callback = (le: string) => `onbehalf_flow_duration_seconds_bucket{onbehalf_flow_part="ours", le="${le}"}`;
const callbacks = 'onbehalf_flow_duration_seconds_count{onbehalf_flow_part="ours"}';
const flow = (outcome: string) => `onbehalf_flow_completed_total{onbehalf_flow_outcome="${outcome}"}`;
const acquired = (source: string) =>
  `onbehalf_token_acquire_duration_seconds_count{onbehalf_grant="token_exchange", onbehalf_token_source="${source}"}`;
const bucket = (le: string) =>
  `onbehalf_token_acquire_duration_seconds_bucket{onbehalf_token_source="memory", le="${le}"}`;
const entra = (name: string) =>
  `onbehalf_entra_request_duration_seconds_count{onbehalf_credential="secret", onbehalf_entra_class="${name}"}`;
const cache = (outcome: string, instance = 'pod') =>
  `onbehalf_cache_operation_duration_seconds_count{instance="${instance}", onbehalf_cache_outcome="${outcome}"}`;
const alive = (job: string) => `nodejs_eventloop_utilization_ratio{job="${job}"}`;

/** For each alert: after so long it fires on the one, and is silent on the other. */
const rows: [alert: string, after: string, fires: Series[], silent: Series[]][] = [
  [
    'TokenErrorsFast',
    '70m',
    [
      [http(200), '0+950x400'],
      [http(503), '0+50x400'],
    ],
    [
      [http(200), '0+999x400'],
      [http(503), '0+1x400'],
    ],
  ],
  [
    'TokenErrorsSlow',
    '390m',
    [
      [http(200), '0+990x400'],
      [http(503), '0+10x400'],
    ],
    [
      [http(200), '0+999x400'],
      [http(503), '0+1x400'],
    ],
  ],
  [
    'FlowErrorsFast',
    '70m',
    [
      [flow('success'), '0+95x400'],
      [flow('failed'), '0+5x400'],
    ],
    [
      [flow('success'), '0+95x400'],
      [flow('denied'), '0+5x400'],
    ],
  ],
  [
    'FlowErrorsSlow',
    '390m',
    [
      [flow('success'), '0+990x400'],
      [flow('failed'), '0+10x400'],
    ],
    [
      [flow('success'), '0+999x400'],
      [flow('failed'), '0+1x400'],
    ],
  ],
  [
    'TokenSlow',
    '25m',
    [
      [bucket('0.02'), '0+90x400'],
      [bucket('0.05'), '0+100x400'],
      [bucket('+Inf'), '0+100x400'],
      [acquired('memory'), '0+100x400'],
    ],
    [
      [bucket('0.02'), '0+100x400'],
      [bucket('+Inf'), '0+100x400'],
      [acquired('memory'), '0+100x400'],
    ],
  ],
  [
    'HitRatioLow',
    '45m',
    [
      [acquired('memory'), '0+800x400'],
      [acquired('entra'), '0+200x400'],
    ],
    [
      [acquired('memory'), '0+990x400'],
      [acquired('entra'), '0+10x400'],
    ],
  ],
  ['Stampede', '25m', [['onbehalf_token_stampede_total', '0+60x400']], [['onbehalf_token_stampede_total', '0+1x400']]],
  [
    'SignOutLost',
    '10m',
    [['onbehalf_sign_out_lost_total{onbehalf_sign_out_kind="everywhere"}', '0+1x400']],
    [['onbehalf_sign_out_lost_total{onbehalf_sign_out_kind="everywhere"}', '3x400']],
  ],
  [
    'EntraThrottling',
    '15m',
    [[entra('throttled'), '0+6x400']],
    [
      [entra('throttled'), '5x400'],
      [entra('ok'), '0+9x400'],
    ],
  ],
  [
    'EntraDown',
    '15m',
    [
      [entra('transient'), '0+60x400'],
      [entra('ok'), '0+10x400'],
    ],
    [
      [entra('transient'), '0+10x400'],
      [entra('ok'), '0+60x400'],
    ],
  ],
  [
    'CredentialRejected',
    '10m',
    [[entra('credential'), '0+1x400']],
    [
      [entra('credential'), '3x400'],
      [entra('ok'), '0+9x400'],
    ],
  ],
  [
    'CredentialExpiring',
    '70m',
    [['onbehalf_credential_remaining_seconds{onbehalf_client_id="a"}', '1000000x400']],
    [['onbehalf_credential_remaining_seconds{onbehalf_client_id="a"}', '2000000x400']],
  ],
  [
    'Unclassified',
    '10m',
    [['onbehalf_entra_unclassified_total', '0+1x400']],
    [['onbehalf_entra_unclassified_total', '4x400']],
  ],
  [
    'NobodyReturns',
    '20m',
    [
      [started, '0+2x400'],
      [flow('success'), '0x400'],
    ],
    [
      [started, '0+2x400'],
      [flow('denied'), '0+1x400'],
    ],
  ],
  [
    'CallbackSlow',
    '40m',
    [
      [callback('0.25'), '0+9x400'],
      [callback('0.5'), '0+10x400'],
      [callback('+Inf'), '0+10x400'],
      [callbacks, '0+10x400'],
    ],
    [
      [callback('0.25'), '0+99x400'],
      [callback('+Inf'), '0+100x400'],
      [callbacks, '0+100x400'],
    ],
  ],
  [
    'FrontendErrors',
    '10m',
    [
      [page(200), '0+5x400'],
      [page(500), '0+50x400'],
    ],
    [
      [page(200), '0+990x400'],
      [page(500), '0+10x400'],
    ],
  ],
  [
    'ServiceGone',
    '35m',
    [[alive('prod/onbehalf-token-broker'), '0.1x30 stale']],
    [[alive('prod/onbehalf-token-broker'), '0.1x400']],
  ],
  [
    'BrokerUnreachable',
    '10m',
    [
      [toBroker('error_type="Error"'), '0+6x400'],
      [toBroker('http_response_status_code="200"'), '0+6x400'],
    ],
    [
      [toBroker('http_response_status_code="503", error_type="503"'), '0+6x400'],
      [toBroker('http_response_status_code="200"'), '0+6x400'],
    ],
  ],
  ['ClockSkew', '10m', [['onbehalf_clock_skew_seconds', '-45x400']], [['onbehalf_clock_skew_seconds', '-3x400']]],
  [
    'RedisDown',
    '5m',
    [
      [cache('down'), '0+60x400'],
      [cache('ok'), '100x400'],
    ],
    [
      [cache('timeout'), '0+1x400'],
      [cache('ok'), '0+600x400'],
    ],
  ],
  [
    'RedisFull',
    '10m',
    [[cache('full'), '0+1x400']],
    [
      [cache('full'), '2x400'],
      [cache('ok'), '0+9x400'],
    ],
  ],
  [
    'RedisMemory',
    '20m',
    [
      ['redis_memory_used_bytes', '90x400'],
      ['redis_memory_max_bytes', '100x400'],
    ],
    [
      ['redis_memory_used_bytes', '90x400'],
      ['redis_memory_max_bytes', '0x400'],
    ],
  ],
  ['RedisEvictions', '20m', [['redis_evicted_keys_total', '0+1x400']], [['redis_evicted_keys_total', '7x400']]],
  [
    'RedisRefuses',
    '5m',
    [
      ['onbehalf_cache_refused{pod="a"}', '0x400'],
      ['onbehalf_cache_refused{pod="b"}', '2x400'],
    ],
    [['onbehalf_cache_refused{pod="a"}', '0x400']],
  ],
  [
    'ClusterKeysStale',
    '15m',
    [['onbehalf_callers_keys_stale_seconds{pod="b"}', '0+60x400']],
    [['onbehalf_callers_keys_stale_seconds{pod="b"}', '0x400']],
  ],
  [
    'InvalidationDown',
    '5m',
    [
      ['onbehalf_cache_invalidation_up{pod="a"}', '1x400'],
      ['onbehalf_cache_invalidation_up{pod="b"}', '0x400'],
    ],
    [['onbehalf_cache_invalidation_up{pod="a"}', '1x400']],
  ],
  [
    'OpenFailed',
    '10m',
    [['onbehalf_cache_open_failed_total', '0+1x400']],
    [['onbehalf_cache_open_failed_total', '9x400']],
  ],
  [
    'KeysStale',
    '1560m',
    [['onbehalf_cache_old_key_total', '0+1x1600']],
    [['onbehalf_cache_old_key_total', '0+1x600 600x1000']],
  ],
  [
    'ReloadFailed',
    '20m',
    [['onbehalf_reload_total{onbehalf_result="failed", onbehalf_reload_what="keys"}', '0+1x400']],
    [['onbehalf_reload_total{onbehalf_result="ok", onbehalf_reload_what="keys"}', '0+1x400']],
  ],
];

/** What is not told by one row: counts too small to tell, series born late, one pod of many. */
const edges: [what: string, alert: string, after: string, series: Series[], fires: boolean][] = [
  [
    'one failed token request of 21',
    'TokenErrorsFast',
    '70m',
    [
      [http(200), '0x40 20x400'],
      [http(503), '0x40 1x400'],
    ],
    false,
  ],
  [
    'one failed sign-in of 21',
    'FlowErrorsFast',
    '70m',
    [
      [flow('success'), '0x40 20x400'],
      [flow('failed'), '0x40 1x400'],
    ],
    false,
  ],
  [
    'one failed page of three',
    'FrontendErrors',
    '45m',
    [
      [page(200), '0x40 2x400'],
      [page(500), '0x40 1x400'],
    ],
    false,
  ],
  ['one operation at Entra ID that failed', 'EntraDown', '45m', [[entra('transient'), '0x40 1x400']], false],
  ['three people who do not come back', 'NobodyReturns', '45m', [[started, '0x40 3x400']], false],
  ['a service that is new', 'ServiceGone', '45m', [[alive('token-broker'), '_x30 0.1x400']], false],
  ['nobody who came back, and no counter of it', 'NobodyReturns', '20m', [[started, '0+2x400']], true],
  ['a credential refused for the first time', 'CredentialRejected', '33m', [[entra('credential'), '_x30 1x400']], true],
  ['Redis full for the first time', 'RedisFull', '33m', [[cache('full'), '_x30 1x400']], true],
  [
    'Entra ID throttling for the first time, then going on',
    'EntraThrottling',
    '38m',
    [[entra('throttled'), '_x30 1+1x400']],
    true,
  ],
  [
    'one broker of twenty without Redis',
    'RedisDown',
    '7m',
    [
      ...Array.from({ length: 19 }, (_, pod): Series => [cache('ok', `pod-${pod}`), '0+600x400']),
      [cache('down', 'pod'), '0+60x400'],
    ],
    true,
  ],
];

/** The days nobody may sleep through: each minute a sample, the fault after an hour; five minutes later it has fired. */
const worstDays: [what: string, alert: string, series: Series[]][] = [
  ['both brokers are dead', 'ServiceGone', [[alive('token-broker'), '0.1x60 stale']]],
  [
    'both brokers are dead, seen by web-frontend',
    'BrokerUnreachable',
    [
      [toBroker('http_response_status_code="200"'), '0+100x60 6000x400'],
      [toBroker('error_type="Error"'), '_x60 0+100x400'],
    ],
  ],
  [
    'web-frontend responds with 500 to everybody',
    'FrontendErrors',
    [
      [page(200), '0+100x60 6000x400'],
      [page(500), '_x60 0+100x400'],
    ],
  ],
  [
    'nobody comes back from Entra ID',
    'NobodyReturns',
    [
      [started, '0x60 0+20x400'],
      [flow('success'), '0x460'],
    ],
  ],
  [
    'Redis is cut off from one of 20 brokers',
    'RedisDown',
    [
      ...Array.from({ length: 19 }, (_, pod): Series => [cache('ok', `pod-${pod}`), '0+600x460']),
      [cache('ok'), '0+600x60 36000x400'],
      [cache('down'), '_x60 0+600x400'],
    ],
  ],
  [
    'Entra ID is away',
    'EntraDown',
    [
      [entra('ok'), '0+10x60 600x400'],
      [entra('transient'), '_x60 0+10x400'],
    ],
  ],
];

let promtool = '';
before(async () => {
  promtool = await findPromtool('.cache');
});

const serviceOf: [prefix: RegExp, job: string][] = [
  [/^(onbehalf_flow|onbehalf_sign_out)/, 'prod/onbehalf-web-frontend'],
  [/^redis_/, 'redis-exporter'],
  [/^/, 'onbehalf/token-broker'],
];

/** The series as a Prometheus has it that scrapes the pods of a namespace. */
function inNamespace(series: string, namespace: string): string {
  const [, name, labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(series) ?? [];
  const job = serviceOf.find(([prefix]) => prefix.test(name ?? ''))?.[1];
  const own = [labels, `namespace="${namespace}"`];
  if (!labels.includes('job=')) own.push(`job="${job}"`);
  if (!labels.includes('instance=')) own.push('instance="pod"');
  return `${name}{${own.filter((each) => each !== '').join(', ')}}`;
}

/** The labels that an alert keeps of its series: those of its outermost `by`. */
function keptLabels(series: Series[], { expr }: AlertRule): Record<string, string> {
  const kept = (/by \(([^)]*)\)/.exec(expr)?.[1] ?? '').split(', ').filter((label) => label !== 'le');
  const all = series.map(([each]) => inNamespace(each, 'prod')).at(-1) ?? '';
  return Object.fromEntries(
    kept.flatMap((label) => [[label, new RegExp(`\\b${label}="([^"]*)"`).exec(all)?.[1] ?? '']]),
  );
}

type Case = { name: string; at: string; series: Series[]; fires: boolean; beside?: Series[] };

/** Lets promtool judge each case by itself; gives its words, none if all is as expected. */
function judge(cases: Case[]): string {
  const tests = cases.map(({ name, at, series, fires, beside = [] }) => {
    const rule = rules.find(({ alert }) => alert === name);
    assert.ok(rule, name);
    const all = [
      ...series.map(([each, values]) => [inNamespace(each, 'prod'), values]),
      ...beside.map(([each, values]) => [inNamespace(each, 'test'), values]),
    ];
    return {
      interval: '1m',
      input_series: all.map(([each, values]) => ({ series: each, values })),
      alert_rule_test: [
        {
          eval_time: at,
          alertname: name,
          exp_alerts: fires
            ? [{ exp_labels: { ...rule.labels, ...keptLabels(series, rule) }, exp_annotations: rule.annotations }]
            : [],
        },
      ],
    };
  });
  using folder = mkdtempDisposableSync(join(tmpdir(), 'onbehalf-alerts-'));
  const path = join(folder.path, 'tests.yaml');
  // promtool evaluates every rule of a file every minute: only those that are asked about.
  const own = rules.filter(({ alert }) => cases.some(({ name }) => name === alert));
  const ruleFile = join(folder.path, 'rules.yaml');
  writeFileSync(ruleFile, JSON.stringify({ groups: [{ name: 'own', rules: own }] }));
  writeFileSync(path, JSON.stringify({ rule_files: [ruleFile], evaluation_interval: '1m', tests }));
  const { status, stdout, stderr } = spawnSync(promtool, ['test', 'rules', path], { encoding: 'utf8' });
  return status === 0 ? '' : `${stdout}\n${stderr}`;
}

describe('the alerts', () => {
  it('are valid rules', () => {
    const { status, stderr } = spawnSync(promtool, ['check', 'rules', alertsFile], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  });

  it('ask only for metrics that exist', () => {
    assert.ok(prometheusNames().size > 30);
    for (const { alert, expr } of rules) assert.deepEqual(unknownMetrics(expr), [], alert);
  });

  it('have each a row here, and a heading in the runbook', () => {
    assert.deepEqual(rows.map(([name]) => `Onbehalf${name}`).sort(), rules.map(({ alert }) => alert).sort());
    const headings: string[] = readFileSync('docs/runbook.md', 'utf8').match(/(?<=^### )\S+/gm) ?? [];
    for (const { alert, annotations } of rules) {
      assert.ok(headings.includes(alert), `no heading ### ${alert}`);
      assert.equal(annotations.runbook_url, `${runbookUrl}#${alert.toLowerCase()}`);
    }
  });

  it('name their threshold once, so that a value can replace it', () => {
    for (const { alert, expr, annotations } of rules) {
      if (alert === 'OnbehalfServiceGone') continue;
      assert.match(expr, new RegExp(`[<>] ${annotations.threshold?.replaceAll('.', '\\.')}$`, 'm'), alert);
    }
  });

  it('look at one namespace each, and only at our services', () => {
    const sums = /(?:sum|min|max|count) by \(namespace\b/;
    for (const { alert, expr } of rules) {
      assert.match(expr, sums, alert);
      assert.doesNotMatch(expr, /\b(sum|min|max|count) ?\(/, alert);
      for (const [selector] of expr.matchAll(/\w+\{[^}]*\}/g)) assert.match(selector, /\{job=~/, alert);
    }
  });

  for (const [name, at, fires, silent] of rows) {
    it(`Onbehalf${name} fires, also beside another namespace that is well, and stays silent`, () => {
      const cases = [
        { name: `Onbehalf${name}`, at, series: fires, fires: true, beside: silent },
        { name: `Onbehalf${name}`, at, series: silent, fires: false },
      ];
      assert.equal(judge(cases), '');
    });
  }

  it('are not misled by small counts, series born late, or one pod of many', () => {
    const cases = edges.map(([, name, at, series, fires]) => ({ name: `Onbehalf${name}`, at, series, fires }));
    assert.equal(judge(cases), '');
  });

  it('fire within five minutes on the worst days', () => {
    const cases = worstDays.map(([, name, series]) => ({ name: `Onbehalf${name}`, at: '65m', series, fires: true }));
    assert.equal(judge(cases), '');
  });

  it('follow the values of the chart, and are valid rules with them', async () => {
    const charts = await copyCharts();
    const scenario = (await scenarios()).find(({ name }) => name === 'onbehalf/cilium');
    assert.ok(scenario);
    const set = {
      alerts: {
        enabled: true,
        ownNamespaceOnly: true,
        runbookUrl: 'https://wiki.example.com/runbook',
        labels: { team: 'identity' },
        rules: {
          OnbehalfTokenSlow: { threshold: 0.05, for: '5m', severity: 'critical' },
          OnbehalfEntraThrottling: { threshold: 3 },
          OnbehalfUnclassified: { enabled: false },
        },
      },
    };
    const [object] = ofKind<KubernetesObject & { spec: { groups: AlertGroup[] } }>(
      objectsOf(await render(charts, scenario, { set })),
      'PrometheusRule',
    );
    const groups = object?.spec.groups ?? [];
    const rendered = groups.flatMap((group) => group.rules);
    const named = (name: string) => rendered.find(({ alert }) => alert === name);
    assert.deepEqual(
      rendered.map(({ alert }) => alert),
      rules.map(({ alert }) => alert).filter((alert) => alert !== 'OnbehalfUnclassified'),
    );
    const slow = named('OnbehalfTokenSlow');
    assert.match(slow?.expr ?? '', /\) > 0\.05\nand\n.* > 100$/m);
    assert.deepEqual(
      [slow?.for, slow?.labels, slow?.annotations.threshold, slow?.annotations.runbook_url],
      ['5m', { severity: 'critical', team: 'identity' }, '0.05', 'https://wiki.example.com/runbook#onbehalftokenslow'],
    );
    assert.equal(named('OnbehalfEntraThrottling')?.expr.match(/ > 3$/gm)?.length, 2);
    for (const { alert, expr } of rendered)
      for (const [selector] of expr.matchAll(/\w+\{[^}]*\}/g))
        assert.match(selector, /\{namespace="onbehalf", job=~/, alert);
    using folder = mkdtempDisposableSync(join(tmpdir(), 'onbehalf-alerts-'));
    const path = join(folder.path, 'rules.yaml');
    writeFileSync(path, stringify({ groups }));
    const { status, stderr } = spawnSync(promtool, ['check', 'rules', path], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  });

  it('fit into the rule groups of Azure Monitor, as docs/aks/alerts.bicep makes them', () => {
    // At most 20 rules a group and a duration in one unit: Learn, "Azure Monitor managed service for Prometheus rule groups".
    for (const { rules } of alertGroups()) assert.ok(rules.length <= 20);
    for (const { alert, for: wait = '1m' } of rules) assert.match(wait, /^\d+[mh]$/, alert);
  });

  it('count nothing twice: what Prometheus scrapes is not sent to the collector too', async () => {
    const charts = await copyCharts();
    const scenario = (await scenarios()).find(({ name }) => name === 'onbehalf/cilium');
    assert.ok(scenario);
    const exporters = async (enabled: boolean) =>
      podsOf(objectsOf(await render(charts, scenario, { set: { global: { metrics: { enabled } } } })))
        .flatMap(({ spec }) => spec.containers)
        .filter(({ env = [] }) => env.some(({ name }) => name === 'OTEL_EXPORTER_OTLP_ENDPOINT'))
        .map(({ env = [] }) => env.find(({ name }) => name === 'OTEL_METRICS_EXPORTER')?.value);
    assert.deepEqual(await exporters(true), ['none', 'none', 'none']);
    assert.deepEqual(await exporters(false), [undefined, undefined, undefined]);
  });
});
