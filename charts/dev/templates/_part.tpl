{{/*
One part: a Deployment, its Service and its NetworkPolicy: dict root, name, image (values), args, command, env, ports
(name to number), probe, mounts (as in common), ingress and egress (NetworkPolicy rules).
*/}}
{{- define "dev.part" -}}
{{- $root := .root }}
{{- $name := include "common.sibling" (dict "root" $root "name" .name) }}
{{- $labels := dict "app.kubernetes.io/name" .name "app.kubernetes.io/instance" $root.Release.Name }}
{{- $metadata := dict "name" $name "namespace" $root.Release.Namespace "labels" (merge $labels (include "common.labels" $root | fromYaml)) }}
{{- $image := dict "Values" (dict "image" .image "global" $root.Values.global "resources" $root.Values.resources) "Chart" $root.Chart }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{- toYaml $metadata | nindent 2 }}
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector:
    matchLabels: {{- toYaml (pick $labels "app.kubernetes.io/name" "app.kubernetes.io/instance") | nindent 6 }}
  template:
    metadata:
      labels: {{- toYaml (merge (pick $labels "app.kubernetes.io/name" "app.kubernetes.io/instance") $root.Values.commonLabels) | nindent 8 }}
    spec:
      {{- include "common.podHardening" $root | nindent 6 }}
      containers:
        - name: {{ .name }}
          {{- include "common.container" $image | nindent 10 }}
          {{- with .command }}
          command: {{ toJson . }}
          {{- end }}
          ports:
            {{- range $port, $number := .ports }}
            - {name: {{ $port }}, containerPort: {{ $number }}}
            {{- end }}
          {{- with .env }}
          env:
            {{- range $key, $value := . }}
            - {name: {{ $key }}, value: {{ $value | quote }}}
            {{- end }}
          {{- end }}
          {{- range list "startupProbe" "livenessProbe" "readinessProbe" }}
          {{ . }}: {{- toYaml $.probe | nindent 12 }}
          {{- end }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            {{- range .mounts }}
            - {name: {{ .name }}, mountPath: {{ .path }}, readOnly: true}
            {{- end }}
      volumes:
        - name: tmp
          emptyDir: {sizeLimit: 64Mi}
        {{- range .mounts }}
        - name: {{ .name }}
          {{- toYaml .source | nindent 10 }}
        {{- end }}
---
apiVersion: v1
kind: Service
metadata: {{- toYaml $metadata | nindent 2 }}
spec:
  selector: {{- toYaml (pick $labels "app.kubernetes.io/name" "app.kubernetes.io/instance") | nindent 4 }}
  ports:
    {{- range $port, $number := .ports }}
    - {name: {{ $port }}, port: {{ $number }}, targetPort: {{ $port }}, protocol: TCP}
    {{- end }}
{{- if $root.Values.global.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{- toYaml $metadata | nindent 2 }}
spec:
  podSelector:
    matchLabels: {{- toYaml (pick $labels "app.kubernetes.io/name" "app.kubernetes.io/instance") | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress: {{- toYaml .ingress | nindent 4 }}
  egress: {{- toYaml (.egress | default list) | nindent 4 }}
{{- end }}
{{- end }}

{{/* Everyone in the list may reach the port: dict names, port. */}}
{{- define "dev.from" -}}
- from:
    {{- range .names }}
    - podSelector: {matchLabels: {app.kubernetes.io/name: {{ . }}}}
    {{- end }}
  ports: [{port: {{ .port }}, protocol: TCP}]
{{- end }}

{{/* The subjects of the brokers that the stand-in for Entra ID trusts, as its apps' federated credentials name them. */}}
{{- define "dev.brokers" -}}
{{- $subjects := list }}
{{- range .Values.entraEmulator.brokerServiceAccounts }}
{{- $subjects = append $subjects (printf "system:serviceaccount:%s:%s" $.Release.Namespace .) }}
{{- end }}
{{- join "," $subjects }}
{{- end }}
