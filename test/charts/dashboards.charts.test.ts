import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempDisposableSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { findPromtool } from '../kit/debian/promtool.ts';
import { unknownMetrics } from './metric-names.ts';

const folder = 'charts/onbehalf/files/dashboards';

type Dashboard = { uid: string; title: string; panels: { title: string; targets: { expr: string }[] }[] };

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
