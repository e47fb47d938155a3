"""A target that moves to another gateway and back, as people do it with kubectl."""

from __future__ import annotations

import json
import re
from pathlib import Path

from agentcore_simulator import Settings
from agentcore_simulator.settings import Durations
from mcp_gateway_operator_demo.project_files import project_dir
from tests.integration.operator.fixtures import MakeSite
from tests.integration.operator.kube import condition
from tests.integration.operator.site import GATEWAY, OTHER_GATEWAY, Site, kill
from tests.support.polling import until

SLOW = Settings(durations=Durations(creating=3.0, deleting=2.0))


def kubectl(site: Site, *arguments: str) -> str:
    """Run kubectl in the site's namespace and return what it prints."""
    return site.cluster.kubectl("-n", site.namespace, *arguments).stdout


def shown(site: Site, path: str) -> str:
    """Return what kubectl shows of the object's status."""
    return kubectl(site, "get", "mcps", "weather", f"-o=jsonpath={{.status.{path}}}")


def until_shown(site: Site, path: str, value: str) -> None:
    """Wait as a script does until the object's status says this."""
    kubectl(site, "wait", "mcps/weather", f"--for=jsonpath={{.status.{path}}}={value}", "--timeout=60s")


def moved(site: Site, gateway_id: str) -> bool:
    """Whether the object is Ready on a gateway, and status names no other."""
    obj = site.get()
    assert obj is not None
    told, status = condition(obj), obj["status"]
    newest = told["status"] == "True" and told["observedGeneration"] == obj["metadata"]["generation"]
    return newest and status["gatewayId"] == gateway_id and "moves" not in status


def test_there_and_back(make_site: MakeSite) -> None:
    site = make_site(settings=SLOW)
    site.start()
    site.create()
    site.until_ready()
    first = site.target_id()

    admin = site.simulator.admin
    admin.freeze()
    # Time enough for kubectl to see the step before.
    admin.add_fault(operation="CreateGatewayTarget", kind="delay", delay=5.0)
    with site.bill() as bill:
        patch = json.dumps({"spec": {"gatewayId": OTHER_GATEWAY}})
        kubectl(site, "patch", "mcps", "weather", "--type=merge", "-p", patch)
        site.kube.own_writes += 1
        until_shown(site, "moves[0].gatewayId", OTHER_GATEWAY)
        assert shown(site, "gatewayId") == GATEWAY
        assert shown(site, "targetId") == first
        assert shown(site, 'conditions[?(@.type=="Ready")].reason') == "Moving"
        until_shown(site, "gatewayId", OTHER_GATEWAY)
        assert shown(site, "moves[0].targetId") == first
        assert [target["status"] for target in site.targets(GATEWAY)] == ["READY"]
        admin.resume()
        until(lambda: moved(site, OTHER_GATEWAY), "the target has moved")
    assert site.targets(GATEWAY) == []
    assert [target["targetId"] for target in site.targets(OTHER_GATEWAY)] == [site.target_id()]
    assert bill.aws_writes == {"CreateGatewayTarget": 1, "DeleteGatewayTarget": 1}
    # At most four of status, and one of the annotation.
    assert bill.writes <= 5

    site.edit(gatewayId=GATEWAY)
    until(lambda: moved(site, GATEWAY), "the target is back")
    assert site.targets(OTHER_GATEWAY) == []
    site.delete()
    site.until_gone()
    assert site.targets(GATEWAY) == []


def test_killed_half_way_and_set_back(make_site: MakeSite) -> None:
    """The successor keeps the old target and removes the half-made one."""
    site = make_site(settings=SLOW)
    process = site.start()
    site.create()
    site.until_ready()
    first = site.target_id()
    with site.bill() as bill:
        site.edit(gatewayId=OTHER_GATEWAY)
        until(lambda: site.targets(OTHER_GATEWAY), "the new target is being made")
        kill(process)
        site.edit(gatewayId=GATEWAY)
        site.start()
        until(lambda: moved(site, GATEWAY) and not site.targets(OTHER_GATEWAY), "it is back", 120.0)
    assert site.target_id() == first
    # Whether AWS deletes a target in CREATING is not known, so it may be asked twice.
    assert bill.aws_writes["CreateGatewayTarget"] == 1
    assert bill.aws_writes["DeleteGatewayTarget"] <= 2
    assert "UpdateGatewayTarget" not in bill.aws_writes


def test_deleted_half_way_leaves_nothing(make_site: MakeSite) -> None:
    site = make_site(settings=SLOW)
    site.start()
    site.create()
    site.until_ready()
    site.edit(gatewayId=OTHER_GATEWAY)
    until_shown(site, "gatewayId", OTHER_GATEWAY)
    site.delete()
    site.until_gone(seconds=60.0)
    assert site.targets(GATEWAY) == site.targets(OTHER_GATEWAY) == []


def test_a_status_lost_half_way_to_another_name_is_told_and_leaves_nothing(make_site: MakeSite) -> None:
    """The old target is the object's by its marker alone, and left alone until the object goes."""
    site = make_site(settings=SLOW)
    process = site.start()
    site.create()
    site.until_ready()
    first = site.target_id()
    site.edit(gatewayId=OTHER_GATEWAY, targetName="forecast")
    until(lambda: site.targets(OTHER_GATEWAY), "the new target is being made")
    kill(process)
    site.kube.edit(site.namespace, "weather", lambda obj: obj.update(status={}), part="status")
    process = site.start()
    told = f"{first} (weather) on gateway {GATEWAY}"
    until(lambda: told in condition(site.get()).get("message", ""), "Ready tells of the old target", 60.0)
    assert site.target_id() == site.targets(OTHER_GATEWAY)[0]["targetId"]
    until(lambda: _reasons(site).count("DuplicateMarker") == 1, "an Event tells of it, once")
    kill(process)
    site.delete()
    site.start()
    site.until_gone(seconds=60.0)
    assert site.targets(GATEWAY) == site.targets(OTHER_GATEWAY) == []


def _reasons(site: Site) -> list[str]:
    return [event["reason"] for event in site.kube.events(site.namespace, "weather")]


def test_the_page_says_it_as_it_works(site: Site) -> None:
    """The commands of the migration page, word for word."""
    page = Path(project_dir("docs") / "migration.md").read_text(encoding="utf-8")
    (block,) = [
        each for each in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "kubectl patch mcps" in each
    ]
    site.start()
    site.create()
    site.until_ready()
    for line in block.replace("tools-abcdefghij", OTHER_GATEWAY).splitlines():
        program, *arguments = _words(line)
        assert program == "kubectl"
        kubectl(site, *arguments)
    until(lambda: moved(site, OTHER_GATEWAY), "the target has moved")


def _words(line: str) -> list[str]:
    return [word.replace("'", "") for word in re.findall(r"(?:'[^']*'|\S)+", line)]
