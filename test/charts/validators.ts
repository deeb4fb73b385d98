import * as client from '@kubernetes/client-node';
import { CiliumNetworkPolicy } from '@kubernetes-models/cilium/cilium.io/v2';
import { Gateway, HTTPRoute } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1';
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1';
import { PodMonitor, PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import { Deployment } from 'kubernetes-models/apps/v1';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2';
import { Job } from 'kubernetes-models/batch/v1';
import { Ingress, NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ClusterRoleBinding } from 'kubernetes-models/rbac.authorization.k8s.io/v1';
import { ConfigMap, Pod, Service, ServiceAccount } from 'kubernetes-models/v1';
import { z } from 'zod';

type Validated = { validate(): void };
type Kind = new (data: never) => Validated;

/** Every kind that charts and guides render, by group and version: any other is a fault. Who knows a kind's types and required fields, and, of Kubernetes' own, the client class that knows its fields. */
const kinds: Record<string, { model: Kind; attributes?: string }> = {
  'apps/v1 Deployment': { model: Deployment, attributes: 'V1Deployment' },
  'autoscaling/v2 HorizontalPodAutoscaler': {
    model: HorizontalPodAutoscaler,
    attributes: 'V2HorizontalPodAutoscaler',
  },
  'batch/v1 Job': { model: Job, attributes: 'V1Job' },
  'networking.k8s.io/v1 Ingress': { model: Ingress, attributes: 'V1Ingress' },
  'networking.k8s.io/v1 NetworkPolicy': { model: NetworkPolicy, attributes: 'V1NetworkPolicy' },
  'policy/v1 PodDisruptionBudget': { model: PodDisruptionBudget, attributes: 'V1PodDisruptionBudget' },
  'rbac.authorization.k8s.io/v1 ClusterRoleBinding': { model: ClusterRoleBinding, attributes: 'V1ClusterRoleBinding' },
  'v1 ConfigMap': { model: ConfigMap, attributes: 'V1ConfigMap' },
  'v1 Pod': { model: Pod, attributes: 'V1Pod' },
  'v1 Service': { model: Service, attributes: 'V1Service' },
  'v1 ServiceAccount': { model: ServiceAccount, attributes: 'V1ServiceAccount' },
  'cilium.io/v2 CiliumNetworkPolicy': { model: CiliumNetworkPolicy },
  'gateway.networking.k8s.io/v1 Gateway': { model: Gateway },
  'gateway.networking.k8s.io/v1 HTTPRoute': { model: HTTPRoute },
  'keda.sh/v1alpha1 ScaledObject': { model: ScaledObject },
  'monitoring.coreos.com/v1 PodMonitor': { model: PodMonitor },
  'monitoring.coreos.com/v1 PrometheusRule': { model: PrometheusRule },
};

export const secretProviderClass = z.strictObject({
  apiVersion: z.literal('secrets-store.csi.x-k8s.io/v1'),
  kind: z.literal('SecretProviderClass'),
  metadata: z.strictObject({ name: z.string(), namespace: z.string(), labels: z.record(z.string(), z.string()) }),
  spec: z.strictObject({
    provider: z.literal('azure'),
    parameters: z.strictObject({
      usePodIdentity: z.literal('false'),
      clientID: z.guid(),
      keyvaultName: z.string(),
      tenantId: z.guid(),
      objects: z.string().startsWith('array:'),
    }),
  }),
});

/**
 * Azure's ExternalDNS as its operator defines it: Azure/aks-app-routing-operator, api/v1alpha1/externaldns_types.go of
 * 2026-06-30. `resourceName` and the lists are required; `type` came later than `serviceAccount`.
 */
export const externalDns = z.strictObject({
  apiVersion: z.literal('approuting.kubernetes.azure.com/v1alpha1'),
  kind: z.literal('ExternalDNS'),
  metadata: z.looseObject({ name: z.string() }),
  spec: z.strictObject({
    resourceName: z.string().regex(/^[a-z0-9][-a-z0-9.]*[a-z0-9]$/),
    dnsZoneResourceIDs: z
      .array(
        z
          .string()
          .regex(/^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/[^/]+\/(private)?dnszones\/[^/]+$/i),
      )
      .min(1)
      .max(7),
    resourceTypes: z
      .array(z.enum(['gateway', 'ingress']))
      .min(1)
      .max(2),
    identity: z.strictObject({ type: z.literal('workloadIdentity'), serviceAccount: z.string() }),
    tenantId: z.guid().optional(),
    filters: z.strictObject({ gatewayLabels: z.string(), routeAndIngressLabels: z.string() }).partial().optional(),
  }),
});

/** Kinds that no package here knows, each with a schema of our own. */
const ours: Record<string, z.ZodType> = {
  'secrets-store.csi.x-k8s.io/v1 SecretProviderClass': secretProviderClass,
  'approuting.kubernetes.azure.com/v1alpha1 ExternalDNS': externalDns,
};

/** Azure's copy of the operator's kind differs in its group alone. */
function groupOf(apiVersion: string): string {
  return apiVersion.replace(/^azmonitoring\./, 'monitoring.');
}

/** What is wrong with a rendered object: wrong types, missing fields, fields nobody knows; empty if nothing is. */
export function faultsOf(object: client.KubernetesObject): string[] {
  const { apiVersion = '', kind = '' } = object;
  const name = `${kind}/${object.metadata?.name}`;
  const schema = ours[`${apiVersion} ${kind}`];
  if (schema) {
    const { error } = schema.safeParse(object);
    return error ? [`${name}: ${z.prettifyError(error)}`] : [];
  }
  const known = kinds[`${groupOf(apiVersion)} ${kind}`];
  if (!known) return [`${name}: no validator knows ${apiVersion} ${kind}`];
  const unknown = known.attributes ? unknownFields(object, known.attributes, name) : [];
  try {
    new known.model({ ...object, apiVersion: groupOf(apiVersion) } as never).validate();
    return unknown;
  } catch (error) {
    return [...unknown, `${name}: ${(error as Error).message}`];
  }
}

type Attribute = { baseName: string; type: string };

/** Walks an object beside the generated client's map of attributes: the one offline source of which fields exist. */
function unknownFields(value: unknown, type: string, path: string): string[] {
  const list = /^Array<(.*)>$/.exec(type)?.[1];
  if (list && Array.isArray(value)) return value.flatMap((item, at) => unknownFields(item, list, `${path}[${at}]`));
  const model = (client as unknown as Record<string, { getAttributeTypeMap?: () => Attribute[] }>)[type];
  if (!model?.getAttributeTypeMap || typeof value !== 'object' || value === null) return [];
  const attributes = new Map(model.getAttributeTypeMap().map((attribute) => [attribute.baseName, attribute.type]));
  return Object.entries(value).flatMap(([key, child]) => {
    const attribute = attributes.get(key);
    return attribute ? unknownFields(child, attribute, `${path}.${key}`) : [`${path}.${key}: unknown field`];
  });
}
