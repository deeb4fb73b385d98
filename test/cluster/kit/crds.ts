import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { sources } from '../../charts/crds/write.ts';
import { externalDns, secretProviderClass } from '../../charts/validators.ts';

type Crd = { metadata: { name: string }; spec: { group: string; names: { plural: string } } };

/** The CRDs of every kind the charts render. Azure's PodMonitor is the operator's in a group of its own. */
export async function readCrds(): Promise<object[]> {
  const directory = join(import.meta.dirname, '../../charts/crds');
  const crds: Crd[] = await Promise.all(
    Object.keys(sources).map(async (kind) => JSON.parse(await readFile(join(directory, `${kind}.json`), 'utf8'))),
  );
  const podMonitor = crds.find(({ metadata }) => metadata.name.startsWith('podmonitors.'));
  const azure = structuredClone(podMonitor) as Crd;
  azure.spec.group = 'azmonitoring.coreos.com';
  azure.metadata.name = `${azure.spec.names.plural}.${azure.spec.group}`;
  return [
    ...crds,
    azure,
    ours('approuting.kubernetes.azure.com/v1alpha1', 'ExternalDNS', 'externaldnses', externalDns.shape.spec),
    ours(
      'secrets-store.csi.x-k8s.io/v1',
      'SecretProviderClass',
      'secretproviderclasses',
      secretProviderClass.shape.spec,
    ),
  ];
}

/** A CRD of a kind whose fields a schema of our own knows. */
function ours(apiVersion: string, kind: string, plural: string, spec: z.ZodType): object {
  const [group = '', name = ''] = apiVersion.split('/');
  const schema = { type: 'object', properties: { spec: structural(z.toJSONSchema(spec, { target: 'draft-7' })) } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      ...{ group, scope: 'Namespaced', names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` } },
      versions: [{ name, served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  };
}

/** As Kubernetes takes a schema: unknown fields are refused there anyway, and a constant is an enum of one. */
function structural(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(structural);
  if (typeof value !== 'object' || value === null) return value;
  const { $schema, additionalProperties, const: constant, ...rest } = value as Record<string, unknown>;
  const kept = Object.entries(rest).map(([key, inner]) => [key, structural(inner)]);
  return { ...Object.fromEntries(kept), ...(constant !== undefined && { enum: [constant] }) };
}
