"""Objects saved with kubectl and put back, as people and backup tools do it."""

from __future__ import annotations

import pytest
import yaml

from tests.integration.operator.kube import Json
from tests.integration.operator.site import GATEWAY, Site
from tests.support.polling import until

FINALIZER = "bedrock.aws/gateway-target-finalizer"
ANNOTATION = "mcpgateway.bedrock.aws/gateway"


def kubectl(site: Site, *arguments: str, text: str | None = None) -> str:
    """Run kubectl in the site's namespace and return what it prints."""
    return site.cluster.kubectl("-n", site.namespace, *arguments, input=text).stdout


def saved(site: Site, name: str) -> Json:
    """Return what `kubectl get -o yaml` saves."""
    obj: Json = yaml.safe_load(kubectl(site, "get", "mcps", name, "-o", "yaml"))
    return obj


def protected(obj: Json | None) -> bool:
    """Whether finalizer and annotation are on an object."""
    meta = (obj or {"metadata": {}})["metadata"]
    noted = meta.get("annotations", {}).get(ANNOTATION)
    return (meta.get("finalizers"), noted) == ([FINALIZER], GATEWAY)


@pytest.mark.parametrize("status", [True, False])
def test_lost_with_its_cluster_and_applied_again(site: Site, status: bool) -> None:
    """The uid is another, and a status that comes back proves nothing; the target is found by its mark."""
    process = site.start()
    site.create()
    first = site.until_ready()
    process.stop()
    backup = saved(site, "weather")
    kubectl(site, "patch", "mcps", "weather", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    kubectl(site, "delete", "mcps", "weather")
    for field in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
        backup["metadata"].pop(field, None)
    kubectl(site, "create", "-f", "-", text=yaml.safe_dump(backup))
    if status:
        site.kube.edit(
            site.namespace, "weather", lambda obj: obj.update(status=backup["status"]), part="status"
        )
    with site.bill() as bill:
        site.start()

        def recorded() -> bool:
            obj = site.get() or {}
            return bool(obj["metadata"]["uid"] == obj.get("status", {}).get("recordedFor"))

        until(recorded, "the record is this object's")
        obj = site.until_ready()
    assert obj["metadata"]["uid"] != first["metadata"]["uid"]
    assert obj["status"]["targetId"] == first["status"]["targetId"]
    assert bill.aws_writes == {}
    assert bill.calls["GetGatewayTarget"] <= 2
    assert bill.writes <= 3


def test_deleted_and_applied_again(site: Site) -> None:
    """Kubectl waits for the finalizer, so the target is gone by then and another one is made."""
    site.start()
    site.create()
    first = site.until_ready()
    backup = saved(site, "weather")
    with site.bill() as bill:
        kubectl(site, "delete", "mcps", "weather")
        for field in ("uid", "resourceVersion"):
            backup["metadata"].pop(field)
        kubectl(site, "create", "-f", "-", text=yaml.safe_dump(backup))
        obj = site.until_ready()
    assert obj["status"]["targetId"] != first["status"]["targetId"]
    assert [target["targetId"] for target in site.targets()] == [obj["status"]["targetId"]]
    assert bill.aws_writes == {"DeleteGatewayTarget": 1, "CreateGatewayTarget": 1}


def test_replaced_by_the_plain_manifest(site: Site) -> None:
    """`kubectl replace` wipes finalizer and annotations; one write puts both back."""
    site.start()
    site.create()
    site.until_ready()
    until(lambda: protected(site.get()), "finalizer and annotation")
    plain = saved(site, "weather")
    plain["metadata"] = {"name": "weather"}
    with site.bill() as bill:
        kubectl(site, "replace", "-f", "-", text=yaml.safe_dump(plain))
        until(lambda: protected(site.get()), "finalizer and annotation are back")
        site.until_ready()
        site.until_calls("ListGatewayTargets", 2)
    assert bill.aws_writes == {}
    # kubectl's own request, and one of the operator.
    assert bill.writes == 2


def test_replaced_by_force(site: Site) -> None:
    site.start()
    site.create()
    site.until_ready()
    plain = saved(site, "weather")
    plain["metadata"] = {"name": "weather"}
    with site.bill() as bill:
        kubectl(site, "replace", "--force", "-f", "-", text=yaml.safe_dump(plain))
        obj = site.until_ready()
        site.until_calls("ListGatewayTargets", 2)
    assert [target["targetId"] for target in site.targets()] == [obj["status"]["targetId"]]
    assert bill.aws_writes == {"DeleteGatewayTarget": 1, "CreateGatewayTarget": 1}
