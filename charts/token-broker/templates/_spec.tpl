{{- define "token-broker.spec" -}}
{{- $redis := .Values.redis }}
{{- if and (hasPrefix "redis:" $redis.url) (ne $redis.auth.type "none") (not $redis.allowPlaintext) }}
{{- fail "redis.url must be rediss:// with redis.auth, or redis.allowPlaintext true: a credential would go in the clear" }}
{{- end }}
{{- range $redis.sentinel.urls }}
{{- if and (hasPrefix "redis:" .) $redis.sentinel.existingSecret.name (not $redis.allowPlaintext) }}
{{- fail "redis.sentinel.urls must be rediss:// with a password, or redis.allowPlaintext true: a credential would go in the clear" }}
{{- end }}
{{- end }}
env:
  BROKER_URL: {{ include "token-broker.url" . | toJson }}
  ENTRA_AUTHORITY_HOST: {{ .Values.global.entra.authorityHost | toJson }}
  CLIENTS_FILE: /etc/onbehalf/clients.json
  CALLERS_ISSUER: {{ required "callers.issuer is required: the cluster's OIDC issuer URL" .Values.callers.issuer | toJson }}
  CALLERS_JWKS_URI: {{ .Values.callers.jwksUri | toJson }}
  CALLERS_AUDIENCE: {{ .Values.callers.audience | toJson }}
  {{- with .Values.callers.caConfigMap }}
  CALLERS_CA_FILE: {{ empty .name | ternary "" (printf "/etc/ssl/callers/%s" .key) | toJson }}
  {{- end }}
  {{- if .Values.callers.ownToken }}
  CALLERS_TOKEN_FILE: /var/run/secrets/onbehalf/api-server/token
  {{- end }}
  CALLERS_RATE: {{ .Values.callers.rate | toJson }}
  SEALING_KEYS_DIR: /var/run/secrets/onbehalf/sealing
  REDIS_URL: {{ required "redis.url is required, e.g. rediss://redis.example.com:6380" $redis.url | toJson }}
  REDIS_MODE: {{ $redis.mode | toJson }}
  {{- if eq $redis.mode "cluster" }}
  REDIS_CLUSTER_NODES: {{ $redis.cluster.nodes | toJson }}
  {{- else if eq $redis.mode "sentinel" }}
  {{- with $redis.sentinel }}
  REDIS_SENTINEL_URLS: {{ join "," (required "redis.sentinel.urls is required by redis.mode sentinel" (.urls | default "")) | toJson }}
  REDIS_SENTINEL_MASTER: {{ required "redis.sentinel.master is required by redis.mode sentinel" .master | toJson }}
  {{- if .existingSecret.name }}
  REDIS_SENTINEL_USERNAME: {{ .username | toJson }}
  REDIS_SENTINEL_PASSWORD_FILE: /var/run/secrets/onbehalf/redis-sentinel/{{ .existingSecret.key }}
  {{- end }}
  {{- end }}
  {{- end }}
  REDIS_KEY_PREFIX: {{ $redis.keyPrefix | toJson }}
  REDIS_COMMAND_TIMEOUT_MS: {{ $redis.commandTimeoutMs | toJson }}
  REDIS_AUTH: {{ $redis.auth.type | toJson }}
  {{- with $redis.auth }}
  {{- if eq .type "password" }}
  REDIS_USERNAME: {{ .username | default "" | toJson }}
  REDIS_PASSWORD_FILE: /var/run/secrets/onbehalf/redis/{{ .existingSecret.key }}
  {{- else if eq .type "entra" }}
  REDIS_ENTRA_CLIENT_ID: {{ .clientId | toJson }}
  REDIS_ENTRA_TENANT_ID: {{ .tenantId | default $.Values.global.entra.tenantId | toJson }}
  {{- end }}
  {{- end }}
  {{- if $redis.allowPlaintext }}
  REDIS_ALLOW_PLAINTEXT: "true"
  {{- end }}
  {{- with $redis.clientCertificate.existingSecret }}
  {{- if .name }}
  REDIS_CERT_FILE: /var/run/secrets/onbehalf/redis-tls/{{ .key }}
  REDIS_KEY_FILE: {{ empty .privateKeyKey | ternary "" (printf "/var/run/secrets/onbehalf/redis-tls/%s" .privateKeyKey) | toJson }}
  REDIS_KEY_PASSWORD_FILE: {{ empty .passwordKey | ternary "" (printf "/var/run/secrets/onbehalf/redis-tls/%s" .passwordKey) | toJson }}
  {{- end }}
  {{- end }}
  {{- with $redis.caConfigMap }}
  REDIS_CA_FILE: {{ empty .name | ternary "" (printf "/etc/ssl/redis/%s" .key) | toJson }}
  {{- end }}
  {{- if and (include "token-broker.federated" .) (not .Values.federation.webhook) }}
  AZURE_FEDERATED_TOKEN_FILE: /var/run/secrets/azure/tokens/azure-identity-token
  {{- end }}
  {{- if .Values.tls.existingSecret.name }}
  TLS_CERT_FILE: /var/run/secrets/onbehalf/tls/tls.crt
  TLS_KEY_FILE: /var/run/secrets/onbehalf/tls/tls.key
  {{- end }}
  SESSION_IDLE_SECONDS: {{ .Values.session.idleSeconds | toJson }}
  SESSION_ABSOLUTE_SECONDS: {{ .Values.session.absoluteSeconds | toJson }}
  SESSIONS_PER_ACCOUNT: {{ .Values.session.perAccount | toJson }}
  SESSION_RATE: {{ .Values.session.rate | toJson }}
  L1_MAX_BYTES: {{ .Values.l1.maxBytes | toJson }}
  L1_MAX_UNVERIFIED_SECONDS: {{ .Values.l1.maxUnverifiedSeconds | toJson }}
