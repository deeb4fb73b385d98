import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { ClusterSystem } from './kit/system.ts';

/** Every place that something listens at, by name: a Service or the pods behind a label, and the port. */
const places = {
  'web-frontend:8080': { service: 'onbehalf-web-frontend', port: 8_080 },
  'web-frontend:9090': { pods: 'web-frontend', port: 9_090 },
  'token-broker:8080': { service: 'onbehalf-token-broker', port: 8_080 },
  'token-broker:9090': { pods: 'token-broker', port: 9_090 },
  'downstream-api:8080': { service: 'onbehalf-downstream-api', port: 8_080 },
  'downstream-api:9090': { pods: 'downstream-api', port: 9_090 },
  'valkey:6379': { service: 'dev-valkey', port: 6_379 },
  'entra-emulator:9443': { service: 'dev-entra-emulator', port: 9_443 },
  'entra-emulator:9440': { service: 'dev-entra-emulator', port: 9_440 },
  'trace-viewer:4318': { service: 'dev-trace-viewer', port: 4_318 },
  'DNS:53': { service: 'kube-dns', namespace: 'kube-system', port: 53 },
  'API server:443': { service: 'kubernetes', namespace: 'default', port: 443 },
} as const;
type Place = keyof typeof places;

/** Who may reach what, as docs/aks/network.md has it; whatever is not here has to be shut. */
const open: Record<string, Place[]> = {
  'web-frontend': ['token-broker:8080', 'downstream-api:8080', 'entra-emulator:9443', 'trace-viewer:4318', 'DNS:53'],
  'token-broker': ['valkey:6379', 'entra-emulator:9443', 'trace-viewer:4318', 'DNS:53', 'API server:443'],
  'downstream-api': ['token-broker:8080', 'entra-emulator:9443', 'trace-viewer:4318', 'DNS:53'],
  'entra-emulator': ['DNS:53', 'API server:443'],
  'trace-viewer': [],
  // These may send anywhere: what stops them are the policies of those they reach for.
  gateway: ['web-frontend:8080', 'DNS:53', 'API server:443'],
  probe: ['web-frontend:8080', 'token-broker:8080', 'downstream-api:8080', 'DNS:53', 'API server:443'],
  stranger: ['DNS:53', 'API server:443'],
};
const agents = ['gateway', 'probe', 'stranger'];
/** A pod of a Service does not need itself, and no CNI judges a pod towards its own node, where the API server may be. */
const isLeftOut = (from: string, to: Place) =>
  to.startsWith(`${from}:`) || (to === 'API server:443' && !open[from]?.includes(to));

type Target = { host: string; port: number };

/** Tries every edge between those who are there, each by its name. */
export function edges(system: () => ClusterSystem): void {
  describe('the network', () => {
    const targets = new Map<Place, Target>();
    const found = new Map<string, Record<string, string>>();

    before(async () => {
      for (const [name, place] of Object.entries(places)) targets.set(name as Place, await targetOf(system(), place));
      for (const from of Object.keys(open)) found.set(from, await tryAll(system(), from, targets));
    });

    for (const [from, reachable] of Object.entries(open)) {
      for (const to of Object.keys(places) as Place[]) {
        if (isLeftOut(from, to)) continue;
        const wanted = reachable.includes(to);
        it(`${wanted ? 'lets' : 'keeps'} ${from} ${wanted ? 'reach' : 'from'} ${to}`, () => {
          const outcome = found.get(from)?.[to];
          assert.ok(outcome, 'was not tried');
          assert.equal(outcome === 'open', wanted, `${from} -> ${to}: ${outcome}`);
        });
      }
    }

    it('was tried at twelve open edges and twenty shut ones at least', () => {
      const all = Object.entries(open).flatMap(([from, reachable]) =>
        (Object.keys(places) as Place[]).filter((to) => !isLeftOut(from, to)).map((to) => reachable.includes(to)),
      );
      const opened = all.filter(Boolean).length;
      console.log(`${opened} open edges and ${all.length - opened} shut ones`);
      assert.ok(opened >= 12 && all.length - opened >= 20);
    });
  });
}

async function targetOf({ cluster, namespace }: ClusterSystem, place: (typeof places)[Place]): Promise<Target> {
  const path = (from: string, what: string, jsonpath: string) =>
    cluster.kubectl(['-n', from, 'get', ...what.split(' '), '-o', `jsonpath={${jsonpath}}`]);
  if ('pods' in place) {
    const host = await path(namespace, `pods -l app.kubernetes.io/name=${place.pods}`, '.items[0].status.podIP');
    return { host, port: place.port };
  }
  const from = 'namespace' in place ? place.namespace : namespace;
  return { host: await path(from, `service ${place.service}`, '.spec.clusterIP'), port: place.port };
}

/** Connects from a pod of this name to every target; what came of it by target. */
async function tryAll(
  system: ClusterSystem,
  from: string,
  targets: Map<Place, Target>,
): Promise<Record<string, string>> {
  const list = [...targets.values()];
  const outcomes = agents.includes(from)
    ? await system.agent<string[]>(from as 'gateway', '/reach', list)
    : (JSON.parse(
        await system.kubectl('exec', await podOf(system, from), '--', 'node', '-e', connectAll, JSON.stringify(list)),
      ) as string[]);
  return Object.fromEntries([...targets.keys()].map((name, at) => [name, outcomes[at] ?? '']));
}

const podOf = (system: ClusterSystem, name: string): Promise<string> =>
  system.kubectl('get', 'pods', '-l', `app.kubernetes.io/name=${name}`, '-o', 'jsonpath={.items[0].metadata.name}');

const connectAll = `Promise.all(JSON.parse(process.argv[1]).map(({ host, port }) => new Promise((resolve) => {
  const socket = require('net').connect({ host, port, timeout: 3000 });
  const end = (word) => resolve((socket.destroy(), word));
  socket.on('connect', () => end('open')).on('timeout', () => end('timeout')).on('error', ({ code }) => end(code));
}))).then((outcomes) => console.log(JSON.stringify(outcomes)))`;
