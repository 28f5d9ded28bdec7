{{- define "entrepot.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 55 | trimSuffix "-" -}}
{{- end -}}

{{- define "entrepot.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 55 | trimSuffix "-" -}}
{{- else if contains (include "entrepot.name" .) .Release.Name -}}
{{- .Release.Name | trunc 55 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "entrepot.name" .) | trunc 55 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "entrepot.selector" -}}
app.kubernetes.io/name: {{ include "entrepot.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "entrepot.labels" -}}
{{ include "entrepot.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{/* Empty: the default of the namespace. */}}
{{- define "entrepot.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "entrepot.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{- define "entrepot.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* What the chart sets itself, under what the values say. */}}
{{- define "entrepot.config" -}}
admin:
  host: 0.0.0.0
  # Probes and Prometheus have private addresses; the NetworkPolicy says which of them.
  access:
    networks: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 169.254.0.0/16, fc00::/7, fe80::/10]
storage:
  root: /data
# Connections still come while the endpoint of a pod that stops is removed everywhere.
shutdown:
  delay: 5s
{{- if include "entrepot.isReplicated" . }}
cluster:
  advertise: {{ if dig "listen" "tls" nil .Values.config }}https{{ else }}http{{ end }}://${POD_IP}:{{ include "entrepot.registryPort" . }}
{{- end }}
{{- end -}}

{{/* Several replicas have their content and index elsewhere, and each a disk of its own. */}}
{{- define "entrepot.isReplicated" -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- if .Values.persistence.enabled -}}
{{- fail "replicas above 1 need persistence.enabled=false: a claim is of one pod, and nothing on their disks has to survive" -}}
{{- end -}}
{{- if include "entrepot.ownConfig" . -}}
{{- if not (and (dig "storage" "s3" nil .Values.config) (dig "storage" "index" nil .Values.config) (dig "cluster" "secretFile" nil .Values.config)) -}}
{{- fail "replicas above 1 need config.storage.s3, config.storage.index and config.cluster.secretFile: docs/replicas.md" -}}
{{- end -}}
{{- end -}}
true
{{- end -}}
{{- end -}}

{{- define "entrepot.registryPort" -}}{{ dig "listen" "port" 5000 .Values.config }}{{- end -}}
{{- define "entrepot.adminPort" -}}{{ dig "admin" "port" 5001 .Values.config }}{{- end -}}
{{- define "entrepot.adminScheme" -}}{{ ternary "HTTPS" "HTTP" (not (empty (dig "admin" "tls" nil .Values.config))) }}{{- end -}}

{{- define "entrepot.ownConfig" -}}
{{- if not (or .Values.existingConfig.configMap .Values.existingConfig.secret) -}}true{{- end -}}
{{- end -}}

{{/* Bytes of what Kubernetes or Entrepot takes: 60Gi, 500M, 90GiB, 10GB, or a number. Empty: it cannot be told here. */}}
{{- define "entrepot.bytes" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9]+([.][0-9]+)?(e[+][0-9]+)?" $text -}}
{{- $unit := trimPrefix $number $text | trimSuffix "B" | lower -}}
{{- $powers := list "" "k" "m" "g" "t" "p" "e" -}}
{{- $power := trimSuffix "i" $unit -}}
{{- if and $number (has $power $powers) -}}
{{- $bytes := float64 $number -}}
{{- range $powers -}}
{{- if and . (le (index (dict "k" 1 "m" 2 "g" 3 "t" 4 "p" 5 "e" 6) .) (index (dict "" 0 "k" 1 "m" 2 "g" 3 "t" 4 "p" 5 "e" 6) $power)) -}}
{{- $bytes = mulf $bytes (ternary 1024.0 1000.0 (hasSuffix "i" $unit)) -}}
{{- end -}}
{{- end -}}
{{- printf "%.0f" $bytes -}}
{{- end -}}
{{- end -}}

{{/* A key of `storage`, as the environment or the values say. Empty: it is not said here. */}}
{{- define "entrepot.storageSize" -}}
{{- $said := dig "storage" .key .default .values.config -}}
{{- $name := printf "ENTREPOT_STORAGE_%s" (upper .key) -}}
{{- range .values.env -}}
{{- if eq .name $name -}}{{- $said = .value | default "" -}}{{- end -}}
{{- end -}}
{{- include "entrepot.bytes" $said -}}
{{- end -}}

{{/* The store stays below storage.maxSize, not below the size of a volume that it does not know. */}}
{{- define "entrepot.checkRoom" -}}
{{- if and (include "entrepot.ownConfig" .) (not (and .Values.persistence.enabled .Values.persistence.existingClaim)) -}}
{{- $room := include "entrepot.bytes" .Values.persistence.size -}}
{{- $maxSize := include "entrepot.storageSize" (dict "values" .Values "key" "maxSize" "default" "50GiB") -}}
{{- $minFree := include "entrepot.storageSize" (dict "values" .Values "key" "minFree" "default" "1GiB") -}}
{{- if and $room $maxSize $minFree (lt (float64 $room) (addf (float64 $maxSize) (float64 $minFree))) -}}
{{- $text := "persistence.size is %s (%s bytes), less than storage.maxSize (%s bytes) and storage.minFree (%s bytes) together: raise persistence.size, or lower config.storage.maxSize" -}}
{{- fail (printf $text .Values.persistence.size $room $maxSize $minFree) -}}
{{- end -}}
{{- end -}}
{{- end -}}