files:
  clients.json: {{ include "token-broker.clients" . | toJson }}
readOnce: {{- include "token-broker.readOnce" . | fromYamlArray | toJson | nindent 2 }}
mounts: {{- include "token-broker.mounts" . | nindent 2 }}
{{- if and (include "token-broker.federated" .) .Values.federation.webhook }}
podLabels: {azure.workload.identity/use: "true"}
serviceAccountAnnotations: {azure.workload.identity/client-id: {{ include "token-broker.federated" . }}}
{{- end }}
ingress:
  - {{ include "common.peer" "web-frontend" }}
  - {{ include "common.peer" "downstream-api" }}
egress: {{- include "token-broker.redisRules" . | nindent 2 }}
{{- end }}

{{/* What the broker reads at its start alone. The API server writes kube-root-ca.crt, soon after a namespace is made. */}}
{{- define "token-broker.readOnce" -}}
{{- with .Values.tls.existingSecret.name }}
- {kind: Secret, name: {{ . }}}
{{- end }}
{{- with .Values.callers.caConfigMap.name }}
{{- if ne . "kube-root-ca.crt" }}
- {kind: ConfigMap, name: {{ . }}}
{{- end }}
{{- end }}
{{- end }}

{{- define "token-broker.url" -}}
{{- $scheme := empty .Values.tls.existingSecret.name | ternary "http" "https" }}
{{- .Values.broker.url | default (printf "%s://%s.%s.svc:8080" $scheme (include "common.fullname" .) .Release.Namespace) }}
{{- end }}

{{/* The first client id that signs in to Entra by federation, Redis' included; nothing if none does. */}}
{{- define "token-broker.federated" -}}
{{- $ids := list }}
{{- range $client := .Values.clients }}
{{- range $client.credentials }}
{{- if eq .type "federated" }}{{ $ids = append $ids $client.clientId }}{{ end }}
{{- end }}
{{- end }}
{{- with .Values.redis.auth }}
{{- if eq .type "entra" }}{{ $ids = append $ids .clientId }}{{ end }}
{{- end }}
{{- with $ids }}{{ first . }}{{ end }}
{{- end }}

