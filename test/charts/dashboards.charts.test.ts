import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempDisposableSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { findPromtool } from '../kit/debian/promtool.ts';
import { unknownMetrics } from './metric-names.ts';

const folder = 'charts/onbehalf/files/dashboards';

type Panel = { title: string; description?: string; targets: { expr: string; exemplar?: boolean }[] };
type Dashboard = {
  uid: string;
  title: string;
  panels: Panel[];
  templating: { list: { name: string; allValue?: string }[] };
  links: { title: string; url?: string }[];
};

const dashboards = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Dashboard);
const queries = dashboards.flatMap(({ title, panels }) =>
  panels.flatMap((panel) => panel.targets.map(({ expr }) => ({ where: `${title} / ${panel.title}`, expr }))),
);

let promtool = '';
before(async () => {
  promtool = await findPromtool('.cache');
});

describe('the dashboards', () => {
  it('are three, each with an id and panels of its own', () => {
    const ids = ['onbehalf-dependencies', 'onbehalf-sign-in', 'onbehalf-tokens'];
    assert.deepEqual(dashboards.map(({ uid }) => uid).sort(), ids);
    for (const { panels } of dashboards) assert.ok(panels.length >= 9);
  });

  it('show the namespaces that are chosen, all of them to begin with, and no series of others', () => {
    for (const { title, templating } of dashboards) {
      const namespace = templating.list.find(({ name }) => name === 'namespace');
      // Also what has no such label, as from a collector that does not set it.
      assert.equal(namespace?.allValue, '.*', title);
    }
    const metric =
      /\b(?:onbehalf|http|nodejs|v8js|redis)_[a-z0-9_]+_(?:total|bucket|count|bytes|seconds|ratio|up)\b(.)/g;
    for (const { where, expr } of queries) {
      for (const [, next] of expr.matchAll(metric)) assert.equal(next, '{', where);
      for (const [selector] of expr.matchAll(/\{[^}]*\}/g))
        assert.match(selector, /^\{namespace=~"\$namespace"/, where);
      // A series by OTLP has an instance and no pod; names that others use too are asked of our services only.
      assert.doesNotMatch(expr, /\bpod\b/, where);
      for (const [selector] of expr.matchAll(/\b(?:http|nodejs|v8js)_\w+\{[^}]*\}/g)) assert.match(selector, /job=~/);
    }
  });

  it('say of every panel what it shows, lead to failed traces, and from two histograms to single ones', () => {
    for (const { title, panels, links } of dashboards) {
      for (const panel of panels) assert.ok((panel.description ?? '').length > 15, `${title} / ${panel.title}`);
      assert.match(links.find((link) => link.title === 'Failed traces')?.url ?? '', /\$\{traces\}/);
    }
    const withExemplars = dashboards.flatMap(({ panels }) => panels).filter(({ targets }) => targets[0]?.exemplar);
    assert.deepEqual(withExemplars.map(({ title }) => title).sort(), [
      'Our part of a sign-in',
      'Time for a token, 99th percentile',
    ]);
  });

  it('ask only for metrics that exist', () => {
    for (const { where, expr } of queries) assert.deepEqual(unknownMetrics(expr), [], where);
  });

  it('ask in valid PromQL', () => {
    const rules = queries.map(({ expr }, place) => ({
      record: `query_${place}`,
      expr: expr.replaceAll('$__rate_interval', '5m'),
    }));
    using folder = mkdtempDisposableSync(join(tmpdir(), 'onbehalf-queries-'));
    const path = join(folder.path, 'rules.yaml');
    writeFileSync(path, JSON.stringify({ groups: [{ name: 'queries', rules }] }));
    const { status, stderr, stdout } = spawnSync(promtool, ['check', 'rules', path], { encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
  });
});
