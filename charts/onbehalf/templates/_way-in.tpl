{{/*
The way in, as a dict: hosts (each with its host, its paths and the suffix of what is named for it), https (whether),
backend (web-frontend's Service).
*/}}
{{- define "onbehalf.wayIn" -}}
{{- $hosts := list }}
{{- $schemes := list }}
{{- range include "common.publicBaseUrls" . | fromJsonArray }}
{{- $url := urlParse . }}
{{- $host := regexReplaceAll ":[0-9]+$" $url.host "" }}
{{- $path := $url.path | default "/" }}
{{- $schemes = append $schemes $url.scheme | uniq }}
{{- $known := false }}
{{- range $hosts }}
{{- if eq .host $host }}{{ $known = true }}{{ $_ := set . "paths" (append .paths $path) }}{{ end }}
{{- end }}
{{- if not $known }}
{{- $suffix := empty $hosts | ternary "" (printf "-%d" (add1 (len $hosts))) }}
{{- $hosts = append $hosts (dict "host" $host "paths" (list $path) "suffix" $suffix) }}
{{- end }}
{{- end }}
{{- if gt (len $schemes) 1 }}{{ fail "global.publicBaseUrls must be all https, or all http" }}{{ end }}
{{- $frontend := index .Values "web-frontend" }}
{{- dict
  "hosts" $hosts
  "https" (has "https" $schemes)
  "backend" ($frontend.fullnameOverride | default (include "common.sibling" (dict "root" . "name" "web-frontend")))
  | toJson }}
{{- end }}

{{/* What a schema cannot say of the way in. */}}
{{- define "onbehalf.validateWayIn" -}}
{{- $frontend := index .Values "web-frontend" }}
{{- if $frontend.enabled }}
{{- $_ := required "web-frontend.trustedProxies is required: the addresses of the gateway's pods, e.g. 10.244.0.0/16" $frontend.trustedProxies }}
{{- end }}
{{- if not .Values.gateway.create }}
{{- range list "annotations" "labels" "infrastructure" "addresses" }}
{{- if get $.Values.gateway . }}{{ fail (printf "gateway.%s needs gateway.create: no Gateway is made that could have it" .) }}{{ end }}
{{- end }}
{{- end }}
{{- if not .Values.ingress.enabled }}
{{- if or .Values.ingress.className .Values.ingress.annotations .Values.ingress.tls.secretName }}
{{- fail "ingress.className, ingress.annotations and ingress.tls need ingress.enabled" }}
{{- end }}
{{- end }}
{{- range $key, $what := dict
  "gateway.create" (and .Values.gateway.create "gateway.networking.k8s.io/v1/Gateway")
  "route.enabled" (and .Values.route.enabled "gateway.networking.k8s.io/v1/HTTPRoute") }}
{{- if $what }}{{ include "common.requireKind" (dict "root" $ "kind" $what "off" (printf "%s: false" $key)) }}{{ end }}
{{- end }}
{{- end }}
