import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { kubectlBinary } from '../../charts/helm.ts';
import { copyCharts } from '../../charts/render.ts';
import { freePort } from '../../kit/ports.ts';
import type { System } from '../../kit/system/system.ts';
import { Visitor } from '../../kit/visitor.ts';
import { type AgentName, agentObjects } from './agents.ts';
import { type Cluster, provideCluster } from './cluster.ts';
import { readCrds } from './crds.ts';
import { forward } from './forward.ts';
import { archiveImages, images } from './images.ts';
import { waitUntil } from './wait.ts';

const run = promisify(execFile);
const secrets = join(import.meta.dirname, '../../../charts/dev/secrets.sh');
/** Not the namespace that seeds and examples name: the charts must do in any. */
const namespace = 'team-a';
const elsewhere = 'team-b';

type Ports = { web: number; entra: number; viewer: number };
const agentPort = 8_080;

/** The charts as a deployer installs them in a cluster, and what people and tests reach of them. */
export class ClusterSystem implements AsyncDisposable {
  readonly namespace = namespace;
  readonly elsewhere = elsewhere;
  readonly cluster: Cluster;
  readonly charts: string;
  readonly #ports: Ports;
  readonly #agentPorts = new Map<AgentName, number>();
  readonly #stack = new AsyncDisposableStack();

  private constructor(cluster: Cluster, charts: string, ports: Ports) {
    this.cluster = cluster;
    this.charts = charts;
    this.#ports = ports;
  }

  /** An empty cluster with the images and the CRDs of all kinds, and its two namespaces, both closed unless opened. */
  static async open(): Promise<ClusterSystem> {
    const archive = process.env.CLUSTER_REGISTRY ? undefined : await archiveImages();
    const cluster = await provideCluster();
    try {
      const ports = { web: await freePort(), entra: await freePort(), viewer: await freePort() };
      const system = new ClusterSystem(cluster, await copyCharts(), ports);
      if (archive) await cluster.load(archive);
      for (const name of [namespace, elsewhere]) await system.#makeNamespace(name);
      return system;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  kubectl(...args: string[]): Promise<string> {
    return this.cluster.kubectl(['-n', namespace, ...args]);
  }

  /** Applies objects, to the namespace that each names. */
  async apply(objects: object[], ...args: string[]): Promise<string> {
    const input = objects.map((object) => JSON.stringify(object)).join('\n---\n');
    return this.cluster.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-', ...args], { input });
  }

  async installCrds(): Promise<void> {
    await this.apply(await readCrds());
    const established = () =>
      this.cluster.kubectl(['wait', '--for=condition=established', 'crd', '--all', '--timeout=5s']);
    // kubectl fails at once on a CRD that has no condition yet.
    await waitUntil('the CRDs are established', () => established().then(Boolean, () => false), 60_000);
  }

  /** `charts/dev/secrets.sh`, by the kubectl of this cluster. */
  async secrets(...args: string[]): Promise<void> {
    const [first = secrets, ...before] = [...this.cluster.prefix, secrets];
    const path = `${join(await kubectlBinary(), '..')}:${process.env.PATH}`;
    await run(first, [...before, ...args, namespace], { env: { ...this.cluster.env, PATH: path } });
  }

  /** `helm upgrade --install`, waited for; values over those that the charts bring for kind. */
  async install(release: 'dev' | 'onbehalf', values: object = {}, ...args: string[]): Promise<string> {
    const chart = join(this.charts, release);
    await using folder = await temporaryFolder();
    const files = [join(chart, 'ci/kind-values.yaml')];
    for (const [name, content] of Object.entries({
      images: this.cluster.imageValues,
      own: this.#ownValues(release),
      values,
    })) {
      files.push(join(folder.path, `${name}.yaml`));
      await writeFile(files.at(-1) as string, stringify(content));
    }
    const given = files.flatMap((file) => ['-f', file]);
    return await this.cluster.helm([
      'upgrade',
      '--install',
      release,
      chart,
      '-n',
      namespace,
      '--wait',
      '--timeout',
      '5m',
      ...given,
      ...args,
    ]);
  }

  /** Starts agents, and makes the ports of the demo and of the agents ports of this machine. */
  async openDoors(): Promise<void> {
    const image = `${images.prefix}web-frontend:${images.tag}`;
    const upstream = `onbehalf-web-frontend.${namespace}.svc:8080`;
    await this.apply(await agentObjects(namespace, image, upstream, ['gateway', 'probe', 'stranger']));
    await this.kubectl('wait', '--for=condition=ready', 'pod', '-l', 'onbehalf.test/part=agent', '--timeout=120s');
    const door = async (pod: string, port: number, localPort: number) =>
      this.#stack.use(await forward(this.cluster, namespace, { pod, port, localPort }));
    for (const name of ['gateway', 'probe', 'stranger'] as const) {
      this.#agentPorts.set(name, await freePort());
      await door(`pod/${name}`, agentPort, this.#agentPorts.get(name) as number);
    }
    await door('pod/gateway', 8_081, this.#ports.web);
    await door('deployment/dev-entra-emulator', 9_440, this.#ports.entra);
    await door('deployment/dev-trace-viewer', 4_318, this.#ports.viewer);
  }

  /** Tells an agent to do something; what it says. */
  async agent<T>(name: AgentName, path: string, body?: unknown): Promise<T> {
    const url = `http://127.0.0.1:${this.#agentPorts.get(name)}${path}`;
    const response = await fetch(url, {
      ...{ method: 'POST', body: JSON.stringify(body ?? {}), signal: AbortSignal.timeout(60_000) },
    });
    return (await response.json()) as T;
  }

  /** As much of a system as a journey needs. */
  get people(): System {
    const { web, entra, viewer } = this.#ports;
    const part = {
      web: `http://localhost:${web}`,
      emulator: { browserOrigin: `http://127.0.0.1:${entra}` },
      viewerUrl: `http://localhost:${viewer}`,
      visitor: () => new Visitor(),
    };
    return part as Pick<System, keyof typeof part> as System;
  }

  async closeDoors(): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeDoors();
    await this.cluster[Symbol.asyncDispose]();
  }

  async #makeNamespace(name: string): Promise<void> {
    const enforce = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    const closed = { podSelector: {}, policyTypes: ['Ingress', 'Egress'] };
    await this.apply([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: enforce } },
      {
        ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
        ...{ metadata: { name: 'closed', namespace: name }, spec: closed },
      },
    ]);
  }

  #ownValues(release: 'dev' | 'onbehalf'): object {
    const { web, emulator, viewerUrl } = this.people;
    const image = (name: string) => ({ image: { repository: `${images.prefix}${name}` } });
    if (release === 'dev')
      return {
        valkey: { image: images.valkey },
        entraEmulator: { ...image('entra-emulator'), browserOrigin: emulator.browserOrigin, frontendOrigin: web },
        traceViewer: image('trace-viewer'),
      };
    const probe = {
      ...{ clientId: '3eb00000-7e57-4000-8000-000000000011', serviceAccounts: ['probe'] },
      ...{
        credentials: [{ type: 'federated' }],
        grants: ['client_credentials'],
        scopes: ['https://graph.microsoft.com/.default'],
      },
    };
    return {
      global: { publicBaseUrl: web },
      'web-frontend': { ...image('web-frontend'), traceViewerUrl: viewerUrl },
      // Pods that share two cores are late through no fault of Redis.
      'token-broker': { ...image('token-broker'), clients: { probe }, redis: { commandTimeoutMs: 1_000 } },
      'downstream-api': image('downstream-api'),
    };
  }
}

async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'onbehalf-cluster-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
