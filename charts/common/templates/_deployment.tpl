{{- define "common.deployment" -}}
{{- $root := .root }}
{{- $values := .root.Values }}
apiVersion: apps/v1
kind: Deployment
metadata: {{- include "common.metadata" $root | nindent 2 }}
spec:
  {{- with include "common.replicas" $root }}
  replicas: {{ . }}
  {{- end }}
  minReadySeconds: 5
  revisionHistoryLimit: 3
  strategy:
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels: {{- include "common.selectorLabels" $root | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "common.selectorLabels" $root | nindent 8 }}
        {{- with merge (dict) $values.podLabels (.spec.podLabels | default dict) $values.commonLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with include "common.podAnnotations" . }}
      annotations: {{- . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "common.serviceAccountName" $root }}
      {{- include "common.podHardening" $root | nindent 6 }}
      terminationGracePeriodSeconds: 45
      {{- with $values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- range $key := list "nodeSelector" "affinity" }}
      {{- with get $values $key }}
      {{ $key }}: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      tolerations:
        {{- range list "not-ready" "unreachable" }}
        - {key: node.kubernetes.io/{{ . }}, operator: Exists, effect: NoExecute, tolerationSeconds: {{ $values.lostNodeSeconds }}}
        {{- end }}
        {{- with $values.tolerations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      topologySpreadConstraints:
        {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
        - topologyKey: {{ . }}
          maxSkew: 1
          whenUnsatisfiable: ScheduleAnyway
          matchLabelKeys: [pod-template-hash]
          labelSelector:
            matchLabels: {{- include "common.selectorLabels" $root | nindent 14 }}
        {{- end }}
      {{- with $values.extraInitContainers }}
      initContainers: {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ $root.Chart.Name }}
          {{- include "common.container" $root | nindent 10 }}
          ports:
            - {name: http, containerPort: 8080}
            - {name: admin, containerPort: 9090}
            {{- range .spec.ports }}
            - {name: {{ .name }}, containerPort: {{ .port }}}
            {{- end }}
          env: {{- include "common.env" . | trim | nindent 12 }}
          {{- with $values.extraEnvFrom }}
          envFrom: {{- toYaml . | nindent 12 }}
          {{- end }}
          startupProbe:
            httpGet: {path: /startupz, port: admin}
            periodSeconds: 1
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /livez, port: admin}
            periodSeconds: 10
            timeoutSeconds: 3
            failureThreshold: 3
          readinessProbe:
            httpGet: {path: /readyz, port: admin}
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 2
          volumeMounts:
            {{- include "common.volumeMounts" . | nindent 12 }}
        {{- with $values.extraContainers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      volumes:
        {{- include "common.volumes" . | nindent 8 }}
{{- end }}

{{/*
Whoever scales a workload owns its replicas, but leaving them out of an update takes them back to one: so they stay
as they are, and unsaid where there is no workload yet.
*/}}
{{- define "common.replicas" -}}
{{- if or .Values.autoscaling.enabled .Values.keda.enabled }}
{{- with lookup "apps/v1" "Deployment" .Release.Namespace (include "common.fullname" .) }}{{ .spec.replicas }}{{ end }}
{{- else }}
{{- .Values.replicas }}
{{- end }}
{{- end }}

{{/* Of the content alone: nothing that names the chart's version may roll the pods. */}}
{{- define "common.podAnnotations" -}}
{{- $computed := dict }}
{{- with .spec.files }}{{ $_ := set $computed "checksum/config" (toJson . | sha256sum) }}{{ end }}
{{- with include "common.readOnce" . }}{{ $_ := set $computed "checksum/read-once" (sha256sum .) }}{{ end }}
{{- with merge (dict) .root.Values.podAnnotations $computed }}{{ toYaml . }}{{ end }}
{{- end }}

{{/*
What is in the cluster of those Secrets and ConfigMaps that a program reads at its start alone: a change of them rolls the
pods at the next upgrade. Nothing where Helm sees no cluster. All others are read again while a program runs.
*/}}
{{- define "common.readOnce" -}}
{{- $sources := .spec.readOnce | default list }}
{{- with .root.Values.global.extraCa.configMap }}{{ $sources = append $sources (dict "kind" "ConfigMap" "name" .) }}{{ end }}
{{- range $sources }}
{{- with lookup "v1" .kind $.root.Release.Namespace .name }}{{ .data | toJson }}{{ end }}
{{- end }}
{{- end }}
