"""Values with holes: what is null, removed or set twice gives the default, never a broken manifest."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_gateway_operator import __version__
from tests.integration.packaging.conftest import CHART, RELEASE, Helm, of_subcharts, only, parent_chart

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
# What Kubernetes defines: in there null removes a key, as in every chart.
KUBERNETES = ("podSecurityContext", "securityContext", "resources")


def _paths(values: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every section and every key of the chart's own."""
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, dict) and key not in KUBERNETES:
            yield from _paths(value, (*above, key))


PATHS = list(_paths(VALUES))


def _nulls(*paths: tuple[str, ...]) -> dict[str, Any]:
    """Return values that are null at each of the paths."""
    found: dict[str, Any] = {}
    for path in paths:
        section = found
        for key in path[:-1]:
            section = section.setdefault(key, {})
        section[path[-1]] = None
    return found


def _render(helm: Helm, chart: Path, values: dict[str, Any]) -> str:
    return helm("template", "x", str(chart), "--values", "-", input=yaml.safe_dump(values)).stdout


def _by_alias(rendered: str) -> dict[str, list[str]]:
    """Return the text of each subchart's manifests, in order and without its alias."""
    found: dict[str, list[str]] = {}
    for alias, document in of_subcharts(rendered):
        found.setdefault(alias, []).append(re.sub(rf"\b{re.escape(alias)}\b", "ALIAS", document).strip("\n-"))
    return {alias: sorted(documents) for alias, documents in found.items()}


# Of one depth, for a section that is null hides the keys in it.
_LEVELS = [[path for path in PATHS if len(path) == depth] for depth in range(1, max(map(len, PATHS)) + 1)]
GROUPS = [level[part::4] for level in _LEVELS for part in range(4) if level[part::4]]


@pytest.mark.parametrize("place", ["of the user", "of the parent chart"])
def test_any_key_or_section_that_is_null_has_its_default(helm: Helm, tmp_path: Path, place: str) -> None:
    """A few at once; one subchart for each group of them, all in one run."""
    assert sorted(path for group in GROUPS for path in group) == sorted(PATHS)
    values = {f"n{number}": _nulls(*group) for number, group in enumerate(GROUPS)}
    chart = parent_chart(tmp_path, *values, "untouched")
    if place == "of the parent chart":
        (chart / "values.yaml").write_text(yaml.safe_dump(values))
        values = {}

    rendered = _by_alias(_render(helm, chart, values))

    differing = [
        [".".join(path) for path in group]
        for number, group in enumerate(GROUPS)
        if rendered[f"n{number}"] != rendered["untouched"]
    ]
    assert differing == []


def test_all_of_them_together_have_their_defaults(helm: Helm) -> None:
    """The chart on its own: Helm treats its values in another way than a subchart's."""
    leaves = [path for path in PATHS if not any(other[: len(path)] == path != other for other in PATHS)]
    sections = [path for path in PATHS if len(path) == 1]
    default = _render(helm, CHART, {})

    for paths in (leaves, sections, [("global",), ("enabled",)]):
        assert _render(helm, CHART, _nulls(*paths)) == default


def test_values_without_any_key_have_the_defaults(helm: Helm, tmp_path: Path) -> None:
    """As after `--reuse-values` over a release that knew none of them."""
    bare = tmp_path / RELEASE
    shutil.copytree(CHART, bare)
    (bare / "values.yaml").write_text("{}\n")

    assert _render(helm, bare, {}) == _render(helm, CHART, {})


def test_a_key_of_kubernetes_is_removed_by_null(helm: Helm) -> None:
    """OpenShift gives out the user ids itself; many want no CPU limit."""
    values = {
        "podSecurityContext": {"runAsUser": None, "fsGroup": None},
        "securityContext": {"capabilities": None},
        "resources": {"limits": {"cpu": None}, "claims": None},
    }
    pod = only(_load(_render(helm, CHART, values)), "Deployment")["spec"]["template"]["spec"]

    (container,) = pod["containers"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}
    assert container["resources"]["limits"] == {"memory": "128Mi"}


@pytest.mark.parametrize(("enabled", "made"), [(True, True), (False, False), (None, True)])
def test_a_parent_chart_switches_it_on_and_off(
    helm: Helm, tmp_path: Path, enabled: bool | None, made: bool
) -> None:
    values = {
        "global": {"team": "a"},
        RELEASE: {"enabled": enabled, "aws": {"gatewayId": "team-abcdefghij"}},
    }

    rendered = _render(helm, parent_chart(tmp_path, RELEASE), values)

    assert ("kind: Deployment" in rendered) is made
    assert ("--gateway-id=team-abcdefghij" in rendered) is made


def test_switching_off_what_no_parent_reads_is_refused(helm: Helm) -> None:
    done = helm("template", "x", str(CHART), "--set", "enabled=false", check=False)

    assert done.returncode != 0
    assert "give the dependency `condition: mcp-gateway-operator.enabled`" in done.stderr