{{- define "token-broker.mounts" -}}
{{- $sealing := "" }}
{{- if not .Values.keyVault.enabled }}
{{- $sealing = required "sealing.existingSecret.name is required: the Secret with the key ring that seals what Redis holds" .Values.sealing.existingSecret.name }}
{{- end }}
- {{- include "common.keyRing" (dict "root" . "name" "sealing" "secret" $sealing) | nindent 2 }}
{{- if and (include "token-broker.federated" .) (not .Values.federation.webhook) }}
- {{- include "common.projectedToken" (dict "name" "azure-token" "path" "/var/run/secrets/azure/tokens" "audience" (include "token-broker.federationAudience" .) "seconds" 3600 "file" "azure-identity-token") | nindent 2 }}
{{- end }}
{{- if .Values.callers.ownToken }}
- {{- include "common.projectedToken" (dict "name" "api-server-token" "path" "/var/run/secrets/onbehalf/api-server" "seconds" 3600 "file" "token") | nindent 2 }}
{{- end }}
{{- with include "token-broker.credentials" . }}
- name: credentials
  path: /var/run/secrets/onbehalf/credentials
  source:
    projected:
      defaultMode: 0440
      sources: {{- . | nindent 8 }}
{{- end }}
{{- with .Values.redis.auth }}
{{- if eq .type "password" }}
- name: redis
  path: /var/run/secrets/onbehalf/redis
  source:
    secret:
      secretName: {{ .existingSecret.name }}
      defaultMode: 0440
      items: [{key: {{ .existingSecret.key }}, path: {{ .existingSecret.key }}}]
{{- end }}
{{- end }}
{{- with .Values.redis.sentinel.existingSecret }}
{{- if and .name (eq $.Values.redis.mode "sentinel") }}
- name: redis-sentinel
  path: /var/run/secrets/onbehalf/redis-sentinel
  source:
    secret:
      secretName: {{ .name }}
      defaultMode: 0440
      items: [{key: {{ .key }}, path: {{ .key }}}]
{{- end }}
{{- end }}
{{- with .Values.redis.clientCertificate.existingSecret }}
{{- if .name }}
- name: redis-tls
  path: /var/run/secrets/onbehalf/redis-tls
  source:
    secret:
      secretName: {{ .name }}
      defaultMode: 0440
      items:
      {{- range compact (list .key .privateKeyKey .passwordKey) }}
        - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- end }}
{{- end }}
{{- with .Values.tls.existingSecret.name }}
- name: tls
  path: /var/run/secrets/onbehalf/tls
  source: {secret: {secretName: {{ . }}, defaultMode: 0440}}
{{- end }}
{{- range $what, $configMap := dict "callers" .Values.callers.caConfigMap "redis" .Values.redis.caConfigMap }}
{{- if $configMap.name }}
- name: {{ $what }}-ca
  path: /etc/ssl/{{ $what }}
  source: {configMap: {name: {{ $configMap.name }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* Managed Redis with the OSS clustering policy also answers on a port per node; sentinels have ports of their own. */}}
{{- define "token-broker.redisRules" -}}
{{- $redis := .Values.redis }}
{{- $ports := list (dict "port" (include "common.port" $redis.url | int) "protocol" "TCP") }}
{{- if and (eq $redis.mode "cluster") (not $redis.podSelector) }}
{{- $ports = append $ports (dict "port" 8500 "endPort" 8599 "protocol" "TCP") }}
{{- end }}
{{- if eq $redis.mode "sentinel" }}
{{- $sentinels := list }}
{{- range $redis.sentinel.urls }}{{ $sentinels = append $sentinels (regexFind ":[0-9]+$" . | trimPrefix ":" | default "26379" | int) }}{{ end }}
{{- range uniq $sentinels }}{{ $ports = append $ports (dict "port" . "protocol" "TCP") }}{{ end }}
{{- end }}
{{- if $redis.podSelector }}
- to: [{podSelector: {matchLabels: {{ toJson $redis.podSelector }}}}]
  ports: {{- toYaml $ports | nindent 4 }}
{{- else if $redis.egressCidrs }}
- to:
    {{- range $redis.egressCidrs }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
  ports: {{- toYaml $ports | nindent 4 }}
{{- else }}
{{ include "common.internetRule" (dict "root" . "ports" $ports) }}
{{- end }}
{{- end }}

{{/* The cloud of the authority, as JSON: its Microsoft Graph, and to whom a federated token is made out. */}}
{{- define "token-broker.cloud" -}}
{{- $global := dict "graph" "https://graph.microsoft.com" "federationAudience" "api://AzureADTokenExchange" -}}
{{- $usGov := dict "graph" "https://graph.microsoft.us" "federationAudience" "api://AzureADTokenExchangeUSGov" -}}
{{- $china := dict "graph" "https://microsoftgraph.chinacloudapi.cn" "federationAudience" "api://AzureADTokenExchangeChina" -}}
{{- dict
  "https://login.microsoftonline.us" $usGov
  "https://login.usgovcloudapi.net" $usGov
  "https://login.partner.microsoftonline.cn" $china
  "https://login.chinacloudapi.cn" $china
  | dig .Values.global.entra.authorityHost $global | toJson }}
{{- end }}

{{- define "token-broker.federationAudience" -}}
{{ (include "token-broker.cloud" . | fromJson).federationAudience }}
{{- end }}
