import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { KubernetesObject, V1Ingress, V1NetworkPolicy, V1Service } from '@kubernetes/client-node';
import { type Edge, edgesOf } from './edges.ts';
import { copyCharts, objectsOf, ofKind, render, scenarios } from './render.ts';

const services = ['web-frontend', 'token-broker', 'downstream-api'];
const all = await scenarios();
const umbrella = all.filter(({ chart }) => chart === 'onbehalf');

type Row = { from: string; to: string; port: string; scenario: string };

async function documentedRows(): Promise<Row[]> {
  const text = await readFile(join(import.meta.dirname, '../../docs/aks/network.md'), 'utf8');
  const lines = text.split('\n').filter((line) => /^\| (?!From|-)/.test(line));
  return lines.map((line) => {
    const [from = '', to = '', port = '', scenario = ''] = line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim());
    return { from, to, port, scenario };
  });
}

function holdsIn({ scenario }: Row, name: string): boolean {
  const names = scenario.replace(/^every but /, '').split(', ');
  if (scenario === 'every') return true;
  return names.includes(name) !== scenario.startsWith('every but ');
}

const show = ({ from, to, port }: Omit<Edge, 'side'>) => `${from} -> ${to} : ${port}`;
const set = (edges: Omit<Edge, 'side'>[]) => [...new Set(edges.map(show))].sort();

describe('the network', () => {
  const rendered = new Map<string, KubernetesObject[]>();
  before(async () => {
    const charts = await copyCharts();
    for (const scenario of all) rendered.set(scenario.name, objectsOf(await render(charts, scenario)));
  });
  const objects = (name: string) => rendered.get(name) ?? [];

  it('has exactly the documented edges, in every scenario', async () => {
    const rows = await documentedRows();
    assert.ok(rows.length > 30);
    for (const { name } of umbrella) {
      const short = name.replace('onbehalf/', '');
      if (short === 'no-netpol' || short === 'everything') continue;
      const documented = rows.filter((row) => holdsIn(row, short));
      assert.deepEqual(set(edgesOf(objects(name))), set(documented), name);
    }
  });

  it('opens an edge between two of our pods on both ends', () => {
    const edges = edgesOf(objects('onbehalf/facts')).filter(
      ({ from, to }) => services.includes(from) && services.includes(to),
    );
    const on = (side: string) => set(edges.filter((edge) => edge.side === side));
    assert.deepEqual(on('ingress'), on('egress'));
    assert.equal(on('ingress').length, 3);
  });

  it('closes both directions of every pod that serves', () => {
    for (const { name } of all) {
      if (name === 'onbehalf/no-netpol') continue;
      const policies = ofKind<V1NetworkPolicy>(objects(name), 'NetworkPolicy');
      for (const { spec } of policies) assert.deepEqual(spec?.policyTypes, ['Ingress', 'Egress'], name);
      const covered = policies.map(({ spec }) => JSON.stringify(spec?.podSelector?.matchLabels));
      for (const { spec } of ofKind<V1Service>(objects(name), 'Service')) {
        assert.ok(covered.includes(JSON.stringify(spec?.selector)), name);
      }
    }
  });

  it('renders no policy where they are switched off', () => {
    assert.deepEqual(edgesOf(objects('onbehalf/no-netpol')), []);
  });

  it('lets only token-broker reach Valkey', () => {
    const edges = edgesOf(objects('dev/kind')).filter(({ to }) => to === 'valkey');
    assert.deepEqual(set(edges), ['token-broker -> valkey : 6379']);
  });

  it('exposes port 8080 alone, or 8081 for gateways too where that is asked for, by a ClusterIP Service that says no type', () => {
    for (const { name, chart } of all) {
      if (chart === 'dev') continue;
      for (const { spec } of ofKind<V1Service>(objects(name), 'Service')) {
        assert.equal(spec?.type, undefined);
        assert.deepEqual(
          spec?.ports?.map(({ port, targetPort }) => [port, targetPort]),
          [[8080, 'http'], ...(name === 'web-frontend/alone' ? [[8081, 'verify']] : [])],
          name,
        );
      }
    }
  });

  it('has a Service per workload: no two select the same pods', () => {
    for (const { name } of all) {
      const selectors = ofKind<V1Service>(objects(name), 'Service').map(({ spec }) => JSON.stringify(spec?.selector));
      assert.equal(new Set(selectors).size, selectors.length, name);
    }
  });

  it('routes from outside to web-frontend alone, and only by the umbrella', () => {
    type Route = KubernetesObject & { spec: { rules: { backendRefs?: { name: string }[]; filters?: object[] }[] } };
    for (const { name, chart } of all) {
      const routes = ofKind<Route>(objects(name), 'HTTPRoute');
      const ingresses = ofKind<V1Ingress>(objects(name), 'Ingress');
      assert.equal(routes.length + ingresses.length > 0, chart === 'onbehalf', name);
      const backends = [
        ...routes.flatMap(({ spec }) => spec.rules.flatMap(({ backendRefs = [] }) => backendRefs)),
        ...ingresses
          .flatMap(({ spec }) => spec?.rules?.flatMap(({ http }) => http?.paths ?? []) ?? [])
          .map(({ backend }) => ({ name: backend.service?.name ?? '' })),
      ];
      if (chart === 'onbehalf')
        // One for each public URL.
        assert.deepEqual(
          [...new Set(backends.map(({ name: to }) => to.includes('web-frontend') || to === 'auth'))],
          [true],
          name,
        );
    }
  });

  it('redirects port 80 by 301 and ends TLS by a vault certificate or a Secret', () => {
    const gateway = (name: string) => JSON.stringify(ofKind(objects(name), 'Gateway'));
    assert.match(gateway('onbehalf/aks-automatic'), /tls-cert-keyvault-uri.*tls-cert-service-account/);
    assert.doesNotMatch(gateway('onbehalf/aks-automatic'), /certificateRefs/);
    assert.match(gateway('onbehalf/facts'), /"certificateRefs":\[\{"name":"signin-tls"\}\]/);
    assert.match(JSON.stringify(ofKind(objects('onbehalf/facts'), 'HTTPRoute')), /"statusCode":301/);
    assert.deepEqual(ofKind(objects('onbehalf/no-netpol'), 'Gateway'), []);
    assert.match(JSON.stringify(ofKind(objects('onbehalf/no-netpol'), 'HTTPRoute')), /"name":"shared"/);
  });
});
