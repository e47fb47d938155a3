"""The chart over a matrix of values files: it lints, renders, and the API server takes every manifest."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_gateway_operator.api.names import GROUP
from mcp_gateway_operator.runtime.proxies import Proxies
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.packaging.conftest import (
    CHART,
    HERE,
    RELEASE,
    ROOT,
    Helm,
    load_all,
    of_subcharts,
    only,
    parent_chart,
    update_command,
)

VALUES = sorted((HERE / "values").glob("*.yaml"), key=lambda path: path.name)
LINTED = (
    "",
    "admission alerts every-operator-setting high-availability proxy scheduling user-roles",
    "long-name pod-monitor permissions-of-others image-by-digest",
)


def _pod(deployment: dict[str, Any]) -> dict[str, Any]:
    template = deployment["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe", "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    }


def _spec(helm: Helm, *arguments: str) -> dict[str, Any]:
    deployment = only(helm.template("x", "default", *arguments), "Deployment")
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


Rendered = dict[int, dict[str, list[dict[str, Any]]]]
"""The manifests by major version of helm and by values file."""


def _is_crd(item: dict[str, Any]) -> bool:
    return bool(item["kind"] == "CustomResourceDefinition")


def _alias(path: Path) -> str:
    return f"with-{path.stem.replace('.', '-')}"


@pytest.fixture(scope="module")
def rendered(helms: dict[int, Helm], tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """One subchart for each file, all in one run; they are named as the chart itself would name them."""
    directory = tmp_path_factory.mktemp("rendered")
    chart = parent_chart(directory, *map(_alias, VALUES))
    values = directory / "values.yaml"
    values.write_text(yaml.safe_dump({_alias(path): yaml.safe_load(path.read_text()) for path in VALUES}))
    found: Rendered = {}
    for major, helm in helms.items():
        by_alias = found[major] = {_alias(path): [] for path in VALUES}
        for alias, document in of_subcharts(
            helm("template", "x", str(chart), "--values", str(values)).stdout
        ):
            by_alias[alias] += load_all(document.replace(alias, RELEASE))
    return found


def test_every_template_lints(helms: dict[int, Helm], rendered: Rendered) -> None:
    """In few combinations, which together make each kind of object that any of the values files makes."""
    made = set()
    for names in map(str.split, LINTED):
        arguments = [part for name in names for part in ("--values", str(HERE / "values" / f"{name}.yaml"))]
        for helm in helms.values():
            helm("lint", str(CHART), "--strict", *arguments)
        made |= {item["kind"] for item in helms[4].template("x", "default", *arguments)}
    assert made == {item["kind"] for objects in rendered[4].values() for item in objects}


def test_rendered_manifests_are_accepted(
    monitored: LocalCluster, namespace: str, one_helm: Helm, rendered: Rendered
) -> None:
    """A server-side dry run takes all of them, and the pods pass the standard "restricted"."""
    # The CRDs of subcharts have no schema.
    crds = {each["metadata"]["name"]: each for each in one_helm.template("x", "default") if _is_crd(each)}
    everything = [
        {**item, "spec": crds[item["metadata"]["name"]]["spec"]} if _is_crd(item) else item
        for objects in rendered[4].values()
        for item in objects
    ]
    pods = [_pod(only(objects, "Deployment")) for objects in rendered[4].values()]
    for where, made in (((), everything), (("--namespace", namespace), pods)):
        # What several values files make alike is sent once.
        different = {json.dumps(item, sort_keys=True): None for item in made}
        asked = monitored.kubectl(
            *("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict"),
            *(*where, "--output=name", "-f", "-"),
            input="\n---\n".join(different),
        )
        assert len(asked.stdout.split()) == len(different)


@pytest.mark.parametrize("values", VALUES, ids=[path.stem for path in VALUES])
def test_both_helms_render_the_same(rendered: Rendered, values: Path) -> None:
    """The schema of the CRDs aside, which another test compares with what is written."""
    # The order within one kind differs.
    by_name = [
        sorted(by_alias[_alias(values)], key=lambda item: (item["kind"], item["metadata"]["name"]))
        for by_alias in rendered.values()
    ]
    assert by_name[0] == by_name[1] != []


def test_names_that_upgrades_depend_on(one_helm: Helm) -> None:
    objects = one_helm.template("mcp-gateway-operator", "mcp-gateway-operator-system")

    named = {(item["kind"], item["metadata"]["name"]) for item in objects}
    assert named == {
        ("CustomResourceDefinition", "mcpservers.mcpgateway.bedrock.aws"),
        ("CustomResourceDefinition", "mcpgateways.mcpgateway.bedrock.aws"),
        ("ServiceAccount", "mcp-gateway-operator"),
        ("ClusterRole", "mcp-gateway-operator-manager-role"),
        ("ClusterRoleBinding", "mcp-gateway-operator-manager-rolebinding"),
        ("Role", "mcp-gateway-operator-leader-election-role"),
        ("RoleBinding", "mcp-gateway-operator-leader-election-rolebinding"),
        ("Role", "mcp-gateway-operator-guard-role"),
        ("RoleBinding", "mcp-gateway-operator-guard-rolebinding"),
        ("Deployment", "mcp-gateway-operator"),
    }
    deployment = only(objects, "Deployment")
    assert deployment["spec"]["selector"]["matchLabels"] == {
        "app.kubernetes.io/name": "mcp-gateway-operator",
        "app.kubernetes.io/instance": "mcp-gateway-operator",
    }
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["name"] == "manager"
    assert "command" not in container  # the image's own entrypoint takes bare flags


def test_a_release_of_another_name_is_the_stem_of_all_names(helm: Helm) -> None:
    objects = helm.template("blue", "default")

    assert only(objects, "Deployment")["metadata"]["name"] == "blue-mcp-gateway-operator"
    assert only(objects, "ClusterRole")["metadata"]["name"] == "blue-mcp-gateway-operator-manager-role"


def test_one_replica_without_leader_election_is_replaced_never_overlapped(one_helm: Helm) -> None:
    assert only(one_helm.template("x", "default"), "Deployment")["spec"]["strategy"] == {"type": "Recreate"}


def test_probes_follow_their_flag(one_helm: Helm) -> None:
    values = HERE / "values" / "probes-elsewhere.yaml"
    deployment = only(one_helm.template("x", "default", "--values", str(values)), "Deployment")

    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert "--health-probe-bind-address=0.0.0.0:9440" in container["args"]
    assert {"name": "health", "containerPort": 9440} in container["ports"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}


def test_probes_are_left_out_with_the_server_they_ask(one_helm: Helm) -> None:
    values = HERE / "values" / "probes-off.yaml"
    deployment = only(one_helm.template("x", "default", "--values", str(values)), "Deployment")

    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert not {"livenessProbe", "readinessProbe", "ports"} & container.keys()


def test_without_proxies_and_authorities_nothing_is_said_of_them(one_helm: Helm) -> None:
    (container,) = _spec(one_helm)["containers"]
    assert [each["name"] for each in container["env"]] == ["POD_NAME"]


def test_proxies_never_stand_between_the_operator_and_its_cluster_or_its_credentials(one_helm: Helm) -> None:
    (container,) = _spec(one_helm, "--values", str(HERE / "values" / "proxy.yaml"))["containers"]
    env = {each["name"]: each.get("value") for each in container["env"]}
    assert env["HTTPS_PROXY"] == env["HTTP_PROXY"] == "http://proxy.example.com:3128"
    # What the kubelet makes of it, and how the operator reads that.
    filled = {
        name: (value or "").replace("$(KUBERNETES_SERVICE_HOST)", "172.20.0.1") for name, value in env.items()
    }
    proxies = Proxies(filled)
    for direct in (
        "https://172.20.0.1:443",
        "http://169.254.170.23/v1",
        "http://[fd00:ec2::23]/v1",
        "https://10.1.1.1",
    ):
        assert proxies.for_url(direct) is None
    assert proxies.for_url("https://sts.us-east-1.amazonaws.com") is not None


def test_authorities_are_mounted_where_the_operator_looks_for_them(helm: Helm) -> None:
    pod = _spec(helm, "--set", "caBundle.configMapName=corporate")
    (container,) = pod["containers"]
    (directory,) = [each["value"] for each in container["env"] if each["name"] == "SSL_CERT_DIR"]
    (mount,) = [each for each in container["volumeMounts"] if each["mountPath"] == directory]
    (volume,) = [each for each in pod["volumes"] if each["name"] == mount["name"]]
    assert volume["configMap"] == {"name": "corporate"}


def test_the_own_seccomp_profile_is_kept(one_helm: Helm) -> None:
    profiles = {}
    for name in ("defaults", "scheduling"):
        values = HERE / "values" / f"{name}.yaml"
        deployment = only(one_helm.template("x", "default", "--values", str(values)), "Deployment")
        profiles[name] = deployment["spec"]["template"]["spec"]["securityContext"]["seccompProfile"]["type"]

    assert profiles == {"defaults": "RuntimeDefault", "scheduling": "Localhost"}


@pytest.mark.parametrize(
    ("version", "source"),
    [
        ("1.37.0", "config/crd/bases"),
        ("v1.30.4-eks-1-30", "config/crd/bases"),
        ("v1.29.9-eks-5e0fdde", "config/crd/legacy"),
        ("1.21.0", "config/crd/legacy"),
    ],
)
def test_the_crd_fits_the_server(helm: Helm, version: str, source: str) -> None:
    """From 1.30 the strict rules, which older servers would hold against objects that are there already."""
    objects = helm.template("x", "default", "--kube-version", version)

    crds = {each["metadata"]["name"]: each for each in objects if each["kind"] == "CustomResourceDefinition"}
    written = [
        each for path in (ROOT / source).glob("mcpgateway*.yaml") for each in load_all(path.read_text())
    ]
    assert {name: crd["spec"] for name, crd in crds.items()} == {
        each["metadata"]["name"]: each["spec"] for each in written
    }
    assert {crd["metadata"]["annotations"]["helm.sh/resource-policy"] for crd in crds.values()} == {"keep"}


NOT_OF_THE_SCHEMA = [
    ("operator.leaderElect=true", "additional properties 'leaderElect' not allowed"),
    ("aws.gatewayID=x", "additional properties 'gatewayID' not allowed"),
    ("replicas=2", "additional properties 'replicas' not allowed"),
    ("operator.driftInterval=60", "/operator/driftInterval"),
    ("operator.defaultDeletionPolicy=retain", "/operator/defaultDeletionPolicy"),
    ("operator.healthProbeBindAddress=8081", "/operator/healthProbeBindAddress"),
    ("image.pullPolicy=always", "/image/pullPolicy"),
    (
        "aws.gatewayId=arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/team-abcdefghij",
        "/aws/gatewayId': value must be 'the id of a gateway, which is what its ARN has behind gateway/",
    ),
    ("aws.gatewayId=tools", "for example tools-abcdefghij"),
    ("aws.gatewayId=https://tools-abcdefghij.example.com/mcp", "the id of a gateway"),
    ("aws.region=us-east-1a", "/aws/region': value must be 'the code of an AWS Region"),
    ("aws.region=Ohio", "for example us-east-1"),
    ("operator.ownerId=$(CLUSTER)", "/operator/ownerId': value must be 'the name of this installation"),
    ("operator.watchNamespaces={team-a,Team_B}", "/operator/watchNamespaces/1': value must be 'the name"),
    ("operator.watchNamespaces={*}", "for example team-a"),
    ("operator.guardNamespace=kube-system/x", "/operator/guardNamespace"),
    ("operator.leaderElectionNamespace=A", "/operator/leaderElectionNamespace"),
    ("proxy.https=socks5://proxy:1080", "/proxy/https"),
    ("proxy.https=http://jane:secret@proxy:3128", "/proxy/https"),
    ("proxy.no=x", "additional properties 'no' not allowed"),
]


def test_wrong_values_are_refused_with_a_sentence(helm: Helm, tmp_path: Path) -> None:
    """One subchart for each, all in one run."""
    chart = parent_chart(tmp_path, *(f"n{number}" for number in range(len(NOT_OF_THE_SCHEMA))))
    wrong = [f"--set=n{number}.{setting}" for number, (setting, _) in enumerate(NOT_OF_THE_SCHEMA)]

    done = helm("template", "x", str(chart), *wrong, check=False)

    assert done.returncode != 0
    said = dict(re.findall(r"^n(\d+):\n(.*(?:\n- .*)*)", done.stderr, re.MULTILINE))
    silent = [
        setting
        for number, (setting, sentence) in enumerate(NOT_OF_THE_SCHEMA)
        if sentence not in said[str(number)]
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            ["replicaCount=2"],
            "without leader election all of them would write to AWS: set operator.leaderElection",
        ),
        (["operator.metrics.serviceMonitor.enabled=true"], "set operator.metrics.bindAddress"),
        (["operator.metrics.podMonitor.enabled=true"], "set operator.metrics.bindAddress"),
        (
            ["operator.metrics.podMonitor.enabled=true", "operator.metrics.bindAddress=:8443"],
            "set operator.metrics.podMonitor.tokenSecretName",
        ),
        (
            [
                "operator.metrics.podMonitor.enabled=true",
                "operator.metrics.serviceMonitor.enabled=true",
                "operator.metrics.bindAddress=:8443",
            ],
            "would read everything twice",
        ),
        (["operator.metrics.prometheusRule.enabled=true"], "set operator.metrics.bindAddress"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_values_that_contradict_are_refused_with_a_sentence(
    one_helm: Helm, settings: list[str], sentence: str
) -> None:
    arguments = [part for setting in settings for part in ("--set", setting)]

    done = one_helm("template", "x", str(CHART), *arguments, check=False)

    assert done.returncode != 0
    assert sentence in done.stderr


def test_a_release_name_that_is_too_long_is_refused(one_helm: Helm) -> None:
    done = one_helm("template", "a" * 60, str(CHART), check=False)

    assert done.returncode != 0
    assert "must not be longer than 53" in done.stderr


def test_the_longest_names_stay_legal(helm: Helm) -> None:
    """53 characters is Helm's limit for a release; the chart's name is then cut off, not refused."""
    settings = ("operator.metrics.bindAddress=:8443", "nameOverride=" + "n" * 90)
    arguments = [part for setting in settings for part in ("--set", setting)]

    objects = helm.template("a" * 50 + "z.z", "default", *arguments)

    assert len(only(objects, "Service")["metadata"]["name"]) <= 63
    assert "." not in only(objects, "Service")["metadata"]["name"]
    labels = only(objects, "Deployment")["metadata"]["labels"]
    assert all(len(value) <= 63 for value in labels.values())


def test_the_admission_policy_is_made_where_it_can_work_and_only_if_asked_for(helm: Helm) -> None:
    def found(*settings: str) -> list[dict[str, Any]]:
        objects = helm.template("x", "default", *settings)
        return [each for each in objects if each["kind"].startswith("ValidatingAdmissionPolicy")]

    on = "--set=admissionPolicy.enabled=true"
    written = {
        name: yaml.safe_load((ROOT / f"config/admission/{name}.yaml").read_text())
        for name in ("policy", "binding")
    }
    assert found() == []
    policy, binding = sorted(found(on), key=lambda each: str(each["kind"]))
    assert policy["metadata"]["name"] == binding["spec"]["policyName"] == "x-mcp-gateway-operator-permission"
    assert policy["spec"] == written["policy"]["spec"]
    assert binding["spec"] == written["binding"]["spec"] | {"policyName": policy["metadata"]["name"]}
    assert found(on, "--kube-version=1.29.9") == []
    # Without parameters it would do nothing.
    assert found(on, "--set=crds.install=false") == []
    served = "--api-versions=mcpgateway.bedrock.aws/v1alpha1/MCPGateway"
    assert len(found(on, "--set=crds.install=false", served)) == 2
    (_, some) = sorted(
        found(on, "--set=operator.watchNamespaces={team-a}"), key=lambda each: str(each["kind"])
    )
    (selected,) = some["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
    assert selected == {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["team-a"]}


def test_notes_say_what_is_missing(asking: Helm) -> None:
    settings = "crds.install=false,rbac.create=false,aws=null,serviceAccount=null,operator=null"
    notes = asking.notes("--set", settings)

    assert "aws.gatewayId is empty: every MCPServer must name its gateway" in notes
    assert "carries no IAM role" in notes
    assert "rbac.create is false" in notes
    assert ROOT / update_command(notes)[-1] == CHART / "files" / "crd.yaml"


def test_notes_are_silent_about_what_is_in_order(asking: Helm) -> None:
    notes = asking.notes("--values", str(HERE / "values" / "chart-0.1.yaml"))

    assert "gatewayId is empty" not in notes
    assert "IAM role" not in notes
    assert "gatewayId:" not in notes


def test_the_example_of_the_notes_is_admitted(asking: Helm, cluster: LocalCluster, namespace: str) -> None:
    example = asking.notes().partition("<<YAML\n")[2].partition("\nYAML\n")[0]

    cluster.kubectl("--namespace", namespace, "apply", "-f", "-", input=example)

    made = cluster.get(f"/apis/{GROUP}/v1alpha1/namespaces/{namespace}/mcpservers/weather")
    assert made["spec"]["authType"] == "NoAuth"
