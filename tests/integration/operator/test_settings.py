"""What flags change in the operator's work."""

from __future__ import annotations

import pytest

from tests.integration.operator.fixtures import MakeSite
from tests.integration.operator.kube import Kube, is_ready
from tests.integration.operator.site import GATEWAY, LOOKS, OTHER_GATEWAY, Site, kill, logs
from tests.support.polling import until


def test_only_the_watched_namespaces_are_touched(site: Site, kube: Kube) -> None:
    outside = f"{site.namespace}-outside"
    site.cluster.create_namespace(outside)
    also = f"{site.namespace}-also"
    site.cluster.create_namespace(also)
    site.start(f"--watch-namespaces={site.namespace}, {also}")
    kube.create(outside, "elsewhere")
    kube.create(also, "too")
    site.create()
    site.until_ready()
    until(lambda: is_ready(kube.get(also, "too")), "the second namespace is watched")
    site.until_calls("ListGatewayTargets", 1)
    left = kube.get(outside, "elsewhere")
    assert left is not None
    assert left["status"] == {"observedGeneration": -1}, "nobody has seen it"
    assert "finalizers" not in left["metadata"]
    assert {target["name"] for target in site.targets()} == {"weather", "too"}


def test_without_markers_the_record_alone_proves_ownership(site: Site) -> None:
    """It is written at once after the Create, and found again after a restart."""
    process = site.start("--owner-marker=false")
    site.create(description="Mine")
    site.until_ready()
    (target,) = site.targets()
    assert target["description"] == "Mine"
    kill(process)
    with site.bill() as bill:
        site.start("--owner-marker=false")
        site.edit(description="Still mine")
        site.until_ready()
        site.delete()
        site.until_gone()
    assert bill.aws_writes == {"UpdateGatewayTarget": 1, "DeleteGatewayTarget": 1}
    assert site.targets() == []


def test_an_owner_id_is_what_markers_are_made_of(make_site: MakeSite) -> None:
    """Under the first name of the list it recognises what it made under the others."""
    site = make_site()
    old = site.start("--owner-id=old-name")
    site.create()
    site.until_ready()
    (target,) = site.targets()
    kill(old)
    with site.bill() as bill:
        site.start("--owner-id=new-name,old-name")
        site.until_calls("ListGatewayTargets", 2)
    assert bill.aws_writes == {}
    site.edit(description="New")
    site.until_ready()
    (renamed,) = site.targets()
    assert renamed["targetId"] == target["targetId"]
    assert renamed["description"].startswith("New [mcps ")
    assert renamed["description"].split("[mcps ")[1] != target["description"].split("[mcps ")[1]


def test_an_object_chooses_its_gateway(site: Site) -> None:
    site.start()
    site.create("here")
    site.create("there", gatewayId=f" {OTHER_GATEWAY} ")
    site.until_ready("here")
    site.until_ready("there")
    assert [target["name"] for target in site.targets(GATEWAY)] == ["here"]
    assert [target["name"] for target in site.targets(OTHER_GATEWAY)] == ["there"]


def test_another_default_gateway_moves_nobody(site: Site) -> None:
    process = site.start()
    site.create()
    site.until_ready()
    kill(process)
    with site.bill() as bill:
        site.start(f"--gateway-id={OTHER_GATEWAY}")
        site.create("new")
        site.until_ready("new")
        site.edit("weather", description="Stays")
        site.until_ready()
    assert [target["name"] for target in site.targets(GATEWAY)] == ["weather"]
    assert [target["name"] for target in site.targets(OTHER_GATEWAY)] == ["new"]
    assert bill.aws_writes == {"CreateGatewayTarget": 1, "UpdateGatewayTarget": 1}


def test_without_a_gateway_only_the_objects_that_need_it_complain(site: Site) -> None:
    site.start("--gateway-id=")
    site.create("homeless")
    site.create("housed", gatewayId=GATEWAY)
    site.until_ready("housed")
    told = site.until_reason("ConfigurationError", "homeless")
    assert "spec.gatewayId" in told["message"]
    assert "--gateway-id" in told["message"]


def test_retain_as_the_default_leaves_targets_behind(site: Site) -> None:
    site.start("--default-deletion-policy=Retain")
    site.create("kept")
    site.create("removed", deletionPolicy="Delete")
    for name in ("kept", "removed"):
        site.until_ready(name)
    for name in ("kept", "removed"):
        site.delete(name)
        site.until_gone(name)
    assert [target["name"] for target in site.targets()] == ["kept"]


def test_quotas_bound_the_rate_of_calls(make_site: MakeSite) -> None:
    site = make_site(flags=(LOOKS, "--aws-quotas=create=1"))
    site.start()
    for number in range(4):
        site.create(f"server-{number}")
    for number in range(4):
        site.until_ready(f"server-{number}")
    times = [call["time"] for call in site.simulator.admin.requests(operation="CreateGatewayTarget")]
    assert len(times) == 4
    # Three follow the first, one a second; at twice the rate they would within a second and a half.
    assert times[-1] - times[0] >= 2.2


@pytest.mark.parametrize("encoder", ["json", "console"])
def test_logs_come_as_asked_for(site: Site, encoder: str) -> None:
    process = site.start(f"--zap-encoder={encoder}", "--zap-time-encoding=epoch")
    if encoder == "json":
        (line, *_) = logs(process)
        assert line["msg"] == "starting"
        assert isinstance(line["ts"], float)
    else:
        text = process.log.read_text(encoding="utf-8")
        assert "starting" in text
        assert not text.startswith("{")
        assert "\x1b" not in text, "no colours in a file"
