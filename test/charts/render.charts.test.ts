import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { generate } from './generate.ts';
import { helm } from './helm.ts';
import { copyCharts, namespace, objectsOf, render, type Scenario, scenarios } from './render.ts';
import { compileCustomResources } from './typed-crds.ts';
import { faultsOf } from './validators.ts';
import { type ChartName, charts as chartValues } from './values/charts.ts';

const all = await scenarios();
const chartNames = Object.keys(chartValues) as ChartName[];
const source = join(import.meta.dirname, '../../charts');

describe('every scenario', () => {
  let charts: string;
  const rendered = new Map<Scenario, string>();
  before(async () => {
    charts = await copyCharts();
    for (const scenario of all) rendered.set(scenario, await render(charts, scenario));
  });

  it('passes helm lint --strict', async () => {
    for (const { chart, files } of all) {
      const values = files.flatMap((file) => ['-f', join(charts, chart, file)]);
      await helm(['lint', '--strict', '--quiet', join(charts, chart), ...values]);
    }
  });

  it('passes helm lint --strict without any values, every chart', async () => {
    for (const version of ['4.1.4', '3.17.2'] as const) {
      const built = await copyCharts(version);
      for (const chart of [...chartNames, 'common'])
        await helm(['lint', '--strict', '--quiet', join(built, chart)], version);
    }
  });

  it('renders to the same bytes once more, and with Helm 3 as with Helm 4', async () => {
    const old = await copyCharts('3.17.2');
    for (const scenario of all) {
      assert.equal(await render(old, scenario, { version: '3.17.2' }), rendered.get(scenario), scenario.name);
    }
  });

  it('renders objects that Kubernetes would take: types, required and unknown fields', () => {
    const faults = all.flatMap((scenario) =>
      objectsOf(rendered.get(scenario) ?? '')
        .flatMap(faultsOf)
        .map((fault) => `${scenario.name}: ${fault}`),
    );
    assert.deepEqual(faults, []);
  });

  it('renders custom resources without a field their types do not have', async () => {
    const objects = all.flatMap((scenario) => objectsOf(rendered.get(scenario) ?? ''));
    assert.deepEqual(await compileCustomResources(objects), []);
  });

  it('states the namespace of every namespaced object', () => {
    for (const scenario of all) {
      for (const object of objectsOf(rendered.get(scenario) ?? '')) {
        if (object.kind === 'ClusterRoleBinding' || object.metadata?.name?.startsWith('extra-')) continue;
        assert.equal(object.metadata?.namespace, namespace, `${scenario.name} ${object.kind} ${object.metadata?.name}`);
      }
    }
  });

  it('lets two releases share a namespace: no object has the same name', async () => {
    for (const scenario of all.filter(({ name }) => /facts|alone|kind/.test(name))) {
      const namesOf = async (release: string) =>
        objectsOf(await render(charts, scenario, { release })).map(({ kind, metadata }) => `${kind} ${metadata?.name}`);
      const [one, two] = [await namesOf('one'), await namesOf('two')];
      assert.deepEqual(
        one.filter((name) => two.includes(name)),
        [],
        scenario.name,
      );
    }
  });
});

describe('the charts as a set', () => {
  it('have one version, that of package.json', async () => {
    const { version } = JSON.parse(await readFile(join(source, '../package.json'), 'utf8'));
    for (const name of ['common', ...chartNames]) {
      const chart = parse(await readFile(join(source, name, 'Chart.yaml'), 'utf8'));
      assert.equal(chart.version, version, name);
      if (name !== 'common') assert.equal(chart.appVersion, version, name);
      for (const dependency of chart.dependencies ?? []) assert.equal(dependency.version, version, name);
    }
  });

  it('keep values.schema.json and README.md as made of the values', async () => {
    for (const chart of chartNames) {
      for (const [path, content] of Object.entries(await generate(chart))) {
        assert.equal(await readFile(path, 'utf8'), content, `${path}: run node test/charts/generate.ts`);
      }
    }
  });

  it('state the same global values in every service', async () => {
    const globals = await Promise.all(
      ['web-frontend', 'token-broker', 'downstream-api'].map(
        async (chart) =>
          /^global:[\s\S]*?^(?=image:)/m.exec(await readFile(join(source, chart, 'values.yaml'), 'utf8'))?.[0],
      ),
    );
    assert.ok(globals[0]);
    assert.deepEqual(globals.slice(1), [globals[0], globals[0]]);
  });

  it('package', async () => {
    const charts = await copyCharts();
    for (const chart of chartNames) {
      const output = await helm(['package', join(charts, chart), '--destination', join(charts, 'packages')]);
      assert.match(output, /Successfully packaged/);
    }
  });
});