class _StrictLoader(yaml.CSafeLoader):
    """Refuses a key that a map has twice, which helm lets pass."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = Counter(key.value for key, _ in node.value)
        assert max(keys.values(), default=0) <= 1, f"{node.start_mark}: {keys.most_common(1)}"
        return super().construct_mapping(node, deep=deep)


def _load(rendered: str) -> list[dict[str, Any]]:
    return [found for found in yaml.load_all(rendered, _StrictLoader) if found]


def test_labels_and_annotations_of_the_user_join_those_of_the_chart(helm: Helm) -> None:
    """Where both have one the user's counts, except what the Deployment selects its pods by."""
    overlapping = {
        "app.kubernetes.io/name": "mine",
        "app.kubernetes.io/instance": "mine",
        "app.kubernetes.io/version": "mine",
        "helm.sh/chart": None,
        "revision": 20261126,
        "canary": True,
    }
    values = {
        "podLabels": overlapping,
        "podAnnotations": {"kubectl.kubernetes.io/default-container": "sidecar", "sampled": 0.5},
        "serviceAccount": {"annotations": {"number": 123456789012, "none": None}},
        "nodeSelector": {"gpu": False},
        "operator": {
            "metrics": {"bindAddress": ":8443", "serviceMonitor": {"enabled": True, "labels": overlapping}}
        },
    }

    objects = _load(_render(helm, CHART, values))

    deployment = only(objects, "Deployment")["spec"]
    assert deployment["template"]["metadata"] == {
        "labels": {
            "app.kubernetes.io/name": "mcp-gateway-operator",
            "app.kubernetes.io/instance": "x",
            "app.kubernetes.io/version": "mine",
            "app.kubernetes.io/managed-by": "Helm",
            "helm.sh/chart": f"mcp-gateway-operator-{__version__}",
            "revision": "20261126",
            "canary": "true",
        },
        "annotations": {"kubectl.kubernetes.io/default-container": "sidecar", "sampled": "0.5"},
    }
    assert (
        deployment["selector"]["matchLabels"].items() <= deployment["template"]["metadata"]["labels"].items()
    )
    assert deployment["template"]["spec"]["nodeSelector"] == {"gpu": "false"}
    assert only(objects, "ServiceAccount")["metadata"]["annotations"] == {"number": "123456789012"}
    monitor = only(objects, "ServiceMonitor")["metadata"]["labels"]
    assert monitor["app.kubernetes.io/instance"] == "mine"
    assert monitor["revision"] == "20261126"


@pytest.mark.parametrize("secure", [True, False])
def test_a_pod_monitor_reads_the_port_that_the_pod_has(helm: Helm, *, secure: bool) -> None:
    pods: dict[str, Any] = {"enabled": True, **({"tokenSecretName": "scraper"} if secure else {})}
    metrics = {"bindAddress": ":9000", "secure": secure, "podMonitor": pods}

    objects = _load(_render(helm, CHART, {"operator": {"metrics": metrics}}))

    monitor = only(objects, "PodMonitor")["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    template = only(objects, "Deployment")["spec"]["template"]
    ports = {each["name"]: each["containerPort"] for each in template["spec"]["containers"][0]["ports"]}
    assert (endpoint["scheme"], ports[endpoint["port"]]) == ("https" if secure else "http", 9000)
    assert monitor["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    token = {"type": "Bearer", "credentials": {"name": "scraper", "key": "token"}}
    assert endpoint.get("authorization") == (token if secure else None)
    assert endpoint.get("tlsConfig") == ({"insecureSkipVerify": True} if secure else None)


def test_entries_of_the_user_come_in_place_of_the_charts(helm: Helm) -> None:
    """A pod with two volumes, mounts or variables of one name is refused, or the last one counts."""
    values = {
        "extraEnv": [{"name": "POD_NAME", "value": "fixed"}, {"name": "HTTPS_PROXY", "value": "http://p:1"}],
        "extraVolumes": [{"name": "tmp", "emptyDir": {"medium": "Memory"}}],
        "extraVolumeMounts": [{"name": "tmp", "mountPath": "/tmp", "subPath": "x"}],
        "operator": {"metrics": {"bindAddress": ":8443", "certSecretName": "metrics-tls"}},
    }

    pod = only(_load(_render(helm, CHART, values)), "Deployment")["spec"]["template"]["spec"]

    (container,) = pod["containers"]
    assert container["env"] == values["extraEnv"]
    assert [each["name"] for each in pod["volumes"]] == ["metrics-certs", "tmp"]
    assert pod["volumes"][1] == {"name": "tmp", "emptyDir": {"medium": "Memory"}}
    assert [each["mountPath"] for each in container["volumeMounts"]] == [
        "/etc/mcp-gateway-operator/metrics-certs",
        "/tmp",
    ]


def test_a_tag_that_yaml_reads_as_a_number_stays_as_it_is_written(helm: Helm) -> None:
    rendered = _render(helm, CHART, {"image": {"tag": 20261126}})

    assert 'image: "mcp-gateway-operator:20261126"' in rendered


@pytest.mark.parametrize("address", ["0", ":8443"])
def test_the_network_policy_closes_what_is_not_asked_for(helm: Helm, address: str) -> None:
    values = {"networkPolicy": {"enabled": True}, "operator": {"metrics": {"bindAddress": address}}}

    objects = _load(_render(helm, CHART, values))

    policy = only(objects, "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    assert policy["podSelector"] == only(objects, "Deployment")["spec"]["selector"]
    allowed = [
        {
            "from": [{"namespaceSelector": {"matchLabels": {"metrics": "enabled"}}}],
            "ports": [{"port": 8443, "protocol": "TCP"}],
        }
    ]
    assert policy["ingress"] == ([] if address == "0" else allowed)
