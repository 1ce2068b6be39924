{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{- define "evalx.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* What every object has. */}}
{{- define "evalx.labels" -}}
{{ include "evalx.part" . }}
app.kubernetes.io/part-of: evalx
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* What selects pods; never changes. Asked with (dict "root" $ "part" "worker"). */}}
{{- define "evalx.part" -}}
app.kubernetes.io/name: evalx
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{/* Name and labels of an object: (dict "root" $ "part" "worker" "name" "...") */}}
{{- define "evalx.metadata" -}}
name: {{ .name | default (printf "%s-%s" (include "evalx.name" .root) .part) }}
labels:
  {{- include "evalx.labels" . | nindent 2 }}
{{- end }}

{{- define "evalx.image" -}}
{{ .root.Values.image.registry }}/{{ .image }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* What pods of every part have. */}}
{{- define "evalx.pod" -}}
serviceAccountName: {{ include "evalx.name" .root }}-{{ .part }}
automountServiceAccountToken: false
# The variables that Kubernetes makes of Services (EVALX_API_PORT, ...) are settings that evalx does not
# know, and it starts with none of those.
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Spread over nodes and zones: of the API and of workers. */}}
{{- define "evalx.spread" -}}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels: {{- include "evalx.part" . | nindent 14 }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "evalx.part" . | nindent 8 }}
{{- end }}

{{- define "evalx.locked" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Files of the Secret, and the variables that name them: (dict "root" $ "keys" (list "redis-url")). */}}
{{- define "evalx.secretVolume" -}}
name: secrets
secret:
  secretName: {{ .root.Values.secretName }}
  defaultMode: 0440
  items:
    {{- range .keys }}
    - { key: {{ . }}, path: {{ . }} }
    {{- end }}
{{- end }}

{{- define "evalx.secretEnv" -}}
{{- range .keys }}
- name: EVALX_{{ . | replace "-" "_" | upper }}_FILE
  value: /run/secrets/evalx/{{ . }}
{{- end }}
{{- end }}

{{/* EVALX_ settings; a role's own win over those of both. */}}
{{- define "evalx.settings" -}}
{{- $all := merge (dict) .own .root.Values.settings .defaults -}}
{{- range $name := keys $all | sortAlpha }}
EVALX_{{ $name }}: {{ get $all $name | toString | quote }}
{{- end }}
{{- end }}

{{/* Two kinds of scaling read the same words. */}}
{{- define "evalx.behavior" -}}
# Up at once: a queue grows in seconds, and a worker takes as long to start.
scaleUp:
  stabilizationWindowSeconds: 0
  selectPolicy: Max
  policies:
    - { type: Percent, value: 100, periodSeconds: 15 }
    - { type: Pods, value: 4, periodSeconds: 15 }
# Down slowly: by the most that was wanted in this time, and a quarter a minute.
scaleDown:
  stabilizationWindowSeconds: {{ .Values.autoscaling.scaleDownStabilization }}
  selectPolicy: Max
  policies:
    - { type: Percent, value: 25, periodSeconds: 60 }
    - { type: Pods, value: 1, periodSeconds: 60 }
{{- end }}
