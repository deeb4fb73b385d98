{{- define "downstream-api.spec" -}}
{{- $tenant := .Values.global.entra.tenantId }}
env:
  ENTRA_AUTHORITY_HOST: {{ .Values.global.entra.authorityHost | toJson }}
  ENTRA_AUDIENCE: {{ required "entra.audience is required: the client id of onbehalf-api" .Values.entra.audience | toJson }}
  ENTRA_TENANTS: {{ .Values.entra.tenants | join " " | default $tenant | required "global.entra.tenantId or entra.tenants is required" | toJson }}
  ENTRA_ALLOWED_CLIENTS: {{ .Values.entra.allowedClients | join " " | toJson }}
  BROKER_URL: {{ include "common.brokerUrl" . | toJson }}
  BROKER_ASSERTION_FILE: /var/run/secrets/onbehalf/broker/assertion
  GRAPH_BASE_URL: {{ .Values.graph.baseUrl | toJson }}
mounts:
  - {{- include "common.brokerAssertion" . | nindent 4 }}
ingress:
  - {{ include "common.peer" "web-frontend" }}
egress:
  - {{- include "common.egressTo" "token-broker" | nindent 4 }}
{{- end }}

{{/* dict root, path: what stands before the names of this chart's values. */}}
{{- define "downstream-api.warnings" -}}
{{- if empty .root.Values.entra.allowedClients }}
WARNING: {{ .path }}entra.allowedClients is empty: any client of the tenant may call downstream-api.
{{- end }}
{{- end }}
