{{/* Pod Security "restricted", for every pod of every chart. */}}
{{- define "common.podHardening" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.global.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "common.containerHardening" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* The image, its limits and its confinement: service and test pods alike. */}}
{{- define "common.container" -}}
image: {{ include "common.image" . | quote }}
imagePullPolicy: {{ .Values.global.image.pullPolicy }}
{{ include "common.containerHardening" . }}
resources: {{- toYaml .Values.resources | nindent 2 }}
{{- end }}

{{/* Kubernetes expands $(VAR) only if VAR stands earlier in the list. */}}
{{- define "common.env" -}}
{{- $values := .root.Values }}
{{- $global := $values.global }}
{{- $common := dict
  "HTTP_PORT" "8080"
  "ADMIN_PORT" "9090"
  "LOG_LEVEL" $values.log.level
  "SHUTDOWN_DELAY_MS" $values.shutdownDelayMs
  "DRAIN_MS" $values.drainMs
  "NODE_OPTIONS" "--max-old-space-size-percentage=75"
}}
{{- if $global.metrics.enabled }}{{ $_ := set $common "METRICS_ENABLED" "true" }}{{ end }}
{{- with $global.extraCa.configMap }}{{ $_ := set $common "NODE_EXTRA_CA_CERTS" (printf "/etc/ssl/onbehalf/%s" $global.extraCa.key) }}{{ end }}
{{- with $global.proxy }}
{{- $_ := set $common "HTTPS_PROXY" .https }}
{{- $_ := set $common "HTTP_PROXY" .http }}
{{- if or .https .http }}{{ $_ := set $common "NO_PROXY" (join "," (compact (list "localhost,127.0.0.1,.svc,.cluster.local" .noProxy))) }}{{ end }}
{{- end }}
{{- range $name, $value := merge $common (.spec.env | default dict) }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
- name: {{ $name }}
  value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}
{{- end }}
{{- if $global.otel.endpoint }}
{{- include "common.otelEnv" .root }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "common.otelEnv" -}}
{{- $otel := .Values.global.otel }}
{{- range $name, $field := dict "K8S_NAMESPACE_NAME" "metadata.namespace" "K8S_NODE_NAME" "spec.nodeName" "K8S_POD_NAME" "metadata.name" "K8S_POD_UID" "metadata.uid" }}
- name: {{ $name }}
  valueFrom: {fieldRef: {fieldPath: {{ $field }}}}
{{- end }}
- name: OTEL_SERVICE_NAME
  value: {{ .Chart.Name }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ concat (list
    "service.namespace=onbehalf"
    (printf "service.version=%s" (.Values.image.tag | default .Values.global.image.tag | default .Chart.AppVersion))
    "service.instance.id=$(K8S_POD_UID)"
    "k8s.namespace.name=$(K8S_NAMESPACE_NAME)"
    "k8s.node.name=$(K8S_NODE_NAME)"
    "k8s.pod.name=$(K8S_POD_NAME)"
    (printf "k8s.deployment.name=%s" (include "common.fullname" .))
    ) $otel.resourceAttributes | join "," | quote }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ $otel.endpoint | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ $otel.protocol }}
{{- /* Some 20 MB of spans: what a collector's absence may cost. */}}
- name: OTEL_BSP_MAX_QUEUE_SIZE
  value: "8192"
- name: OTEL_METRIC_EXPORT_INTERVAL
  value: "30000"
{{- if .Values.global.metrics.enabled }}
# Prometheus scrapes them: sent as well they would count twice.
- name: OTEL_METRICS_EXPORTER
  value: none
{{- end }}
{{- with $otel.tracesSampler }}
- name: OTEL_TRACES_SAMPLER
  value: {{ . }}
{{- end }}
{{- with $otel.tracesSamplerArg }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "common.volumeMounts" -}}
- {name: tmp, mountPath: /tmp}
{{- range (include "common.mounts" . | fromYamlArray) }}
- {name: {{ .name }}, mountPath: {{ .path }}, readOnly: true}
{{- end }}
{{- with .root.Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "common.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- range (include "common.mounts" . | fromYamlArray) }}
- name: {{ .name }}
  {{- toYaml .source | nindent 2 }}
{{- end }}
{{- with .root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The service's own mounts, its files and the extra certificate authorities: list of {name, path, source}. */}}
{{- define "common.mounts" -}}
{{- $mounts := .spec.mounts | default list }}
{{- if .spec.files }}
{{- $mounts = append $mounts (dict "name" "config" "path" "/etc/onbehalf" "source" (dict "configMap" (dict "name" (include "common.fullname" .root)))) }}
{{- end }}
{{- with .root.Values.global.extraCa.configMap }}
{{- $mounts = append $mounts (dict "name" "extra-ca" "path" "/etc/ssl/onbehalf" "source" (dict "configMap" (dict "name" .))) }}
{{- end }}
{{- toYaml $mounts }}
{{- end }}

{{/*
A ServiceAccount token as a file, renewed by the kubelet: dict name, path, audience, seconds, file. Without an audience
it is for the API server. Written as a mount.
*/}}
{{- define "common.projectedToken" -}}
name: {{ .name }}
path: {{ .path }}
source:
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          {{- with .audience }}
          audience: {{ . }}
          {{- end }}
          expirationSeconds: {{ .seconds }}
          path: {{ .file }}
{{- end }}

{{/* How a service proves to the token broker who it is. The broker asks for no more than ten minutes. */}}
{{- define "common.brokerAssertion" -}}
{{- include "common.projectedToken" (dict "name" "broker-assertion" "path" "/var/run/secrets/onbehalf/broker" "audience" "token-broker" "seconds" 600 "file" "assertion") }}
{{- end }}

{{/* A key ring as a directory, from a Secret or from Key Vault: dict root, name, secret. Written as a mount. */}}
{{- define "common.keyRing" -}}
name: {{ .name }}
path: /var/run/secrets/onbehalf/{{ .name }}
source:
  {{- if .root.Values.keyVault.enabled }}
  csi:
    driver: secrets-store.csi.k8s.io
    readOnly: true
    volumeAttributes: {secretProviderClass: {{ include "common.fullname" .root }}}
  {{- else }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
  {{- end }}
{{- end }}
