{{/*
`helm test`: the chart's files/test.mjs in its own image, under the same rules as the service: dict root, env, mounts, and
port where the service is not asked at its own pods' 8080. A pod that passed goes; one that failed stays to be read.
*/}}
{{- define "common.test" -}}
{{- $root := .root }}
{{- $mounts := .mounts | default list }}
{{- $env := .env }}
{{- with $root.Values.global.extraCa }}
{{- if .configMap }}
{{- $mounts = append $mounts (dict "name" "extra-ca" "path" "/etc/ssl/onbehalf" "source" (dict "configMap" (dict "name" .configMap))) }}
{{- $env = merge (dict "NODE_EXTRA_CA_CERTS" (printf "/etc/ssl/onbehalf/%s" .key)) $env }}
{{- end }}
{{- end }}
{{- $name := printf "%s-test" (include "common.fullname" $root | trunc 58 | trimSuffix "-") }}
{{- $labels := dict
  "app.kubernetes.io/name" (printf "%s-test" (include "common.name" $root))
  "app.kubernetes.io/instance" $root.Release.Name
  "app.kubernetes.io/component" "test"
}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- toYaml $labels | nindent 4 }}
data:
  test.mjs: |
    {{- $root.Files.Get "files/test.mjs" | nindent 4 }}
---
apiVersion: v1
kind: Pod
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- toYaml $labels | nindent 4 }}
  annotations: {helm.sh/hook: test, helm.sh/hook-delete-policy: "before-hook-creation,hook-succeeded"}
spec:
  restartPolicy: Never
  activeDeadlineSeconds: 90
  {{- include "common.podHardening" $root | nindent 2 }}
  containers:
    - name: test
      {{- include "common.container" $root | nindent 6 }}
      args: [/test/test.mjs]
      env:
        {{- range $key, $value := $env }}
        - {name: {{ $key }}, value: {{ $value | quote }}}
        {{- end }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: test, mountPath: /test, readOnly: true}
        {{- range $mounts }}
        - {name: {{ .name }}, mountPath: {{ .path }}, readOnly: true}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
    - name: test
      configMap: {name: {{ $name }}}
    {{- range $mounts }}
    - name: {{ .name }}
      {{- toYaml .source | nindent 6 }}
    {{- end }}
{{- if $root.Values.global.networkPolicy.enabled }}
---
# Where a namespace is closed unless opened, a test pod needs to be let out too.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- toYaml $labels | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- toYaml $labels | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress: []
  egress:
    {{- include "common.dnsRule" $root | nindent 4 }}
    {{- if .port }}
    - ports: [{port: {{ .port }}, protocol: TCP}]
    {{- else }}
    - to:
        - podSelector:
            matchLabels: {{- include "common.selectorLabels" $root | nindent 14 }}
      ports: [{port: 8080, protocol: TCP}]
    {{- end }}
{{- end }}
{{- end }}
