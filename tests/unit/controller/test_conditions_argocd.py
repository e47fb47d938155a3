"""Argo CD's health script, run by a real Lua over the statuses that stories write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from lupa import lua51  # type: ignore[import-untyped]  # lupa ships no types

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator_demo.project_files import project_dir
from tests.support.audit import Audit, conditions
from tests.support.kstatus import kstatus
from tests.support.world import World
from tests.unit.controller.reason_stories import SETTINGS, STORIES

Health = Callable[[dict[str, Any]], tuple[str, str]]

EXPECTED = {
    "Healthy": {
        Reason.READY,
        Reason.SYNCED,
        Reason.SETTLED,
        Reason.AUTHORIZED,
        Reason.PERMITTED,
        Reason.DUPLICATE_MARKER,
    },
    "Suspended": {Reason.PAUSED, Reason.OBSERVED, Reason.PENDING_AUTHORIZATION},
    "Degraded": {
        Reason.VALIDATION_ERROR,
        Reason.CONFIGURATION_ERROR,
        Reason.CREATION_ERROR,
        Reason.UPDATE_ERROR,
        Reason.DELETION_ERROR,
        Reason.DRIFTED,
        Reason.NOT_CONVERGING,
        Reason.NAME_CONFLICT,
        Reason.FOREIGN_MARKER,
        Reason.GATEWAY_FULL,
        Reason.GATEWAY_NOT_FOUND,
        Reason.WRONG_ACCOUNT_OR_REGION,
        Reason.ACCESS_DENIED,
        Reason.DENIED_BY_POLICY,
        Reason.GATEWAY_ROLE_DENIED,
        Reason.REGION_DISABLED,
        Reason.REFERENCE_NOT_FOUND,
        Reason.NOT_PERMITTED,
    },
    "Progressing": {
        Reason.QUEUED,
        Reason.CREATING,
        Reason.UPDATING,
        Reason.SYNCHRONIZING,
        Reason.DELETING,
        Reason.MOVING,
        Reason.TARGET_FAILED,
        Reason.AWS_UNAVAILABLE,
        Reason.CREDENTIALS_REFUSED,
        Reason.SIGNATURE_REFUSED,
        Reason.ROLE_REFUSED,
        Reason.THROTTLED,
    },
}
BY_REASON = {reason: health for health, reasons in EXPECTED.items() for reason in reasons}


@pytest.fixture
def health() -> Health:
    """Return the function of config/argocd/health.lua, with no more libraries than Argo CD opens."""
    lua = lua51.LuaRuntime(unpack_returned_tuples=True)
    for library in ("string", "math", "io", "os", "debug", "coroutine", "require", "package"):
        lua.execute(f"{library} = nil")
    text = (project_dir("config/argocd") / "health.lua").read_text(encoding="utf-8")
    run = lua.eval(f"function(obj)\n{text}\nend")

    def evaluate(obj: dict[str, Any]) -> tuple[str, str]:
        found = run(lua.table_from(obj, recursive=True))
        return found["status"], found["message"]

    return evaluate


def test_the_config_map_holds_the_script_under_the_kinds_own_key() -> None:
    folder = project_dir("config/argocd")
    data = yaml.safe_load((folder / "argocd-cm.yaml").read_text(encoding="utf-8"))["data"]
    key = f"resource.customizations.health.{names.GROUP}_{names.KIND}"
    assert data == {key: (folder / "health.lua").read_text(encoding="utf-8")}


@pytest.mark.parametrize("reason", sorted(STORIES))
async def test_the_health_of_each_reason(reason: str, health: Health) -> None:
    world = World(simulator=SETTINGS.get(reason))
    audit = Audit(world.api.store)
    await STORIES[reason](world)
    told = [obj for obj in audit.states if conditions(obj).get("Ready", {}).get("reason") == reason]
    last = told[-1] if told else audit.states[-1]
    assert health(last)[0] == BY_REASON[reason]
    for obj in audit.states:
        status, message = health(obj)
        assert message
        if status == "Healthy":
            assert conditions(obj)["Ready"]["status"] == "True"
        if kstatus(obj) == "Failed":
            assert status == "Degraded"


@pytest.mark.parametrize("status", [None, {}, {"observedGeneration": -1}])
def test_an_object_that_nobody_has_seen_is_progressing(health: Health, status: dict[str, Any] | None) -> None:
    obj: dict[str, Any] = {"metadata": {"name": "new", "generation": 1}}
    if status is not None:
        obj["status"] = status
    assert health(obj) == ("Progressing", "Waiting for the MCP gateway operator")


async def test_an_older_generation_is_progressing_whatever_its_conditions_say(health: Health) -> None:
    world = World()
    audit = Audit(world.api.store)
    await STORIES[Reason.READY](world)
    ready = audit.states[-1]
    assert health(ready) == ("Healthy", conditions(ready)["Ready"]["message"])
    ready["metadata"]["generation"] = 2
    assert health(ready)[0] == "Progressing"


async def test_a_failure_is_progress_for_three_repairs_and_then_degraded(health: Health) -> None:
    world = World()
    audit = Audit(world.api.store)
    world.aws.add_scenario(outcome="failed")
    async with world.operator():
        await world.create()
        await world.until_reason("TargetFailed")
        assert health(audit.states[-1])[0] == "Progressing"
        await world.pass_time(60)
        assert health(audit.states[-1])[0] == "Progressing"
        await world.pass_time(600)
        status, message = health(audit.states[-1])
        assert status == "Degraded"
        assert message.startswith(("TargetFailed: FAILED", "TargetFailed: SYNC"))
        world.aws.set_scenarios([])
        await world.until_ready(within=3600)
        assert health(audit.states[-1])[0] == "Healthy"


async def test_deletion_is_progress_until_it_cannot_go_on(health: Health) -> None:
    world = World()
    audit = Audit(world.api.store)
    await STORIES[Reason.DELETION_ERROR](world)
    deleting = [obj for obj in audit.states if "deletionTimestamp" in obj["metadata"]]
    assert health(deleting[0])[0] == "Progressing"
    assert health(deleting[-1])[0] == "Degraded"
