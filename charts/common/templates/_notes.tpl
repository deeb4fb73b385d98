{{- define "common.warnings" -}}
{{- if hasPrefix "http:" .Values.global.publicBaseUrl }}
WARNING: global.publicBaseUrl is plain http. That is for one machine's browser only.
{{- end }}
{{- if eq (dig "networkPolicy" "enabled" true .Values.global) false }}
WARNING: global.networkPolicy.enabled is false: every pod of the cluster can reach these.
{{- end }}
{{- end }}
