{{/*
Everything a service is made of: dict root, spec. The spec is what differs between services, as YAML:
  env       map of environment keys; an empty value is not rendered, so the service's own default holds
  files     map of file name to content, mounted at /etc/onbehalf
  mounts    list of {name, path, source}: read-only volumes
  readOnce  list of {kind, name}: Secrets and ConfigMaps that the program does not read again while it runs
  podLabels, serviceAccountAnnotations
  ports     list of {name, port, from}: ports beside 8080, and the NetworkPolicy peers that may reach each
  ingress   list of NetworkPolicy peers that may reach port 8080
  egress    list of NetworkPolicy egress rules
*/}}
{{- define "common.workload" -}}
{{- include "common.validate" .root }}
{{- $values := .root.Values }}
{{- $parts := list "deployment" "service" }}
{{- if $values.serviceAccount.create }}{{ $parts = append $parts "serviceAccount" }}{{ end }}
{{- if .spec.files }}{{ $parts = append $parts "configMap" }}{{ end }}
{{- if and $values.pdb.enabled (gt (include "common.minReplicas" .root | int) 1) }}{{ $parts = append $parts "pdb" }}{{ end }}
{{- if $values.autoscaling.enabled }}{{ $parts = append $parts "hpa" }}{{ end }}
{{- if $values.keda.enabled }}{{ $parts = append $parts "scaledObject" }}{{ end }}
{{- if $values.global.networkPolicy.enabled }}
{{- $parts = append $parts "networkPolicy" }}
{{- if eq $values.global.networkPolicy.flavor "cilium" }}{{ $parts = append $parts "ciliumNetworkPolicy" }}{{ end }}
{{- end }}
{{- if and $values.global.metrics.enabled $values.global.metrics.podMonitor.enabled }}{{ $parts = append $parts "podMonitor" }}{{ end }}
{{- if dig "enabled" false ($values.keyVault | default dict) }}{{ $parts = append $parts "secretProviderClass" }}{{ end }}
{{- range $part, $kind := dict
  "scaledObject" (list "keda.sh/v1alpha1/ScaledObject" "keda.enabled: false")
  "ciliumNetworkPolicy" (list "cilium.io/v2/CiliumNetworkPolicy" "global.networkPolicy.flavor: kubernetes")
  "podMonitor" (list (printf "%s/PodMonitor" $values.global.metrics.podMonitor.apiVersion) "global.metrics.podMonitor.enabled: false")
  "secretProviderClass" (list "secrets-store.csi.x-k8s.io/v1/SecretProviderClass" "keyVault.enabled: false") }}
{{- if has $part $parts }}{{ include "common.requireKind" (dict "root" $.root "kind" (first $kind) "off" (last $kind)) }}{{ end }}
{{- end }}
{{- range $parts }}
---
{{ include (printf "common.%s" .) $ }}
{{- end }}
{{- include "common.extraObjects" .root }}
{{- end }}

{{- define "common.extraObjects" -}}
{{- range .Values.extraObjects }}
---
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A service's spec as a dict: fromYaml reports its faults as a value. */}}
{{- define "common.parse" -}}
{{- $spec := fromYaml . }}
{{- with $spec.Error }}{{ fail . }}{{ end }}
{{- $spec | toJson }}
{{- end }}

{{/* What a schema cannot say. */}}
{{- define "common.validate" -}}
{{- if and .Values.autoscaling.enabled .Values.keda.enabled }}
{{- fail "autoscaling.enabled and keda.enabled exclude each other: two controllers would fight over the replicas" }}
{{- end }}
{{- if gt (add .Values.shutdownDelayMs .Values.drainMs) 35000 }}
{{- fail "shutdownDelayMs + drainMs must stay within 35000: a pod has 45 s to end, and needs some for what comes after" }}
{{- end }}
{{- end }}

{{/*
Says which value turns a custom resource off where the cluster does not have it: dict root, kind (group/version/kind),
off. Only where Helm knows kinds at all, as it does of a cluster: rendering by itself it knows none.
*/}}
{{- define "common.requireKind" -}}
{{- $known := .root.Capabilities.APIVersions }}
{{- if and ($known.Has "v1/Namespace") (not ($known.Has .kind)) }}
{{- fail (printf "this cluster has no %s: install what brings it, or set %s" .kind .off) }}
{{- end }}
{{- end }}

{{- define "common.minReplicas" -}}
{{- $values := .Values }}
{{- if $values.autoscaling.enabled }}{{ $values.autoscaling.minReplicas }}
{{- else if $values.keda.enabled }}{{ $values.keda.minReplicas }}
{{- else }}{{ $values.replicas }}{{ end }}
{{- end }}
