import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { KubernetesObject } from '@kubernetes/client-node';

/** The CRDs whose types say which fields exist. */
const modules: Record<string, string> = {
  Gateway: '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1',
  HTTPRoute: '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1',
  CiliumNetworkPolicy: '@kubernetes-models/cilium/cilium.io/v2',
  ScaledObject: '@kubernetes-models/keda/keda.sh/v1alpha1',
  PodMonitor: '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
  PrometheusRule: '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
};

/** Holds custom resources, as typed literals, against the compiler: it refuses fields that no type has. */
export async function compileCustomResources(objects: KubernetesObject[]): Promise<string[]> {
  const root = join(import.meta.dirname, '../..');
  const directory = await mkdtemp(join(root, '.cache/crds-'));
  try {
    const known = objects.filter(({ kind = '' }) => modules[kind]);
    const imports = Object.entries(modules).map(([kind, path]) => `import type { I${kind} } from '${path}';`);
    const literals = known.map((object, at) => {
      const text = JSON.stringify(object).replace('azmonitoring.coreos.com', 'monitoring.coreos.com');
      return `export const object${at}: I${object.kind} = ${text};`;
    });
    await writeFile(join(directory, 'objects.ts'), [...imports, ...literals].join('\n'));
    const config = { extends: '../../tsconfig.json', compilerOptions: { types: [] }, include: ['objects.ts'] };
    await writeFile(join(directory, 'tsconfig.json'), JSON.stringify(config));
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(root, 'node_modules/typescript/bin/tsc'), '-p', directory],
      {
        timeout: 120_000,
      },
    ).catch((error: { stdout: string }) => error);
    return stdout.split('\n').filter((line) => line.includes('error TS'));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
