{{- define "common.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Names are unique per release, so that two releases can share a namespace. */}}
{{- define "common.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- include "common.sibling" (dict "root" . "name" (include "common.name" .)) }}
{{- end }}
{{- end }}

{{/* The name another chart of the same release has: dict root, name. */}}
{{- define "common.sibling" -}}
{{- $release := .root.Release.Name }}
{{- contains .name $release | ternary $release (printf "%s-%s" $release .name) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The in-cluster URL of another chart of the same release: dict root, name. */}}
{{- define "common.siblingUrl" -}}
http://{{ include "common.sibling" . }}.{{ .root.Release.Namespace }}.svc:8080
{{- end }}

{{/* Where browsers reach web-frontend, as a JSON list of URLs. */}}
{{- define "common.publicBaseUrls" -}}
{{- with .Values.global }}
{{- if and .publicBaseUrl .publicBaseUrls }}{{ fail "set global.publicBaseUrl or global.publicBaseUrls, not both" }}{{ end }}
{{- if .publicBaseUrls }}{{ .publicBaseUrls | toJson }}
{{- else }}{{ list (required "global.publicBaseUrl is required, e.g. https://signin.example.com, or publicBaseUrls" .publicBaseUrl) | toJson }}
{{- end }}
{{- end }}
{{- end }}

{{/* Where the token broker answers, as its callers and it itself must agree. */}}
{{- define "common.brokerUrl" -}}
{{- .Values.broker.url | default (include "common.siblingUrl" (dict "root" . "name" "token-broker")) }}
{{- end }}

{{/* As the workload's: two releases in one namespace have accounts of their own. */}}
{{- define "common.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "common.fullname" .) }}
{{- end }}

{{- define "common.selectorLabels" -}}
app.kubernetes.io/name: {{ include "common.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What an object is called, without kind: it carries the chart's version, so no pod template may. */}}
{{- define "common.metadata" -}}
name: {{ include "common.fullname" . }}
namespace: {{ .Release.Namespace }}
labels: {{- include "common.labels" . | nindent 2 }}
{{- end }}

{{- define "common.labels" -}}
{{ include "common.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: onbehalf
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Digest, else tag, else the chart's appVersion. A repository may have its registry in front, as Docker tells them apart. */}}
{{- define "common.image" -}}
{{- $image := .Values.image }}
{{- $registry := $image.registry | default .Values.global.image.registry }}
{{- $name := $image.repository }}
{{- if not (regexMatch "^([^/]*[.:][^/]*|localhost)/" $name) }}
{{- if $registry }}
{{- $name = printf "%s/%s" (trimSuffix "/" $registry) $name }}
{{- else if not .Values.global.image.preloaded }}
{{- fail "global.image.registry is required: where the images are, e.g. registry.example.com/onbehalf; global.image.preloaded is for images that lie on every node" }}
{{- end }}
{{- end }}
{{- if $image.digest }}
{{- printf "%s@%s" $name $image.digest }}
{{- else }}
{{- printf "%s:%s" $name ($image.tag | default .Values.global.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* The port of a URL, stated or its scheme's. */}}
{{- define "common.port" -}}
{{- $url := urlParse . }}
{{- $stated := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- $stated | default (get (dict "http" "80" "https" "443" "redis" "6379" "rediss" "6379") $url.scheme) }}
{{- end }}
