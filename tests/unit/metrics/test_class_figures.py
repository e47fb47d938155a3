"""What the metrics say of MCPGateways and of the objects that they decide about."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.metrics.declared import CLASSES, UNSERVED
from mcp_gateway_operator.controller.served_schema import HOLDING_BACK
from mcp_gateway_operator.runtime.cluster import NAMESPACES, ApiError, PatchType
from tests.support.classes import ALLOW, OTHER_GATEWAY, Platform, arn
from tests.support.memory_cluster import LOST, Fault
from tests.support.world import GATEWAY, World
from tests.unit.metrics.test_figures import Measured, measured

BY_REFERENCE: dict[str, Any] = {"gatewayRef": {"name": "tools"}}


def classes(figure: Measured, accepted: str, reason: str) -> float | None:
    return figure("mcps_classes", accepted=accepted, reason=reason)


def objects(figure: Measured) -> tuple[float | None, ...]:
    """Return how many are permitted, refused and frozen."""
    return tuple(figure("mcps_class_objects", state=state) for state in ("permitted", "refused", "frozen"))


async def test_without_mcpgateways_there_is_nothing_to_tell() -> None:
    world = World()
    async with measured(world) as figure:
        await world.create()
        await world.until_ready()
        assert classes(figure, "True", "Accepted") == 0
        assert objects(figure) == (0, 0, 0)
        assert figure("mcps_classes_known") == 1


async def test_what_an_mcpgateway_permits_refuses_and_freezes() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with measured(world) as figure:
        await world.create(**BY_REFERENCE)
        await world.create("by-id", gatewayId=GATEWAY)
        await world.create("elsewhere", gatewayId=OTHER_GATEWAY)
        await world.create(namespace="team-b", **BY_REFERENCE)
        for name in ("weather", "by-id", "elsewhere"):
            await world.until_ready(name)
        await world.pass_time(60)
        assert classes(figure, "True", "Accepted") == 1
        assert objects(figure) == (2, 1, 0)
        await platform.edit(spec={"allow": []})
        await world.pass_time(60)
        assert objects(figure) == (0, 1, 2)
        await platform.edit(spec={"allow": [ALLOW]})
        await world.pass_time(60)
        assert objects(figure) == (2, 1, 0)
    assert platform.writes() == ["CreateGatewayTarget"] * 3


async def test_an_mcpgateway_made_over_a_settled_fleet_decides_about_it_before_any_write() -> None:
    world = World()
    platform = Platform(world)
    async with measured(world) as figure:
        await world.create(gatewayId=GATEWAY)
        await world.until_ready()
        await platform.make()
        await world.pass_time(90)
        assert objects(figure) == (1, 0, 0)


async def test_why_the_operator_does_not_work_by_one() -> None:
    world = World()
    platform = Platform(world)
    await platform.make("first")
    await world.pass_time(2)
    await platform.make("second")
    await platform.make("abroad", gateway_arn=arn("far-abcdefghij", account="999999999999"))
    async with measured(world) as figure:
        await world.pass_time(60)
        assert classes(figure, "True", "Accepted") == 1
        assert classes(figure, "False", "Conflict") == 1
        assert classes(figure, "False", "WrongAccountOrRegion") == 1
        await platform.delete("first")
        await world.pass_time(60)
        assert classes(figure, "False", "Conflict") is None
        assert classes(figure, "True", "Accepted") == 1


async def test_an_operator_of_some_namespaces_tells_of_what_its_own_objects_name_or_use() -> None:
    """The others may be meant for an operator of another account, and are nobody's trouble here."""
    world = World()
    platform = Platform(world)
    await platform.make()
    await platform.make("by-id", gateway=OTHER_GATEWAY)
    for name in ("named", "abroad"):
        await platform.make(name, gateway_arn=arn(f"{name}-abcdefghij", account="999999999999"))
    async with measured(world, all_namespaces=False) as figure:
        await world.create(**BY_REFERENCE)
        await world.create("other", gatewayId=OTHER_GATEWAY)
        await world.create("wrong", gatewayRef={"name": "named"})
        await world.until_ready("other")
        assert classes(figure, "True", "Accepted") == 2
        assert classes(figure, "False", "WrongAccountOrRegion") == 1


