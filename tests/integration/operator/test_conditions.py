"""Conditions as tools see them on a real API server: before anybody looked, while at work, when stalled."""

from __future__ import annotations

from msgspec.structs import replace

from agentcore_simulator import Settings
from tests.integration.operator.fixtures import MakeSite
from tests.integration.operator.kube import condition
from tests.integration.operator.site import QUICK, Site
from tests.support.kstatus import kstatus
from tests.support.polling import until

ALWAYS = {"Ready", "Synced", "Reconciling", "Stalled"}


def test_an_object_that_no_operator_has_seen_is_in_progress(site: Site) -> None:
    """An object without any status is Current to kstatus: the CRD's default is against that."""
    obj = site.create()
    assert obj["status"] == {"observedGeneration": -1}
    assert kstatus(obj) == "InProgress"
    site.start()
    assert kstatus(site.until_ready()) == "Current"


def test_no_state_on_the_way_is_current_but_the_last(make_site: MakeSite) -> None:
    site = make_site(settings=Settings(durations=replace(QUICK, creating=2.0, updating=2.0)))
    site.start()
    site.create()
    for endpoint in ("", "https://two.example.com/mcp"):
        if endpoint:
            site.edit(endpoint=endpoint)
        seen: list[str] = []

        def look(seen: list[str] = seen) -> bool:
            obj = site.get()
            assert obj is not None
            conditions = obj["status"].get("conditions", [])
            assert not conditions or {each["type"] for each in conditions} == ALWAYS
            seen.append(kstatus(obj))
            return seen[-1] == "Current"

        until(look, "the object is current")
        assert set(seen[:-1]) == {"InProgress"}
        assert [target["status"] for target in site.targets()] == ["READY"]
    with site.frozen():
        site.delete()
        leaving = site.get()
        assert leaving is not None
        assert kstatus(leaving) == "Terminating"
    site.until_gone()


def test_what_a_user_must_mend_is_failed_and_then_current(running: Site) -> None:
    running.create("stalled", gatewayId="nowhere-abcdefghij")
    running.until_reason("GatewayNotFound", "stalled")
    obj = running.get("stalled")
    assert obj is not None
    assert kstatus(obj) == "Failed"
    assert condition(obj, "Reconciling")["status"] == "False"
    before = condition(obj, "Stalled")["lastTransitionTime"]
    running.edit("stalled", gatewayId="")
    mended = running.until_ready("stalled")
    assert kstatus(mended) == "Current"
    assert condition(mended, "Stalled")["lastTransitionTime"] >= before
