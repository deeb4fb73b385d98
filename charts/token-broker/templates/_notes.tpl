{{/* What Entra must trust, and what to be warned of: the umbrella says it too. */}}
{{- define "token-broker.trust" -}}
{{- if include "token-broker.federated" . -}}
Each app registration the broker stands for needs a federated credential with exactly
  subject    system:serviceaccount:{{ .Release.Namespace }}:{{ include "common.serviceAccountName" . }}
  issuer     {{ .Values.callers.issuer }}
  audience   {{ include "token-broker.federationAudience" . }}
{{- else -}}
No client of the broker is federated: nothing in Entra needs to trust this cluster.
{{- end }}
{{- end }}

{{/* dict root, path: what stands before the names of this chart's values. */}}
{{- define "token-broker.warnings" -}}
{{- $path := .path }}
{{- with .root }}
{{- if and (ne .Values.redis.auth.type "none") (hasPrefix "redis:" .Values.redis.url) }}
WARNING: {{ $path }}redis.allowPlaintext sends the credential for Redis in the clear. Prefer rediss://.
{{- end }}
{{- range $name, $client := .Values.clients }}
{{- range $client.credentials }}
{{- if eq .type "secret" }}
WARNING: {{ $path }}clients.{{ $name }} uses a client secret. It expires and can be copied; prefer federated.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
