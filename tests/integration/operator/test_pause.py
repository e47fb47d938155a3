"""A paused object on real parts: nothing is sent, and the newest wish is carried out afterwards."""

from __future__ import annotations

from mcp_gateway_operator.api.names import GROUP
from tests.integration.operator.kube import Json
from tests.integration.operator.site import Site


def _annotate(site: Site, name: str, **annotations: str) -> None:
    """Set annotations, by the last part of their names; "" takes one away."""

    def change(obj: Json) -> None:
        given = obj["metadata"].setdefault("annotations", {})
        given.update({f"{GROUP}/{key.replace('_', '-')}": value for key, value in annotations.items()})
        obj["metadata"]["annotations"] = {key: value for key, value in given.items() if value}

    site.kube.edit(site.namespace, name, change)


def test_a_paused_object_is_made_when_it_goes_on(running: Site) -> None:
    with running.bill() as bill:
        running.create("later", {"annotations": {f"{GROUP}/paused": "true"}})
        running.until_reason("Paused", "later")
        running.edit("later", description="the newest wish")
        running.until_reason("Paused", "later")
    assert bill.aws_writes == {}

    with running.bill() as bill:
        _annotate(running, "later", paused="false")
        running.until_ready("later")
    assert bill.aws_writes == {"CreateGatewayTarget": 1}
    (target,) = [each for each in running.targets() if each["name"] == "later"]
    assert target["description"].startswith("the newest wish [mcps ")


def test_a_pause_holds_repairs_and_the_deletion_back(running: Site) -> None:
    running.create("held")
    running.until_ready("held")
    target_id = running.target_id("held")
    _annotate(running, "held", paused="true")
    running.until_paused("held")
    with running.bill() as bill:
        running.simulator.admin.edit_target(target_id, description="changed outside")
        running.delete("held")
        running.until_calls("ListGatewayTargets", 2)
    assert bill.aws_writes == {}
    assert running.get("held") is not None

    with running.bill() as bill:
        _annotate(running, "held", paused="false")
        running.until_gone("held")
    assert bill.aws_writes == {"DeleteGatewayTarget": 1}
    assert [each for each in running.targets() if each["targetId"] == target_id] == []


def test_a_request_to_reconcile_costs_one_full_look(running: Site) -> None:
    running.create("asked")
    running.until_ready("asked")
    running.until_calls("ListGatewayTargets", 2)
    with running.bill() as bill:
        _annotate(running, "asked", reconcile_requested_at="now")
        running.until_calls("ListGatewayTargets", 3)
    assert bill.calls["GetGatewayTarget"] == 1
    assert (bill.aws_writes, bill.writes) == ({}, 1), "status holds the value that was served"
