"""adoptionPolicy: IfExists on a real API server, with and without the operator's own consent."""

from __future__ import annotations

from tests.integration.operator.fixtures import MakeSite
from tests.integration.operator.site import GATEWAY, LOOKS, Site
from tests.support.polling import until

SOMEBODYS = {"mcp": {"mcpServer": {"endpoint": "https://somebody.example.com/mcp"}}}


def _made_by_terraform(site: Site) -> str:
    made = site.simulator.admin.create_target(
        GATEWAY, name="weather", targetConfiguration=SOMEBODYS, description="Made by Terraform"
    )
    return str(made["targetId"])


def test_only_with_the_flag(make_site: MakeSite) -> None:
    site = make_site()
    target_id = _made_by_terraform(site)
    process = site.start()
    with site.bill() as bill:
        site.create("weather", adoptionPolicy="IfExists")
        told = site.until_reason("NameConflict")
        site.until_calls("ListGatewayTargets", 2)
    assert "start the operator with --allow-adoption" in told["message"]
    assert bill.aws_writes == {}
    process.stop()

    with site.bill() as bill:
        site.start("--allow-adoption")
        obj = site.until_ready()
        site.until_calls("ListGatewayTargets", 2)
    assert obj["status"]["targetId"] == target_id
    assert bill.aws_writes == {"UpdateGatewayTarget": 1}
    (target,) = site.targets()
    assert target["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"] == "https://weather.example.com/mcp"
    assert "[mcps " in target["description"]
    until(lambda: _event(site, "Adopted"), "an Event")
    with site.bill() as bill:
        site.delete()
        site.until_gone()
    assert bill.aws_writes == {"DeleteGatewayTarget": 1}
    assert site.targets() == []


def test_not_for_an_object_that_does_not_ask(make_site: MakeSite) -> None:
    site = make_site(flags=(LOOKS, "--allow-adoption"))
    target_id = _made_by_terraform(site)
    site.start()
    with site.bill() as bill:
        site.create()
        told = site.until_reason("NameConflict")
        site.until_calls("ListGatewayTargets", 2)
    assert "set spec.adoptionPolicy to IfExists" in told["message"]
    assert bill.aws_writes == {}
    with site.bill() as bill:
        site.edit(adoptionPolicy="IfExists")
        assert site.until_ready()["status"]["targetId"] == target_id
    assert bill.aws_writes == {"UpdateGatewayTarget": 1}


def _event(site: Site, reason: str) -> bool:
    return any(event["reason"] == reason for event in site.kube.events(site.namespace, "weather"))
