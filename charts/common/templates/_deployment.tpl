{{- define "common.deployment" -}}
{{- $root := .root }}
{{- $values := .root.Values }}
apiVersion: apps/v1
kind: Deployment
metadata: {{- include "common.metadata" $root | nindent 2 }}
spec:
  {{- if not (or $values.autoscaling.enabled $values.keda.enabled) }}
  replicas: {{ $values.replicas }}
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
      {{- range $key := list "nodeSelector" "tolerations" "affinity" }}
      {{- with get $values $key }}
      {{ $key }}: {{- toYaml . | nindent 8 }}
      {{- end }}
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

{{/* Of the content alone: nothing that names the chart's version may roll the pods. */}}
{{- define "common.podAnnotations" -}}
{{- $computed := dict }}
{{- with .spec.files }}{{ $_ := set $computed "checksum/config" (toJson . | sha256sum) }}{{ end }}
{{- with merge (dict) .root.Values.podAnnotations $computed }}{{ toYaml . }}{{ end }}
{{- end }}