async def test_while_aws_does_not_say_whose_credentials_these_are_none_is_accepted() -> None:
    world = World()
    platform = Platform(world)
    world.aws.add_fault(operation="sts:GetCallerIdentity", code="AccessDenied", count=None)
    await platform.make()
    async with measured(world) as figure:
        await world.pass_time(60)
        assert classes(figure, "Unknown", "IdentityUnknown") == 1


async def test_a_gateway_that_is_not_ready_or_of_which_aws_does_not_tell() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with measured(world) as figure:
        await world.pass_time(60)
        world.aws.add_fault(operation="GetGateway", code="AccessDeniedException", count=None)
        await world.pass_time(400)
        assert classes(figure, "True", "AWSUnavailable") == 1
        assert classes(figure, "True", "Accepted") == 0


async def test_one_that_waits_for_its_last_target_says_so() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with measured(world) as figure:
        await world.create(**BY_REFERENCE)
        await world.until_ready()
        await world.pass_time(60)
        await platform.delete()
        await world.pass_time(60)
        assert classes(figure, "True", "Deleting") == 1


@pytest.mark.parametrize("plural", [names.CLASS_PLURAL, NAMESPACES.plural])
@pytest.mark.parametrize("refusal", [LOST, ApiError(403, "Forbidden", "mcpgateways is forbidden")])
async def test_what_cannot_be_seen_any_more_has_a_figure(plural: str, refusal: Any) -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    away = False

    def cut(request: Any) -> Any:
        mine = request.resource is not None and request.resource.plural == plural
        return Fault(refuse=refusal) if away and mine and not request.mutates else None

    async with measured(world, faults=cut) as figure:
        await world.create(**BY_REFERENCE)
        await world.until_ready()
        away = True
        world.api.break_watches()
        await world.pass_time(200)
        assert figure("mcps_classes_known") == 1
        await world.pass_time(200)
        assert figure("mcps_classes_known") == 0
        away = False
        await world.pass_time(120)
        assert figure("mcps_classes_known") == 1


@pytest.mark.parametrize("plural", [names.CLASS_PLURAL, NAMESPACES.plural])
async def test_what_the_operator_may_not_read_has_a_figure_once_it_matters(plural: str) -> None:
    """Rights of an older chart, or of one of a single namespace: nothing is wrong while nobody names one."""
    world = World()
    platform = Platform(world)

    def forbid(request: Any) -> Any:
        mine = request.resource is not None and request.resource.plural == plural
        listed = mine and request.verb in ("list", "watch")
        return Fault(refuse=ApiError(403, "Forbidden", "forbidden")) if listed else None

    async with measured(world, faults=forbid) as figure:
        await world.create()
        await world.until_ready()
        assert figure("mcps_classes_known") == 1
        await platform.make(gateway=OTHER_GATEWAY)
        await world.create("named", **BY_REFERENCE)
        await world.pass_time(60)
        assert figure("mcps_classes_known") == 0


async def test_no_word_of_others_is_a_label() -> None:
    """Others may write to the status of an MCPGateway."""
    world = World()
    platform = Platform(world)
    await platform.make()
    async with measured(world) as figure:
        await world.create(**BY_REFERENCE)
        await world.until_ready()
        await world.pass_time(60)
        ready = {"type": "Ready", "status": "False", "reason": "canary", "message": "canary"}
        stamps = {"observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}
        await world.user.patch(
            MCPGATEWAYS,
            None,
            "tools",
            {"status": {"conditions": [ready | stamps]}},
            kind=PatchType.MERGE,
            subresource="status",
        )
        for _ in range(50):
            assert "canary" not in figure.text()
            await world.pass_time(0.02)


async def test_any_number_of_mcpgateways_makes_no_more_series_than_are_declared() -> None:
    world = World()
    platform = Platform(world)
    for number in range(40):
        await platform.make(f"class-{number}", gateway=f"g{number % 7}-abcdefghij")
    async with measured(world) as figure:
        await world.pass_time(60)
        shown = [line for line in figure.text().splitlines() if line.startswith("mcps_classes{")]
        assert len(shown) <= CLASSES.bound
        assert sum(float(line.rpartition(" ")[2]) for line in shown) == 40


def test_the_fields_that_an_older_crd_drops_are_all_named() -> None:
    assert all(f"`{name}`" in UNSERVED.help for name in HOLDING_BACK)
