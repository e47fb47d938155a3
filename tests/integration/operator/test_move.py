"""A target that moves to another gateway and back, as people do it with kubectl."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mcp_gateway_operator_demo.project_files import project_dir
from tests.integration.operator.kube import Json, condition
from tests.integration.operator.site import GATEWAY, OTHER_GATEWAY, Site, kill
from tests.support.polling import until


def kubectl(site: Site, *arguments: str) -> str:
    """Run kubectl in the site's namespace and return what it prints."""
    return site.cluster.kubectl("-n", site.namespace, *arguments).stdout


@contextmanager
def watched(site: Site) -> Iterator[Callable[[], list[Json]]]:
    """Let kubectl watch the object, and give every status that it has shown so far."""
    cluster, log = site.cluster, site.directory / "watched"
    a_line = r'{.status}{"\n"}'
    command = [
        *(str(cluster.kubectl_path), f"--kubeconfig={cluster.kubeconfig}"),
        *(f"--cache-dir={cluster.directory / 'kubectl-cache'}", f"--namespace={site.namespace}"),
        *("get", "mcps", "weather", "--watch", f"--output=jsonpath={a_line}"),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output)  # noqa: S603  -- a fixed command line

    def seen() -> list[Json]:
        return [json.loads(line) for line in log.read_text(encoding="utf-8").split("\n")[:-1]]

    try:
        until(lambda: log.stat().st_size, "kubectl shows the object")
        yield seen
    finally:
        process.terminate()
        process.wait(20.0)


def moved(site: Site, gateway_id: str) -> bool:
    """Whether the object is Ready on a gateway, and status names no other."""
    obj = site.get()
    assert obj is not None
    told, status = condition(obj), obj["status"]
    newest = told["status"] == "True" and told["observedGeneration"] == obj["metadata"]["generation"]
    return newest and status["gatewayId"] == gateway_id and "moves" not in status


def test_there_and_back(site: Site) -> None:
    site.start()
    site.create()
    site.until_ready()
    first = site.target_id()

    with watched(site) as statuses, site.bill() as bill:
        with site.frozen():
            patch = json.dumps({"spec": {"gatewayId": OTHER_GATEWAY}})
            kubectl(site, "patch", "mcps", "weather", "--type=merge", "-p", patch)
            site.kube.own_writes += 1
            until(lambda: _status(site)["gatewayId"] == OTHER_GATEWAY, "the new target is recorded")
            assert [target["status"] for target in site.targets(GATEWAY)] == ["READY"]
        until(lambda: moved(site, OTHER_GATEWAY), "the target has moved")
        until(lambda: statuses()[-1] == _status(site), "kubectl has seen the end")
        steps = [each for each in statuses() if "moves" in each]
    begun, recorded = steps[0], next(each for each in steps if each["gatewayId"] == OTHER_GATEWAY)
    assert (begun["gatewayId"], begun["targetId"]) == (GATEWAY, first)
    assert begun["moves"][0]["gatewayId"] == OTHER_GATEWAY
    assert condition({"status": begun})["reason"] == "Moving"
    assert recorded["moves"][0]["targetId"] == first
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


def test_killed_half_way_and_set_back(site: Site) -> None:
    """The successor keeps the old target and removes the half-made one."""
    process = site.start()
    site.create()
    site.until_ready()
    first = site.target_id()
    with site.bill() as bill:
        with site.frozen():
            site.edit(gatewayId=OTHER_GATEWAY)
            until(lambda: site.targets(OTHER_GATEWAY), "the new target is being made")
            kill(process)
            site.edit(gatewayId=GATEWAY)
            site.start()
            site.until_calls("ListGatewayTargets", 4)
        until(lambda: moved(site, GATEWAY) and not site.targets(OTHER_GATEWAY), "it is back", 120.0)
    assert site.target_id() == first
    # Whether AWS deletes a target in CREATING is not known, so it may be asked twice.
    assert bill.aws_writes["CreateGatewayTarget"] == 1
    assert bill.aws_writes["DeleteGatewayTarget"] <= 2
    assert "UpdateGatewayTarget" not in bill.aws_writes


def test_deleted_half_way_leaves_nothing(site: Site) -> None:
    site.start()
    site.create()
    site.until_ready()
    with site.frozen():
        site.edit(gatewayId=OTHER_GATEWAY)
        until(lambda: _status(site)["gatewayId"] == OTHER_GATEWAY, "the new target is recorded")
        site.delete()
        until(lambda: condition(site.get()).get("reason") == "Deleting", "the deletion is met half way")
        assert [target["status"] for target in site.targets(OTHER_GATEWAY)] == ["CREATING"]
    site.until_gone(seconds=60.0)
    assert site.targets(GATEWAY) == site.targets(OTHER_GATEWAY) == []


def test_a_status_lost_half_way_to_another_name_is_told_and_leaves_nothing(site: Site) -> None:
    """The old target is the object's by its marker alone, and left alone until the object goes."""
    process = site.start()
    site.create()
    site.until_ready()
    first = site.target_id()
    with site.frozen():
        site.edit(gatewayId=OTHER_GATEWAY, targetName="forecast")
        until(lambda: site.targets(OTHER_GATEWAY), "the new target is being made")
        kill(process)
        site.kube.edit(site.namespace, "weather", lambda obj: obj.update(status={}), part="status")
        process = site.start()
        until(site.target_id, "the successor records what AWS still makes")
    told = f"{first} (weather) on gateway {GATEWAY}"
    until(lambda: told in condition(site.get()).get("message", ""), "Ready tells of the old target", 60.0)
    assert site.target_id() == site.targets(OTHER_GATEWAY)[0]["targetId"]
    until(lambda: _reasons(site).count("DuplicateMarker") == 1, "an Event tells of it, once")
    kill(process)
    site.delete()
    site.start()
    site.until_gone(seconds=60.0)
    assert site.targets(GATEWAY) == site.targets(OTHER_GATEWAY) == []


def _status(site: Site) -> Json:
    status: Json = (site.get() or {})["status"]
    return status


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
