{{/* clients.json: the broker's words, with what the release already knows filled in. */}}
{{- define "token-broker.clients" -}}
{{- $clients := dict }}
{{- $graph := (include "token-broker.cloud" . | fromJson).graph }}
{{- if not .Values.clients }}{{ fail "clients is required: at least one client of the broker" }}{{ end }}
{{- range $name, $client := .Values.clients }}
{{- $subjects := $client.subjects | default list }}
{{- range $client.charts }}
{{- $subjects = append $subjects (printf "system:serviceaccount:%s:%s" $.Release.Namespace (include "common.sibling" (dict "root" $ "name" .))) }}
{{- end }}
{{- range $client.serviceAccounts }}
{{- $subjects = append $subjects (printf "system:serviceaccount:%s:%s" $.Release.Namespace .) }}
{{- end }}
{{- $redirectUris := $client.redirectUris }}
{{- if and (empty $redirectUris) (has "authorization_code" $client.grants) }}
{{- $redirectUris = list }}
{{- range include "common.publicBaseUrls" $ | fromJsonArray }}
{{- $redirectUris = append $redirectUris (printf "%s/auth/callback" .) }}
{{- end }}
{{- end }}
{{- $credentials := list }}
{{- range $index, $credential := $client.credentials }}
{{- $rendered := dict "type" $credential.type }}
{{- with $credential.existingSecret }}
{{- $directory := printf "/var/run/secrets/onbehalf/credentials/%s/%d" $name $index }}
{{- $_ := set $rendered "file" (printf "%s/%s" $directory .key) }}
{{- with .privateKeyKey }}{{ $_ := set $rendered "keyFile" (printf "%s/%s" $directory .) }}{{ end }}
{{- with .passwordKey }}{{ $_ := set $rendered "passwordFile" (printf "%s/%s" $directory .) }}{{ end }}
{{- end }}
{{- with $credential.sendX5c }}{{ $_ := set $rendered "sendX5c" . }}{{ end }}
{{- $credentials = append $credentials $rendered }}
{{- end }}
{{- $authentication := list }}
{{- range $index, $way := $client.authentication }}
{{- $file := printf "/var/run/secrets/onbehalf/credentials/%s/authentication/%d/%s" $name $index $way.existingSecret.key }}
{{- $authentication = append $authentication (dict "type" $way.type "file" $file) }}
{{- end }}
{{- $scopes := list }}
{{- range $client.scopes }}
{{- $scopes = append $scopes (regexReplaceAll "^https://graph\\.microsoft\\.com/" . (printf "%s/" $graph)) }}
{{- end }}
{{- $tenantId := $client.tenantId | default $.Values.global.entra.tenantId }}
{{- $_ := set $clients $name (dict
  "tenantId" (required (printf "clients.%s.tenantId or global.entra.tenantId is required" $name) $tenantId)
  "clientId" (required (printf "clients.%s.clientId is required" $name) $client.clientId)
  "subjects" $subjects
  "credentials" $credentials
  "grants" $client.grants
  "scopes" $scopes
  "redirectUris" ($redirectUris | default list)
  "permissions" ($client.permissions | default list)
) }}
{{- with $client.processes }}{{ $_ := set (get $clients $name) "processes" . }}{{ end }}
{{- with $client.agents }}{{ $_ := set (get $clients $name) "agents" . }}{{ end }}
{{- with $authentication }}{{ $_ := set (get $clients $name) "authentication" . }}{{ end }}
{{- end }}
{{- $clients | toJson }}
{{- end }}

{{/* The Secrets of certificates, client secrets and callers' own proofs, as sources of one projected volume. */}}
{{- define "token-broker.credentials" -}}
{{- range $name, $client := .Values.clients }}
{{- range $index, $credential := $client.credentials }}
{{- with $credential.existingSecret }}
- secret:
    name: {{ .name }}
    items:
    {{- range compact (list .key .privateKeyKey .passwordKey) }}
      - {key: {{ . }}, path: {{ $name }}/{{ $index }}/{{ . }}}
    {{- end }}
{{- end }}
{{- end }}
{{- range $index, $way := $client.authentication }}
- secret:
    name: {{ $way.existingSecret.name }}
    items: [{key: {{ $way.existingSecret.key }}, path: {{ $name }}/authentication/{{ $index }}/{{ $way.existingSecret.key }}}]
{{- end }}
{{- end }}
{{- end }}
