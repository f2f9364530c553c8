{{- define "thirdline.name" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trimSuffix "-thirdline" | trunc 50 | trimSuffix "-" }}-cds
{{- end }}

{{- define "thirdline.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "thirdline.labels" -}}
{{ include "thirdline.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "thirdline.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "thirdline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "thirdline.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* Environment of the service and of the migration job. */ -}}
{{- define "thirdline.env" -}}
envFrom:
  - configMapRef: {name: {{ include "thirdline.name" . }}}
{{- if .Values.existingSecret }}
env:
  - {name: CDS_SECRETS_DIR, value: /run/secrets/thirdline}
{{- end }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: state, mountPath: /var/lib/thirdline}
{{- if .Values.existingSecret }}
  - {name: secrets, mountPath: /run/secrets/thirdline, readOnly: true}
{{- end }}
{{- if .Values.existingConfigMap }}
  - {name: config, mountPath: /etc/thirdline, readOnly: true}
{{- end }}
{{- end }}

{{- define "thirdline.volumes" -}}
volumes:
  - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
{{- if .Values.persistence.enabled }}
  - {name: state, persistentVolumeClaim: {claimName: {{ include "thirdline.name" . }}}}
{{- else }}
  - {name: state, emptyDir: {}}
{{- end }}
{{- if .Values.existingSecret }}
  - {name: secrets, secret: {secretName: {{ .Values.existingSecret | quote }}, defaultMode: 0440}}
{{- end }}
{{- if .Values.existingConfigMap }}
  - {name: config, configMap: {name: {{ .Values.existingConfigMap | quote }}}}
{{- end }}
{{- end }}
