import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { KubernetesObject, V1Deployment } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { copyCharts, objectsOf, ofKind, render, type Scenario, scenarios } from './render.ts';

const all = await scenarios();

type Values = { [key: string]: unknown };
const isSection = (value: unknown): value is Values =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;

/** The path of every value a chart declares. */
function leavesOf(values: Values, prefix: string[] = []): string[][] {
  return Object.entries(values).flatMap(([key, value]) =>
    isSection(value) ? leavesOf(value, [...prefix, key]) : [[...prefix, key]],
  );
}

const at = (values: Values, path: string[]): unknown =>
  path.reduce<unknown>((value, key) => (isSection(value) ? value[key] : undefined), values);

/** Another value of the same type. */
function changed(value: unknown): unknown {
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'string') return `${value}changed`;
  if (Array.isArray(value)) return [{ name: 'changed', file: 'changed' }];
  return { changed: 'changed' };
}

const nest = (path: string[], value: unknown): object =>
  path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object;

/** Keys that Helm itself reads, as a dependency's condition. */
const readByHelm = /^(web-frontend|token-broker|downstream-api)\.enabled$/;

describe('values', { concurrency: 2 }, () => {
  let charts: string;
  before(async () => {
    charts = await copyCharts();
  });

  /** What a changed value gives: other objects, or a refusal, which proves that it is read too. */
  async function outcome(scenario: Scenario, set?: object): Promise<string> {
    const args = ['--skip-schema-validation'];
    return render(charts, scenario, set ? { set, args } : { args }).catch(() => 'refused');
  }

  const unchanged = new Map<Scenario, Promise<string>>();
  /** What a scenario gives as it is: rendered once, and only where a value is looked for in it. */
  function asItIs(scenario: Scenario): Promise<string> {
    const known = unchanged.get(scenario) ?? outcome(scenario);
    unchanged.set(scenario, known);
    return known;
  }

  for (const chart of ['onbehalf', 'web-frontend', 'token-broker', 'downstream-api', 'dev']) {
    it(`of ${chart} all have an effect in some scenario`, async () => {
      const declared: Values = parse(await readFile(join(charts, chart, 'values.yaml'), 'utf8'));
      // A service's own scenarios, and then, for what needs company, the umbrella's, which take longer.
      const of = (name: string) => all.filter((one) => one.chart === name);
      const related = [...of(chart), ...(chart === 'onbehalf' || chart === 'dev' ? [] : of('onbehalf'))];
      const candidates = await Promise.all(
        related.map(async (scenario) => ({ scenario, values: await valuesOf(charts, scenario) })),
      );
      const dead: string[] = [];
      for (const path of leavesOf(declared)) {
        if (chart === 'onbehalf' && readByHelm.test(path.join('.'))) continue;
        const within = ({ chart: own }: Scenario) => (own === chart || path[0] === 'global' ? path : [chart, ...path]);
        const attempt = async ({ scenario, values }: (typeof candidates)[number]) => {
          const full = within(scenario);
          const other = changed(at(values, full) ?? at(declared, path));
          return (await outcome(scenario, nest(full, other))) !== (await asItIs(scenario));
        };
        // First where the section is spoken of at all: most values act where their section is switched on.
        const speaks = ({ scenario, values }: (typeof candidates)[number]) =>
          path.length > 1 && at(values, within(scenario).slice(0, -1)) !== undefined;
        const ordered = [...candidates.filter(speaks), ...candidates.filter((one) => !speaks(one))];
        if (!(await some(ordered, attempt))) dead.push(path.join('.'));
      }
      assert.deepEqual(dead, []);
    });
  }

  it('may be renamed nowhere: every path that a template reads is declared', async () => {
    for (const chart of ['web-frontend', 'token-broker', 'downstream-api', 'onbehalf']) {
      const declared: Values = parse(await readFile(join(charts, chart, 'values.yaml'), 'utf8'));
      const files = await readdir(join(charts, chart, 'templates'), { withFileTypes: true });
      const own = await Promise.all(
        files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), 'utf8')),
      );
      for (const [, path = ''] of own.join('\n').matchAll(/\.Values\.([A-Za-z0-9.]+)/g)) {
        // The umbrella leaves the rest of its globals to the services' own defaults.
        if (path.startsWith('global.networkPolicy') && chart === 'onbehalf') continue;
        assert.notEqual(at(declared, path.split('.')), undefined, `${chart}: ${path}`);
      }
    }
  });

  it('leave pods alone when only the charts’ version moves', async () => {
    const templates = (objects: KubernetesObject[]) =>
      ofKind<V1Deployment>(objects, 'Deployment').map(({ spec }) => spec?.template);
    const bumped = await copyCharts();
    for (const chart of ['common', 'web-frontend', 'token-broker', 'downstream-api', 'onbehalf']) {
      const path = join(bumped, chart, 'Chart.yaml');
      await writeFile(path, (await readFile(path, 'utf8')).replace(/^version: .*/m, 'version: 0.1.1'));
    }
    for (const scenario of all.filter((one) =>
      ['web-frontend', 'token-broker', 'downstream-api'].includes(one.chart),
    )) {
      const [before, after] = [objectsOf(await render(charts, scenario)), objectsOf(await render(bumped, scenario))];
      assert.notDeepEqual(after, before);
      assert.deepEqual(templates(after), templates(before), scenario.name);
    }
  });

  it('roll the pods when the content of their files changes', async () => {
    const scenario = all.find(({ name }) => name === 'token-broker/alone') as Scenario;
    const annotation = async (set?: object) =>
      ofKind<V1Deployment>(objectsOf(await render(charts, scenario, set ? { set } : {})), 'Deployment')[0]?.spec
        ?.template.metadata?.annotations?.['checksum/config'];
    const moved = await annotation({ clients: { orders: { scopes: ['https://graph.microsoft.com/Mail.Read'] } } });
    assert.notEqual(moved, await annotation());
  });

  it('compute a fact that is not stated, and take one that is', async () => {
    const scenario = all.find(({ name }) => name === 'onbehalf/facts') as Scenario;
    assert.match(
      await render(charts, scenario),
      /BROKER_URL\n\s+value: "http:\/\/onbehalf-token-broker\.onbehalf\.svc:8080"/,
    );
    const alone = all.find(({ name }) => name === 'web-frontend/alone') as Scenario;
    assert.match(await render(charts, alone), /BROKER_URL\n\s+value: "http:\/\/token-broker\.identity\.svc:8080"/);
  });
});

async function some<T>(items: T[], test: (item: T) => Promise<boolean>): Promise<boolean> {
  for (const item of items) if (await test(item)) return true;
  return false;
}

async function valuesOf(charts: string, { chart, files }: Scenario): Promise<Values> {
  const all = await Promise.all(
    files.map(async (file) => parse(await readFile(join(charts, chart, file), 'utf8'), { merge: true })),
  );
  return all.reduce(merge, {});
}

function merge(one: Values, other: Values): Values {
  const result = { ...one };
  for (const [key, value] of Object.entries(other ?? {})) {
    const before = result[key];
    result[key] = isSection(before) && isSection(value) ? merge(before, value) : value;
  }
  return result;
}
