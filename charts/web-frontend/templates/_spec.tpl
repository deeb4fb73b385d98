{{- define "web-frontend.spec" -}}
env:
  {{- $urls := include "common.publicBaseUrls" . | fromJsonArray }}
  PUBLIC_BASE_URL: {{ .Values.global.publicBaseUrl | default "" | toJson }}
  PUBLIC_BASE_URLS: {{ empty .Values.global.publicBaseUrls | ternary "" (join "," $urls) | toJson }}
  ENTRA_AUTHORITY_HOST: {{ .Values.global.entra.authorityHost | toJson }}
  ENTRA_TENANT_ID: {{ required "global.entra.tenantId is required: the tenant's GUID" .Values.global.entra.tenantId | toJson }}
  ENTRA_CLIENT_ID: {{ required "entra.clientId is required: the client id of onbehalf-web" .Values.entra.clientId | toJson }}
  BROKER_URL: {{ include "common.brokerUrl" . | toJson }}
  BROKER_ASSERTION_FILE: /var/run/secrets/onbehalf/broker/assertion
  SESSION_KEYS_DIR: /var/run/secrets/onbehalf/session
  APIS_FILE: /etc/onbehalf/apis.json
  UPSTREAMS_FILE: {{ empty .Values.upstreams | ternary "" "/etc/onbehalf/upstreams.json" | toJson }}
  VERIFY_PORT: {{ .Values.verify.enabled | ternary "8081" "" | toJson }}
  COOKIE_SAME_SITE: {{ .Values.cookie.sameSite | toJson }}
  SIGN_IN_SCOPES: {{ join " " .Values.signInScopes | toJson }}
  RESPONSE_MODE: {{ .Values.responseMode | toJson }}
  TRUSTED_PROXIES: {{ .Values.trustedProxies | toJson }}
  PUBLIC_RATE_PER_SECOND: {{ .Values.publicRate.perSecond | toJson }}
  PUBLIC_RATE_BURST: {{ .Values.publicRate.burst | toJson }}
  PRODUCT_NAME: {{ .Values.product.name | toJson }}
  {{- with .Values.product.logoConfigMap }}
  LOGO_FILE: {{ empty .name | ternary "" (printf "/etc/onbehalf-logo/%s" .key) | toJson }}
  {{- end }}
  TRACE_VIEWER_URL: {{ .Values.traceViewerUrl | toJson }}
files:
  apis.json: {{ include "web-frontend.apis" . | toJson }}
  {{- with .Values.upstreams }}
  upstreams.json: {{ include "web-frontend.upstreams" . | toJson }}
  {{- end }}
mounts:
  - {{- include "common.brokerAssertion" . | nindent 4 }}
  - {{- include "common.keyRing" (dict "root" . "name" "session" "secret" (include "web-frontend.sessionSecret" .)) | nindent 4 }}
  {{- with .Values.product.logoConfigMap.name }}
  - {name: logo, path: /etc/onbehalf-logo, source: {configMap: {name: {{ . }}}}}
  {{- end }}
{{- if .Values.verify.enabled }}
ports:
  - name: verify
    port: 8081
    from: {{- required "verify.from is required: the pods of the gateway that asks" (.Values.verify.from | default "") | toYaml | nindent 6 }}
{{- end }}
ingress:
  {{- toYaml .Values.networkPolicy.from | nindent 2 }}
egress:
  - {{- include "common.egressTo" "token-broker" | nindent 4 }}
  - {{- include "common.egressTo" "downstream-api" | nindent 4 }}
  {{- range $name, $upstream := .Values.upstreams }}
  {{- with $upstream.peer }}
  - to: [{{ toJson . }}]
    ports: [{port: {{ include "common.port" $upstream.url }}, protocol: TCP}]
  {{- end }}
  {{- end }}
{{- end }}

{{/* As the file has them: its peer is the chart's own word. */}}
{{- define "web-frontend.upstreams" -}}
{{- $upstreams := dict }}
{{- range $name, $upstream := . }}
{{- $_ := set $upstreams $name (omit $upstream "peer") }}
{{- end }}
{{- $upstreams | toJson }}
{{- end }}

{{- define "web-frontend.sessionSecret" -}}
{{- if not .Values.keyVault.enabled }}
{{- required "session.existingSecret.name is required: the Secret with the cookies' key ring" .Values.session.existingSecret.name }}
{{- end }}
{{- end }}

{{- define "web-frontend.apis" -}}
{{- $apis := dict }}
{{- range $name, $api := .Values.apis }}
{{- $url := $api.url | default (include "common.siblingUrl" (dict "root" $ "name" $name)) }}
{{- $_ := set $apis $name (merge (dict "url" $url) $api) }}
{{- end }}
{{- $apis | toJson }}
{{- end }}
