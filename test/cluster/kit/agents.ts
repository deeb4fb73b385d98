import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The agent's pods by name: what they are to NetworkPolicies, and the Service they lead to, if any. */
export const agents = {
  /** In the place of the gateway: people come through it. */
  gateway: { labels: { 'gateway.networking.k8s.io/gateway-name': 'test' }, upstream: true },
  /** A caller of the broker with a ServiceAccount of its own, let in as test pods are. */
  probe: { labels: { 'app.kubernetes.io/component': 'test' }, upstream: false },
  /** Nobody: no policy lets it in anywhere. */
  stranger: { labels: {}, upstream: false },
};
export type AgentName = keyof typeof agents;

export const assertionFile = '/var/run/secrets/broker/assertion';
/** Marks what belongs to the test and not to the charts. */
export const testLabel = { 'onbehalf.test/part': 'agent' };

const hardening = {
  automountServiceAccountToken: false,
  securityContext: {
    runAsNonRoot: true,
    runAsUser: 65532,
    runAsGroup: 65532,
    seccompProfile: { type: 'RuntimeDefault' },
  },
};
const resources = { requests: { cpu: '100m', memory: '100Mi' }, limits: { cpu: '1', memory: '256Mi' } };

/** The agents as Kubernetes objects: a program, their ServiceAccount, leave to reach anybody, and a pod each. */
export async function agentObjects(namespace: string, image: string, upstream: string, names: AgentName[]) {
  const program = await readFile(join(import.meta.dirname, 'agent.mjs'), 'utf8');
  const metadata = (name: string, labels: object = {}) => ({ name, namespace, labels: { ...testLabel, ...labels } });
  const policy = { podSelector: { matchLabels: testLabel }, policyTypes: ['Egress'], egress: [{}] };
  const token = { audience: 'token-broker', expirationSeconds: 600, path: 'assertion' };
  const pods = names.map((name) => ({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: metadata(name, agents[name].labels) },
    spec: {
      ...{ ...hardening, serviceAccountName: 'probe', terminationGracePeriodSeconds: 1 },
      containers: [
        {
          ...{ name: 'agent', image, imagePullPolicy: 'IfNotPresent', args: ['/agent/agent.mjs'], resources },
          env: agents[name].upstream ? [{ name: 'UPSTREAM', value: upstream }] : [],
          securityContext: {
            ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
          },
          volumeMounts: [
            { name: 'agent', mountPath: '/agent' },
            { name: 'broker', mountPath: '/var/run/secrets/broker' },
          ],
        },
      ],
      volumes: [
        { name: 'agent', configMap: { name: 'agent' } },
        { name: 'broker', projected: { sources: [{ serviceAccountToken: token }] } },
      ],
    },
  }));
  return [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata('agent'), data: { 'agent.mjs': program } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata('probe') },
    { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: metadata('agents'), spec: policy },
    ...pods,
  ];
}
