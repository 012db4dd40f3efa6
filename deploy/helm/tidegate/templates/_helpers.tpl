{{- define "tidegate.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tidegate.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tidegate.labels" -}}
{{ include "tidegate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Values know floats alone, which toToml writes as 256.0 or 1e+06: whole numbers become such. */}}
{{- define "tidegate.whole" -}}
{{- $table := . -}}
{{- range $key, $value := $table -}}
{{- if kindIs "map" $value -}}
{{- include "tidegate.whole" $value -}}
{{- else if kindIs "slice" $value -}}
{{- range $value -}}
{{- if kindIs "map" . -}}{{- include "tidegate.whole" . -}}{{- end -}}
{{- end -}}
{{- else if and (kindIs "float64" $value) (eq $value (floor $value)) -}}
{{- $_ := set $table $key (int64 $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tidegate.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- if not $config.listen.public_url -}}
{{- $_ := set $config.listen "public_url" (include "tidegate.url" .) -}}
{{- end -}}
{{- include "tidegate.whole" $config -}}
{{- toToml $config -}}
{{- end -}}

{{- define "tidegate.url" -}}
{{- $scheme := ternary "https" "http" (hasKey .Values.config.listen "tls") -}}
{{- $port := include "tidegate.port" .Values.config.listen.address -}}
{{- printf "%s://%s.%s.svc:%s" $scheme (include "tidegate.name" .) .Release.Namespace $port -}}
{{- end -}}

{{- define "tidegate.port" -}}
{{- regexFind "[0-9]+$" . -}}
{{- end -}}

{{/* What the schema cannot say: what in one place must fit what stands in another. */}}
{{- define "tidegate.fits" -}}
{{- $config := .Values.config -}}
{{- $delay := $config.limits.drain_delay | default "0s" -}}
{{- $end := add .Values.preStopSeconds (trimSuffix "s" $delay | int) (trimSuffix "s" $config.limits.drain_timeout | int) 10 -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (int $end) -}}
{{- fail (printf "terminationGracePeriodSeconds: %v, expected at least %v: preStopSeconds, config.limits.drain_delay, config.limits.drain_timeout and 10 s" .Values.terminationGracePeriodSeconds $end) -}}
{{- end -}}
{{- if eq (include "tidegate.port" $config.listen.address) (include "tidegate.port" $config.admin.address) -}}
{{- fail "config.admin.address: the port of config.listen.address, expected another" -}}
{{- end -}}
{{- if and $config.policies.etcd (not .Values.secrets.etcd) (or $config.policies.etcd.ca $config.policies.etcd.client_key) -}}
{{- fail "secrets.etcd: nothing, expected the secret with what config.policies.etcd names" -}}
{{- end -}}
{{- if and $config.policies.directory (not .Values.policies) -}}
{{- fail "policies: nothing, expected the documents of config.policies.directory" -}}
{{- end -}}
{{- if and .Values.policies $config.policies.etcd -}}
{{- fail "policies: documents, and config.policies.etcd as well: set config.policies.etcd to null, or put them with `tidegate fleet import`" -}}
{{- end -}}
{{- end -}}
