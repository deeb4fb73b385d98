{{- define "common.networkPolicy" -}}
{{- $root := .root }}
{{- $global := .root.Values.global }}
{{- $network := $global.networkPolicy }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{- include "common.metadata" $root | nindent 2 }}
spec:
  podSelector:
    matchLabels: {{- include "common.selectorLabels" $root | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        {{- with .spec.ingress }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        - podSelector:
            matchLabels: {app.kubernetes.io/component: test}
      ports: [{port: 8080, protocol: TCP}]
    {{- range .spec.ports }}
    - from: {{- toYaml .from | nindent 8 }}
      ports: [{port: {{ .port }}, protocol: TCP}]
    {{- end }}
    {{- if $global.metrics.enabled }}
    - from: {{- toYaml $global.metrics.from | nindent 8 }}
      ports: [{port: 9090, protocol: TCP}]
    {{- end }}
    {{- with $root.Values.networkPolicy.extraIngress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  egress:
    {{- include "common.dnsRule" $root | nindent 4 }}
    {{- include "common.internetRule" (dict "root" $root "ports" (list (dict "port" 443 "protocol" "TCP"))) | nindent 4 }}
    {{- if $global.otel.endpoint }}
    - to: [{{ toJson $global.otel.peer }}]
      ports: [{port: {{ include "common.port" $global.otel.endpoint }}, protocol: TCP}]
    {{- end }}
    {{- if and $global.otel.nodePorts (eq $network.flavor "kubernetes") }}
    - to: {{- toYaml $global.otel.nodes | nindent 8 }}
      ports:
        {{- range $global.otel.nodePorts }}
        - {port: {{ . }}, protocol: TCP}
        {{- end }}
    {{- end }}
    {{- range list .spec.egress $network.extraEgress $root.Values.networkPolicy.extraEgress }}
    {{- with . }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- end }}
{{- end }}

{{- define "common.dnsRule" -}}
- to: {{- toYaml .Values.global.networkPolicy.dns | nindent 4 }}
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end }}

{{/* Anywhere but private and link-local addresses: dict root, ports. */}}
{{- define "common.internetRule" -}}
- to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except: [10.0.0.0/8, 100.64.0.0/10, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16]
    {{- if .root.Values.global.networkPolicy.ipv6 }}
    - ipBlock:
        cidr: ::/0
        except: [fc00::/7, fe80::/10]
    {{- end }}
  ports: {{- toYaml .ports | nindent 4 }}
{{- end }}

{{/* A pod of another chart, by its name: in this namespace, of any release. */}}
{{- define "common.peer" -}}
podSelector: {matchLabels: {app.kubernetes.io/name: {{ . }}}}
{{- end }}

{{- define "common.egressTo" -}}
to: [{podSelector: {matchLabels: {app.kubernetes.io/name: {{ . }}}}}]
ports: [{port: 8080, protocol: TCP}]
{{- end }}

{{/*
What lives on the node no ipBlock or podSelector matches under Cilium: allowing kube-dns alone would cut DNS off where
LocalDNS answers.
*/}}
{{- define "common.ciliumNetworkPolicy" -}}
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {{- include "common.metadata" .root | nindent 2 }}
spec:
  endpointSelector:
    matchLabels: {{- include "common.selectorLabels" .root | nindent 6 }}
  egress:
    - toEntities: [host]
      toPorts: [{ports: [{port: "53", protocol: ANY}]}]
    {{- range .root.Values.global.otel.nodePorts }}
    - toEntities: [host]
      toPorts: [{ports: [{port: {{ . | quote }}, protocol: TCP}]}]
    {{- end }}
    - toCIDR: [169.254.10.0/24]
      toPorts: [{ports: [{port: "53", protocol: ANY}]}]
{{- end }}
