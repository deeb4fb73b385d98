import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempDisposableSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { findPromtool } from '../kit/debian/promtool.ts';
import { prometheusNames, unknownMetrics } from './metric-names.ts';

const file = resolve('charts/onbehalf/files/alerts.yaml');

type Rule = { alert: string; expr: string; labels: { severity: string }; annotations: Record<string, string> };
const rules = (parse(readFileSync(file, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap((g) => g.rules);

/** A series and its values as promtool writes them: `0+60x10` grows by 60 a minute, ten times. */
type Series = [series: string, values: string];

const http = (status: number) =>
  `http_server_request_duration_seconds_count{http_route="/oauth2/token", http_response_status_code="${status}"}`;
const flow = (outcome: string) => `onbehalf_flow_completed_total{onbehalf_flow_outcome="${outcome}"}`;
const acquired = (source: string) =>
  `onbehalf_token_acquire_duration_seconds_count{onbehalf_grant="token_exchange", onbehalf_token_source="${source}"}`;
const bucket = (le: string) =>
  `onbehalf_token_acquire_duration_seconds_bucket{onbehalf_token_source="memory", le="${le}"}`;
const entra = (name: string) => `onbehalf_entra_request_duration_seconds_count{onbehalf_entra_class="${name}"}`;
const cache = (outcome: string) =>
  `onbehalf_cache_operation_duration_seconds_count{onbehalf_cache_outcome="${outcome}"}`;

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
    ],
    [
      [bucket('0.02'), '0+100x400'],
      [bucket('+Inf'), '0+100x400'],
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

let promtool = '';
before(async () => {
  promtool = await findPromtool('.cache');
});

/** Lets promtool judge each case by itself; gives its words, none if all is as expected. */
function judge(cases: { name: string; at: string; series: Series[]; fires: boolean }[]): string {
  const tests = cases.map(({ name, at, series, fires }) => {
    const { labels, annotations } = rules.find(({ alert }) => alert === name) ?? { labels: {}, annotations: {} };
    const alertname = name;
    const seen = keptLabels(series, name);
    return {
      interval: '1m',
      input_series: series.map(([each, values]) => ({ series: each, values })),
      alert_rule_test: [
        {
          eval_time: at,
          alertname,
          exp_alerts: fires ? [{ exp_labels: { ...labels, ...seen }, exp_annotations: annotations }] : [],
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

const keptLabel: Record<string, string> = {
  OnbehalfReloadFailed: 'onbehalf_reload_what',
  OnbehalfCredentialExpiring: 'onbehalf_client_id',
};

/** The labels that an alert keeps of its series. */
function keptLabels(series: Series[], name: string): Record<string, string> {
  const kept = keptLabel[name];
  const value = kept && new RegExp(`${kept}="([^"]*)"`).exec(series[0]?.[0] ?? '')?.[1];
  return kept && value ? { [kept]: value } : {};
}

describe('the alerts', () => {
  it('are valid rules', () => {
    const { status, stderr } = spawnSync(promtool, ['check', 'rules', file], { encoding: 'utf8' });
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
      assert.equal(annotations.runbook, `docs/runbook.md#${alert.toLowerCase()}`);
    }
  });

  for (const [name, at, fires, silent] of rows) {
    it(`Onbehalf${name} fires, and stays silent`, () => {
      const cases = [
        { name: `Onbehalf${name}`, at, series: fires, fires: true },
        { name: `Onbehalf${name}`, at, series: silent, fires: false },
      ];
      assert.equal(judge(cases), '');
    });
  }
});
