{{- define "common.warnings" -}}
{{- if hasPrefix "http:" (concat (list .Values.global.publicBaseUrl) .Values.global.publicBaseUrls | join "") }}
WARNING: global.publicBaseUrl is plain http. That is for one machine's browser only.
{{- end }}
{{- if eq (dig "networkPolicy" "enabled" true .Values.global) false }}
WARNING: global.networkPolicy.enabled is false: every pod of the cluster can reach these.
{{- else }}

NetworkPolicies are there, but whether this cluster enforces them cannot be seen from inside: ask its CNI, or see that
what docs/aks/network.md does not list times out.
{{- end }}
{{- end }}
