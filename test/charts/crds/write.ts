import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

/** Where each CRD comes from: a Go module, its version and a file of it; all are Apache-2.0. */
export const sources: Record<string, { module: string; version: string; file: string }> = {
  Gateway: gatewayApi('gateways'),
  HTTPRoute: gatewayApi('httproutes'),
  ScaledObject: {
    module: 'github.com/kedacore/keda/v2',
    version: 'v2.17.2',
    file: 'config/crd/bases/keda.sh_scaledobjects.yaml',
  },
  PodMonitor: prometheusOperator('podmonitors'),
  PrometheusRule: prometheusOperator('prometheusrules'),
  CiliumNetworkPolicy: {
    module: 'github.com/cilium/cilium',
    version: 'v1.17.6',
    file: 'pkg/k8s/apis/cilium.io/client/crds/v2/ciliumnetworkpolicies.yaml',
  },
};

function gatewayApi(plural: string) {
  const file = `config/crd/standard/gateway.networking.k8s.io_${plural}.yaml`;
  return { module: 'sigs.k8s.io/gateway-api', version: 'v1.3.0', file };
}

function prometheusOperator(plural: string) {
  const file = `example/prometheus-operator-crd/monitoring.coreos.com_${plural}.yaml`;
  return { module: 'github.com/prometheus-operator/prometheus-operator', version: 'v0.83.0', file };
}

/** Without words for people, printer columns and whatever versions are not served. */
function stripped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stripped);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(
    ([key, inner]) => !(key === 'description' && typeof inner === 'string') && key !== 'additionalPrinterColumns',
  );
  return Object.fromEntries(entries.map(([key, inner]) => [key, stripped(inner)]));
}

/** `node test/charts/crds/write.ts`, after `go mod download` of the modules above: writes each CRD beside this file. */
if (import.meta.main) {
  const modules = process.argv[2] ?? join(process.env.HOME ?? '', 'go/pkg/mod');
  for (const [kind, { module, version, file }] of Object.entries(sources)) {
    const text = await readFile(join(modules, `${module}@${version}`, file), 'utf8');
    const [crd] = parseAllDocuments(text).map((document) => document.toJS());
    crd.spec.versions = crd.spec.versions.filter(({ served }: { served: boolean }) => served);
    delete crd.status;
    await writeFile(join(import.meta.dirname, `${kind}.json`), `${JSON.stringify(stripped(crd))}\n`);
  }
}
