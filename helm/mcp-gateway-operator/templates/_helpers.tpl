{{/*
Values that chart 0.1 did not have are read with a default here and in the templates: `helm upgrade --reuse-values`
takes the old release's values as they were, without the new ones.
*/}}

{{/* The chart's name: the label app.kubernetes.io/name. */}}
{{- define "mcp-gateway-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of the Deployment, and the stem of the others. A release that is named like the chart repeats nothing. */}}
{{- define "mcp-gateway-operator.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* A Service's name is a DNS label: no dots, 63 characters with the suffix. */}}
{{- define "mcp-gateway-operator.metricsService" -}}
{{- printf "%s-metrics" (include "mcp-gateway-operator.fullname" . | replace "." "-" | trunc 55 | trimSuffix "-") }}
{{- end }}

{{- define "mcp-gateway-operator.serviceAccountName" -}}
{{- if eq (toString .Values.serviceAccount.create) "true" -}}
{{- default (include "mcp-gateway-operator.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{- default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{/* What the Deployment selects by. A selector cannot be changed: these two and nothing else, ever. */}}
{{- define "mcp-gateway-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "mcp-gateway-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mcp-gateway-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "mcp-gateway-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The port of a bind address (":8081", "0.0.0.0:8081"), empty when the address turns its server off ("0"). */}}
{{- define "mcp-gateway-operator.port" -}}
{{- $port := . | toString | splitList ":" | last -}}
{{- if ne $port "0" }}{{ $port }}{{ end -}}
{{- end }}

{{/* Not empty when the metrics ask Kubernetes who calls: the permissions for that are then rendered. */}}
{{- define "mcp-gateway-operator.metricsAuth" -}}
{{- if and (include "mcp-gateway-operator.port" .Values.operator.metrics.bindAddress) (eq (toString .Values.operator.metrics.secure) "true") -}}
true
{{- end -}}
{{- end }}

{{- define "mcp-gateway-operator.leaseNamespace" -}}
{{- default .Release.Namespace .Values.operator.leaderElectionNamespace }}
{{- end }}

{{/* The image: a tag that is a digest joins without a colon. */}}
{{- define "mcp-gateway-operator.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion | toString -}}
{{- if hasPrefix "@" $tag -}}
{{- printf "%s%s" .Values.image.repository $tag }}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository $tag }}
{{- end -}}
{{- end }}

{{/* "true" when the chart installs the CRD. */}}
{{- define "mcp-gateway-operator.installsCrd" -}}
{{- dig "install" true (.Values.crds | default dict) }}
{{- end }}

{{- define "mcp-gateway-operator.crdName" -}}
mcpservers.mcpgateway.bedrock.aws
{{- end }}

{{/*
Who installed the CRD, as far as Helm may touch it: "absent", "ours" (this release's) or "foreign" (kubectl,
another release). `helm template` sees no cluster and takes it for absent.
*/}}
{{- define "mcp-gateway-operator.crdState" -}}
{{- $crd := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" (include "mcp-gateway-operator.crdName" .) -}}
{{- if not $crd -}}
absent
{{- else -}}
{{- $labels := $crd.metadata.labels | default dict -}}
{{- $annotations := $crd.metadata.annotations | default dict -}}
{{- if and (eq (get $labels "app.kubernetes.io/managed-by") "Helm") (eq (get $annotations "meta.helm.sh/release-name") .Release.Name) (eq (get $annotations "meta.helm.sh/release-namespace") .Release.Namespace) -}}
ours
{{- else -}}
foreign
{{- end -}}
{{- end -}}
{{- end }}

{{/*
How pods are replaced. Without leader election the old one has to be gone before the new one starts, as nothing
else keeps both from writing: Recreate. A server-side apply (Helm 4) cannot go there from a Deployment whose
rollingUpdate was filled in by the API server, as chart 0.1 left it: what nobody owns is not removed, and is then
refused beside Recreate. Such a Deployment gets a RollingUpdate that owns these fields and stops the old pod
first; the next upgrade can drop them.
*/}}
{{- define "mcp-gateway-operator.strategy" -}}
{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace (include "mcp-gateway-operator.fullname" .) -}}
{{- $applied := false -}}
{{- $owned := false -}}
{{- range (($live | default dict).metadata | default dict).managedFields -}}
{{- if and (eq .manager "helm") (eq .operation "Apply") -}}
{{- $applied = true -}}
{{- if dig "f:spec" "f:strategy" "f:rollingUpdate" false .fieldsV1 -}}
{{- $owned = true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $filledIn := and $applied (not $owned) (dig "spec" "strategy" "rollingUpdate" false ($live | default dict)) -}}
{{- if eq (toString .Values.operator.leaderElection) "true" -}}
type: RollingUpdate
rollingUpdate:
  maxSurge: 1
  maxUnavailable: 0
{{- else if $filledIn -}}
type: RollingUpdate
rollingUpdate:
  maxSurge: 0
  maxUnavailable: 1
{{- else -}}
type: Recreate
{{- end -}}
{{- end }}
