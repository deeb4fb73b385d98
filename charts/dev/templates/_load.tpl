{{- define "dev.loadLabels" -}}
app.kubernetes.io/name: load
app.kubernetes.io/instance: {{ .Release.Name }}
{{/* What the brokers' policies let in. */ -}}
app.kubernetes.io/component: test
{{- end }}

{{/* What the emulator needs to be loaded: people who exist from the start and sign in without a page. */}}
{{- define "dev.loadEnv" -}}
{{- if .Values.load.enabled -}}
SIGNING: load
INTERACTION: auto
PEOPLE: {{ .Values.load.users | default 10000 | int | quote }}
{{- end }}
{{- end }}

{{- define "dev.loadArgs" -}}
- /app/services/load-generator/src/main.ts
- {{ .Values.load.scenario }}
- --url={{ .Values.load.brokerUrl }}
- --entra=http://{{ include "common.sibling" (dict "root" . "name" "entra-emulator") }}:9440
- --assertion-file=/var/run/secrets/onbehalf/broker/assertion
{{- range $option, $value := dict "rate" .Values.load.ratePerSecond "duration" .Values.load.durationSeconds "users" .Values.load.users "replicas" .Values.load.brokers }}
{{- if $value }}
- --{{ $option }}={{ $value | int }}
{{- end }}
{{- end }}
{{- end }}

{{/* Waits for the broker and the emulator: a Job that meets neither would have failed for good. */}}
{{- define "dev.loadWait" -}}
const urls = process.argv.slice(1);
for (const url of urls) {
  for (let left = 120; ; left -= 1) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined);
    if (answer?.ok) break;
    if (left === 0) throw new Error(`${url} does not answer`);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}
{{- end }}

{{- define "dev.loadAffinity" -}}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (dict "app.kubernetes.io/name" "token-broker")) }}
podAntiAffinity:
  {{- if eq .Values.load.antiAffinity "required" }}
  requiredDuringSchedulingIgnoredDuringExecution: [{{ toJson $term }}]
  {{- else }}
  preferredDuringSchedulingIgnoredDuringExecution: [{{ toJson (dict "weight" 100 "podAffinityTerm" $term) }}]
  {{- end }}
{{- end }}
