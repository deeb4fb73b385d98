import type {
  KubernetesObject,
  V1NetworkPolicy,
  V1NetworkPolicyPeer,
  V1NetworkPolicyPort,
} from '@kubernetes/client-node';
import { ofKind } from './render.ts';

export type Edge = { from: string; to: string; port: string; side: 'ingress' | 'egress' };

const nameLabel = 'app.kubernetes.io/name';
/** Namespaces of controllers that serve an Ingress. */
const controllers = ['ingress-nginx', 'traefik'];

/** The edges that the policies among these objects open, each as seen from the policy's own side. */
export function edgesOf(objects: KubernetesObject[]): Edge[] {
  const plain = ofKind<V1NetworkPolicy>(objects, 'NetworkPolicy').flatMap(({ spec }) => {
    const self = spec?.podSelector ? nameOf({ podSelector: spec.podSelector }) : 'nobody';
    const ingress = spec?.ingress?.flatMap((rule) =>
      cross(rule._from ?? (rule as { from?: V1NetworkPolicyPeer[] }).from, rule.ports).map(
        ([peer, port]): Edge => ({ from: peer, to: self, port, side: 'ingress' }),
      ),
    );
    const egress = spec?.egress?.flatMap((rule) =>
      cross(rule.to, rule.ports).map(([peer, port]): Edge => ({ from: self, to: peer, port, side: 'egress' })),
    );
    return [...(ingress ?? []), ...(egress ?? [])];
  });
  return [...plain, ...ofKind<CiliumPolicy>(objects, 'CiliumNetworkPolicy').flatMap(ciliumEdges)];
}

function cross(peers: V1NetworkPolicyPeer[] = [{}], ports: V1NetworkPolicyPort[] = []): [string, string][] {
  const numbers = ports.map(({ port, endPort }) => (endPort ? `${port}-${endPort}` : `${port}`));
  return peers.flatMap((peer) => [...new Set(numbers)].map((port): [string, string] => [nameOf(peer), port]));
}

function nameOf({ podSelector, namespaceSelector, ipBlock }: V1NetworkPolicyPeer): string {
  if (ipBlock) return /^(0\.0\.0\.0|::)\/0$/.test(ipBlock.cidr) ? 'internet' : ipBlock.cidr;
  const labels = podSelector?.matchLabels ?? {};
  if (labels['k8s-app'] === 'kube-dns') return 'DNS';
  if (labels['app.kubernetes.io/component'] === 'test') return 'test pods';
  if (labels[nameLabel]) return labels[nameLabel];
  if (podSelector?.matchExpressions?.some(({ key }) => key === 'gateway.networking.k8s.io/gateway-name'))
    return 'gateway';
  const namespace = namespaceSelector?.matchLabels?.['kubernetes.io/metadata.name'];
  if (namespace && controllers.includes(namespace)) return namespace;
  if (namespaceSelector) return namespaceSelector.matchLabels ? 'Prometheus' : 'collector';
  return podSelector ? JSON.stringify(podSelector) : 'anywhere';
}

type CiliumPolicy = KubernetesObject & {
  spec: {
    endpointSelector: { matchLabels: Record<string, string> };
    egress: { toEntities?: string[]; toCIDR?: string[]; toPorts: { ports: { port: string }[] }[] }[];
  };
};

function ciliumEdges({ spec }: CiliumPolicy): Edge[] {
  const from = spec.endpointSelector.matchLabels[nameLabel] ?? 'nobody';
  return spec.egress.flatMap(({ toEntities = [], toCIDR = [], toPorts }) =>
    [...toEntities.map((entity) => (entity === 'host' ? 'node' : entity)), ...toCIDR].flatMap((to) =>
      toPorts.flatMap(({ ports }) => ports.map(({ port }): Edge => ({ from, to, port, side: 'egress' }))),
    ),
  );
}
