"""Outages made on purpose, an operator's own figures meanwhile, and what the alerts make of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.api import names
from mcp_gateway_operator.runtime.cluster import ApiError
from tests.support.classes import Platform
from tests.support.memory_cluster import Fault
from tests.support.promtool import RULES, Story, run_stories
from tests.support.virtual_time import run_virtual
from tests.support.world import GATEWAY, World, clients
from tests.unit.metrics.test_figures import Measured, a_lease, measured

FEW, MANY = 5, 40
REFERENCE = {"gatewayRef": {"name": "tools"}}
UNREADABLE: set[str] = set()
"""Kinds of which the API server shows nothing any more."""
Outage = Callable[[World, Measured, Story], Awaitable[None]]


async def minutes(count: int, figure: Measured, story: Story) -> None:
    """Let time pass with a scrape each minute."""
    for _ in range(count):
        await World.pass_time(60)
        story.scrape(figure.metrics.controller.collect(), namespace="ops", pod="one")


async def told(outage: Outage, *, size: int = FEW, **config: Any) -> Story:
    """Return what was scraped of a fleet that was Ready before this happened to it."""
    story, world = Story(getattr(outage, "__name__", "")), World()
    async with measured(world, **config) as figure:
        for number in range(size):
            await world.create(f"server-{number:03d}")
        await world.until_ready(f"server-{size - 1:03d}", within=600)
        await minutes(10, figure, story)
        await outage(world, figure, story)
    return story


async def nothing(_: World, figure: Measured, story: Story) -> None:
    await minutes(60, figure, story)


async def killed(_: World, __: Measured, story: Story) -> None:
    for _minute in range(15):
        story.missed()


async def credentials(world: World, figure: Measured, story: Story) -> None:
    world.aws.add_fault(count=None, code="ExpiredTokenException")
    await world.create("late")
    await minutes(50, figure, story)


async def gateway_deleted(world: World, figure: Measured, story: Story) -> None:
    world.aws.delete_gateway(GATEWAY)
    await minutes(60, figure, story)


async def throttled(world: World, figure: Measured, story: Story) -> None:
    for operation in ("CreateGatewayTarget", "UpdateGatewayTarget"):
        world.aws.add_fault(count=None, operation=operation, code="ThrottlingException")
    for number in range(6):
        await world.create(f"late-{number:03d}")
    await minutes(40, figure, story)


async def governed(world: World, figure: Measured, story: Story) -> Platform:
    """Have an MCPGateway permit the fleet, and a tenant want what it does not."""
    platform = Platform(world)
    await platform.make()
    await world.create("not-permitted", namespace="team-b", **REFERENCE)
    await minutes(10, figure, story)
    return platform


async def tenants(world: World, figure: Measured, story: Story) -> None:
    """A typo, an id that nobody has, a server that is down, a pause, Observe, Retain, a taken name.

    And what an MCPGateway does not permit.
    """
    await governed(world, figure, story)
    await world.create("typo", oauthScopes=[" "])
    await world.create("nowhere", gatewayId="missing-0123456789")
    await world.create("taken", targetName="server-001")
    await world.create("watched", managementPolicy="Observe")
    await world.create("kept", deletionPolicy="Retain")
    await world.until_ready("kept")
    await world.delete("kept")
    await world.edit("server-002", metadata={"annotations": {"mcpgateway.bedrock.aws/paused": "true"}})
    await world.edit("server-002", spec={"description": "edited while paused"})
    down = next(each for each in world.targets() if each["name"] == "server-003")
    world.aws.add_scenario(name="server-003", outcome="failed")
    world.aws.set_status(down["targetId"], "FAILED", ["The server does not answer."])
    await minutes(50, figure, story)


async def many_fail(world: World, figure: Measured, story: Story) -> None:
    world.aws.add_scenario(outcome="failed", reasons=["The server does not answer."])
    for each in world.targets()[: MANY * 3 // 10]:
        world.aws.set_status(each["targetId"], "FAILED", ["The server does not answer."])
    await minutes(50, figure, story)


async def permission_taken_away(world: World, figure: Measured, story: Story) -> None:
    platform = await governed(world, figure, story)
    await platform.edit(spec={"allow": []})
    await minutes(25, figure, story)


async def gateway_named_twice(world: World, figure: Measured, story: Story) -> None:
    platform = await governed(world, figure, story)
    await platform.make("again")
    await minutes(25, figure, story)


async def governed_gateway_deleted(world: World, figure: Measured, story: Story) -> None:
    """One cause, and not a second alert about the MCPGateway beside it."""
    await governed(world, figure, story)
    await gateway_deleted(world, figure, story)


async def gateway_untold(world: World, figure: Measured, story: Story) -> None:
    """The IAM policy of an older version, without GetGateway."""
    world.aws.add_fault(count=None, operation="GetGateway", code="AccessDeniedException")
    await governed(world, figure, story)
    await minutes(30, figure, story)


async def classes_unreadable(world: World, figure: Measured, story: Story) -> None:
    await governed(world, figure, story)
    UNREADABLE.add(names.CLASS_PLURAL)
    world.api.break_watches()
    await world.edit("server-000", spec={"description": "edited meanwhile"})
    await minutes(25, figure, story)


def refuse(request: Any) -> Fault | None:
    """Answer 403 where the rights were taken away."""
    plural = request.resource.plural if request.resource is not None else ""
    forbidden = ApiError(403, "Forbidden", f"{plural} is forbidden")
    return Fault(refuse=forbidden) if plural in UNREADABLE and not request.mutates else None


async def fought_over(world: World, figure: Measured, story: Story) -> None:
    (target,) = (each for each in world.targets() if each["name"] == "server-001")
    for number in range(70):
        world.aws.edit_target(target["targetId"], description=f"other words {number}")
        await minutes(1, figure, story)


@pytest.mark.parametrize(
    ("outage", "alerts", "config"),
    [
        (nothing, (), {}),
        (killed, ("MCPOperatorGone",), {}),
        (credentials, ("MCPOperatorCredentials",), {}),
        (gateway_deleted, ("MCPGatewayNotListed",), {}),
        (governed_gateway_deleted, ("MCPGatewayNotListed",), {}),
        (throttled, ("MCPOperatorBeyondQuota",), {"quotas": Quotas()}),
        (tenants, (), {}),
        (many_fail, ("MCPServersFailTogether",), {"size": MANY}),
        (fought_over, ("MCPTargetsFoughtOver",), {}),
        (permission_taken_away, ("MCPServersFrozenTogether",), {"size": 12}),
        (gateway_named_twice, ("MCPGatewayNotAccepted",), {}),
        (gateway_untold, ("MCPGatewayNotReady",), {}),
        (classes_unreadable, ("MCPGatewaysUnreadable",), {"faults": refuse}),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_the_right_alert_fires_and_no_other(
    tmp_path: Path, outage: Outage, alerts: tuple[str, ...], config: dict[str, Any]
) -> None:
    clients()
    UNREADABLE.clear()
    story = run_virtual(told(outage, **config))
    story.fires(*alerts)
    run_stories(tmp_path, yaml.safe_load(RULES.read_text()), [story])


def test_nobody_leads(tmp_path: Path) -> None:
    clients()

    async def scraped() -> Story:
        story = Story("nobody leads")
        async with measured(World(), lease=a_lease()) as figure:
            await minutes(10, figure, story)
        return story

    story = run_virtual(scraped())
    story.fires("MCPOperatorNotLeading")
    run_stories(tmp_path, yaml.safe_load(RULES.read_text()), [story])


def test_the_lease_is_lost(tmp_path: Path) -> None:
    """Losing it ends the process; the one after it runs, and somebody else holds the Lease."""
    clients()

    async def scraped() -> Story:
        story, world = Story("the lease is lost"), World()
        async with measured(world) as figure:
            await world.create()
            await world.until_ready()
            await minutes(10, figure, story)
        story.missed()
        async with measured(world, lease=a_lease()) as figure:
            await minutes(10, figure, story)
        return story

    story = run_virtual(scraped())
    story.fires("MCPOperatorNotLeading")
    run_stories(tmp_path, yaml.safe_load(RULES.read_text()), [story])
