{{/*
Puts the default in the place of every value that is missing: Helm removes a key that is null or has nothing below
it, a whole section too, and `helm upgrade --reuse-values` lacks what the old release did not have. Each template
begins with this and then reads .Values as values.yaml has them.
*/}}
{{- define "mcp-gateway-operator.defaults" -}}
{{- if eq (toString .Values.enabled) "false" -}}
{{- fail "enabled is false, and no parent chart reads it: give the dependency `condition: mcp-gateway-operator.enabled`, with true or false and not a text, or leave the chart out." -}}
{{- end -}}
{{- include "mcp-gateway-operator.fill" (list .Values (.Files.Get "files/defaults.yaml" | fromYaml)) -}}
{{- end }}

{{/*
The argument: values, their defaults. What Kubernetes defines is taken as it is, so that a key of it can be
removed: `podSecurityContext.runAsUser: null` is what OpenShift needs.
*/}}
{{- define "mcp-gateway-operator.fill" -}}
{{- $values := first . -}}
{{- range $key, $default := last . -}}
{{- $value := index $values $key -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := set $values $key $default -}}
{{- else if and (kindIs "map" $default) (not (has $key (list "podSecurityContext" "securityContext" "resources"))) -}}
{{- include "mcp-gateway-operator.fill" (list $value $default) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A text, also of a number: Helm reads 20261126 as a float and would print it as 2.0261126e+07. */}}
{{- define "mcp-gateway-operator.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end }}

{{/* One map of texts (labels, annotations) of a list of maps. The first that has a key decides; null is absent. */}}
{{- define "mcp-gateway-operator.merged" -}}
{{- $all := dict -}}
{{- range . -}}
{{- range $key, $value := . -}}
{{- if not (or (hasKey $all $key) (kindIs "invalid" $value)) -}}
{{- $_ := set $all $key (include "mcp-gateway-operator.text" $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $all -}}
{{- end }}

{{/* One list of (the chart's entries, the user's, the key that tells them apart): the user's come in place of ours. */}}
{{- define "mcp-gateway-operator.joined" -}}
{{- $theirs := index . 1 -}}
{{- $key := index . 2 -}}
{{- $taken := list -}}
{{- range $theirs }}{{ $taken = append $taken (get . $key) }}{{ end -}}
{{- $all := list -}}
{{- range index . 0 -}}
{{- if not (has (get . $key) $taken) }}{{ $all = append $all . }}{{ end -}}
{{- end -}}
{{- concat $all $theirs | toYaml -}}
{{- end }}

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

{{- define "mcp-gateway-operator.guard" -}}
guard.mcpgateway.bedrock.aws
{{- end }}

{{- define "mcp-gateway-operator.namespaceGuard" -}}
namespace-{{ include "mcp-gateway-operator.guard" . }}
{{- end }}

{{/*
The Leases of the guard, by namespace: those that this release takes, those that it looks at, and whether it lists
them. As the operator has them: one in kube-system when all namespaces are watched, else one in each; or all of them
in operator.guardNamespace.
*/}}
{{- define "mcp-gateway-operator.guardLeases" -}}
{{- $guard := include "mcp-gateway-operator.guard" . -}}
{{- $single := include "mcp-gateway-operator.namespaceGuard" . -}}
{{- $home := .Values.operator.guardNamespace -}}
{{- $places := dict -}}
{{- if not .Values.operator.watchNamespaces -}}
{{- $_ := set $places ($home | default "kube-system") (dict "taken" (list $guard) "listed" (not (empty $home))) -}}
{{- else if $home -}}
{{- $taken := list -}}
{{- range .Values.operator.watchNamespaces -}}
{{- $taken = append $taken (printf "%s.%s" $single .) -}}
{{- end -}}
{{- $_ := set $places $home (dict "taken" $taken "seen" (list $guard)) -}}
{{- else -}}
{{- $_ := set $places "kube-system" (dict "seen" (list $guard)) -}}
{{- range .Values.operator.watchNamespaces -}}
{{- $here := get $places . | default dict -}}
{{- $_ := set $places . (merge (dict "taken" (list $single)) $here) -}}
{{- end -}}
{{- end -}}
{{- toYaml $places -}}
{{- end }}

{{/* The image: a tag that is a digest joins without a colon. */}}
{{- define "mcp-gateway-operator.image" -}}
{{- $tag := include "mcp-gateway-operator.text" (.Values.image.tag | default .Chart.AppVersion) -}}
{{- if hasPrefix "@" $tag -}}
{{- printf "%s%s" .Values.image.repository $tag }}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository $tag }}
{{- end -}}
{{- end }}

{{- define "mcp-gateway-operator.crdName" -}}
mcpservers.mcpgateway.bedrock.aws
{{- end }}

{{- define "mcp-gateway-operator.crdFile" -}}
{{- ternary "files/crd-legacy.yaml" "files/crd.yaml" (semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version) -}}
{{- end }}

{{/*
The fields of an object that Helm holds by a server-side apply, as `fields`; empty when it holds none so. Its entry is
known by Helm's own annotation: Flux goes by another name.
*/}}
{{- define "mcp-gateway-operator.appliedByHelm" -}}
{{- $applied := dict -}}
{{- range .metadata.managedFields -}}
{{- if and (eq .operation "Apply") (hasKey (dig "f:metadata" "f:annotations" dict .fieldsV1) "f:meta.helm.sh/release-name") -}}
{{- $applied = dict "fields" .fieldsV1 -}}
{{- end -}}
{{- end -}}
{{- toYaml $applied -}}
{{- end }}

{{/*
Not empty when this release may write the CRD: (context, as found, as it should be). It carries the release's name;
and where Helm applies server-side, as Helm 4 does, nobody else has set another text of what is to be written, which
would be refused as a conflict and fail the whole upgrade.
*/}}
{{- define "mcp-gateway-operator.crdIsOurs" -}}
{{- $release := (index . 0).Release -}}
{{- $found := index . 1 -}}
{{- $new := index . 2 -}}
{{- $label := dig "labels" "app.kubernetes.io/managed-by" "" $found.metadata -}}
{{- $annotations := $found.metadata.annotations | default dict -}}
{{- if and (eq $label "Helm") (eq (get $annotations "meta.helm.sh/release-name") $release.Name) (eq (get $annotations "meta.helm.sh/release-namespace") $release.Namespace) -}}
{{- $shared := false -}}
{{- if include "mcp-gateway-operator.appliedByHelm" $found | fromYaml -}}
{{- range $found.metadata.managedFields -}}
{{- if and (hasKey .fieldsV1 "f:spec") (not (hasKey (dig "f:metadata" "f:annotations" dict .fieldsV1) "f:meta.helm.sh/release-name")) -}}
{{- $shared = true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $same := and (eq (toJson $found.spec.names) (toJson $new.spec.names)) (eq (toJson $found.spec.versions) (toJson $new.spec.versions)) -}}
{{- if or $same (not $shared) -}}
true
{{- end -}}
{{- end -}}
{{- end }}

{{/*
What the chart does with the CRD: nothing when it is "off" (crds.install is false), "foreign" (kubectl's or another
release's) or "current" (the same, with nothing missing in its schema); it is written when it is "absent" or "ours". A
`helm template` sees no cluster and takes it for absent.
*/}}
{{- define "mcp-gateway-operator.crdState" -}}
{{- if ne (toString .Values.crds.install) "true" -}}
off
{{- else -}}
{{- $found := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" (include "mcp-gateway-operator.crdName" .) -}}
{{- $new := .Files.Get (include "mcp-gateway-operator.crdFile" .) | fromYaml -}}
{{- if not $found -}}
absent
{{- else if include "mcp-gateway-operator.crdIsOurs" (list . $found $new) -}}
ours
{{- else if eq (toJson (first $found.spec.versions).schema) (toJson (first $new.spec.versions).schema) -}}
current
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
{{- $filledIn := false -}}
{{- with lookup "apps/v1" "Deployment" .Release.Namespace (include "mcp-gateway-operator.fullname" .) -}}
{{- $applied := include "mcp-gateway-operator.appliedByHelm" . | fromYaml -}}
{{- $filledIn = and $applied (not (dig "fields" "f:spec" "f:strategy" "f:rollingUpdate" false $applied)) (dig "spec" "strategy" "rollingUpdate" false .) -}}
{{- end -}}
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

{{/*
Whether the chart makes the admission policy: "off", "on", or "unserved" where the API server has no such policies
(before Kubernetes 1.30), or no MCPGateways and gets none from here. A policy without its parameters would do nothing.
*/}}
{{- define "mcp-gateway-operator.admission" -}}
{{- if ne (toString .Values.admissionPolicy.enabled) "true" -}}
off
{{- else -}}
{{- $policies := semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version -}}
{{- $classes := or (eq (toString .Values.crds.install) "true") (.Capabilities.APIVersions.Has "mcpgateway.bedrock.aws/v1alpha1/MCPGateway") -}}
{{- ternary "on" "unserved" (and $policies $classes) -}}
{{- end -}}
{{- end }}
