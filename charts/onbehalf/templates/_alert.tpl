{{/* One rule of files/alerts.yaml as alerts.* would have it; nothing where it is switched off. */}}
{{- define "onbehalf.alert" -}}
{{- $rule := deepCopy .rule }}
{{- $own := get .values.rules $rule.alert | default dict }}
{{- with $own.for }}{{ $_ := set $rule "for" . }}{{ end }}
{{- with $own.severity }}{{ $_ := set $rule.labels "severity" . }}{{ end }}
{{- if hasKey $own "threshold" }}
{{- if not $rule.annotations.threshold }}{{ fail (printf "alerts.rules.%s has no threshold" $rule.alert) }}{{ end }}
{{- $wanted := toString $own.threshold }}
{{- $comparison := printf "([<>]) %s(\\n|$)" (regexQuoteMeta $rule.annotations.threshold) }}
{{- $_ := set $rule "expr" (regexReplaceAll $comparison $rule.expr (printf "${1} %s${2}" $wanted)) }}
{{- $_ := set $rule.annotations "threshold" $wanted }}
{{- end }}
{{- if .values.ownNamespaceOnly }}
{{- $_ := set $rule "expr" ($rule.expr | replace "{job=" (printf "{namespace=%q, job=" .namespace)) }}
{{- end }}
{{- with .values.labels }}{{ $_ := set $rule "labels" (merge (deepCopy .) $rule.labels) }}{{ end }}
{{- $_ := set $rule.annotations "runbook_url" (printf "%s#%s" .values.runbookUrl (lower $rule.alert)) }}
{{- if ne $own.enabled false }}
{{- list $rule | toYaml }}
{{- end }}
{{- end }}
