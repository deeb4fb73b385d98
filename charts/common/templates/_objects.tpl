{{- define "common.service" -}}
apiVersion: v1
kind: Service
metadata: {{- include "common.metadata" .root | nindent 2 }}
spec:
  selector: {{- include "common.selectorLabels" .root | nindent 4 }}
  ports:
    - {name: http, port: 8080, targetPort: http, protocol: TCP}
    {{- range .spec.ports }}
    - {name: {{ .name }}, port: {{ .port }}, targetPort: {{ .name }}, protocol: TCP}
    {{- end }}
{{- end }}

{{/* Federation and the broker's clients know a workload by its name. */}}
{{- define "common.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "common.serviceAccountName" .root }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "common.labels" .root | nindent 4 }}
  {{- with merge (dict) .root.Values.serviceAccount.annotations (.spec.serviceAccountAnnotations | default dict) }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}

{{- define "common.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata: {{- include "common.metadata" .root | nindent 2 }}
data: {{- toYaml .spec.files | nindent 2 }}
{{- end }}

{{/* Lets a node drain even while pods are sick: a pod that is not ready protects nobody. */}}
{{- define "common.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{- include "common.metadata" .root | nindent 2 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "common.selectorLabels" .root | nindent 6 }}
{{- end }}

{{- define "common.hpa" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{- include "common.metadata" .root | nindent 2 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "common.fullname" .root }}}
  minReplicas: {{ .root.Values.autoscaling.minReplicas }}
  maxReplicas: {{ .root.Values.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ .root.Values.autoscaling.targetCpuPercent }}}
{{- end }}

{{- define "common.scaledObject" -}}
{{- $keda := .root.Values.keda }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{- include "common.metadata" .root | nindent 2 }}
spec:
  scaleTargetRef: {name: {{ include "common.fullname" .root }}}
  minReplicaCount: {{ $keda.minReplicas }}
  maxReplicaCount: {{ $keda.maxReplicas }}
  # Without its metrics KEDA would leave the replicas as they are, however many that is.
  fallback: {failureThreshold: 3, replicas: {{ $keda.fallbackReplicas }}}
  triggers: {{- required "keda.triggers is required when keda.enabled" ($keda.triggers | default "") | toYaml | nindent 4 }}
{{- end }}

{{- define "common.podMonitor" -}}
{{- $monitor := .root.Values.global.metrics.podMonitor }}
apiVersion: {{ $monitor.apiVersion }}
kind: PodMonitor
metadata:
  name: {{ include "common.fullname" .root }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "common.labels" .root | nindent 4 }}
    {{- with $monitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels: {{- include "common.selectorLabels" .root | nindent 6 }}
  podMetricsEndpoints:
    - {port: admin, path: /metrics, interval: {{ $monitor.interval }}}
  {{- if hasPrefix "azmonitoring" $monitor.apiVersion }}
  # The managed service refuses series beyond these.
  labelLimit: 63
  labelNameLengthLimit: 511
  labelValueLengthLimit: 1023
  {{- end }}
{{- end }}

{{/* Key Vault's objects as the files of a key ring, fetched as this ServiceAccount. */}}
{{- define "common.secretProviderClass" -}}
{{- $vault := .root.Values.keyVault }}
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {{- include "common.metadata" .root | nindent 2 }}
spec:
  provider: azure
  parameters:
    usePodIdentity: "false"
    clientID: {{ required "keyVault.clientId is required when keyVault.enabled" $vault.clientId }}
    keyvaultName: {{ required "keyVault.name is required when keyVault.enabled" $vault.name }}
    tenantId: {{ $vault.tenantId | default .root.Values.global.entra.tenantId }}
    objects: |
      array:
        {{- range required "keyVault.objects is required when keyVault.enabled" ($vault.objects | default "") }}
        - |
          objectName: {{ .name }}
          objectType: secret
          objectAlias: {{ .file }}
        {{- end }}
{{- end }}
