"""`doctor` on gateways: their room, their MCPGateways, and targets that are nobody's or somebody's twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.mcpgateway import MCPGateway
from mcp_gateway_operator.api.names import ConditionType
from mcp_gateway_operator.cli.fleet.finding import Finding
from mcp_gateway_operator.cli.fleet.scene import Scene
from mcp_gateway_operator.cli.fleet.survey import Owned, Registry, Survey
from mcp_gateway_operator.shown import shown

ALMOST_FULL: Final = 0.9
"""Share of what a gateway takes from which on it is worth a word."""


def gateways(scene: Scene, registry: Registry, survey: Survey, limit: int | None) -> Iterator[Finding]:
    """Yield how full each gateway is, and whose its targets are.

    Args:
        scene: all objects.
        registry: whose what is.
        survey: what AWS has.
        limit: targets that a gateway takes, None for any number.
    """
    for gateway_id in survey.gateways:
        if (why := survey.not_reached.get(gateway_id)) is not None:
            yield Finding(
                ok=None,
                what=f"Gateway {gateway_id} was not looked at: {why}.",
                why="The operator may reach it all the same: the conditions of its MCPGateway say so.",
            )
            continue
        if (why := survey.unread.get(gateway_id)) is not None:
            yield Finding(
                ok=False,
                what=f"Gateway {gateway_id} cannot be listed: {shown(why)}",
                why="Where the operator's account is refused as well, nothing is managed there.",
                do="allow bedrock-agentcore:ListGatewayTargets and GetGatewayTarget (docs/SETUP.md)",
            )
            continue
        here = [each for each in survey.found if each.gateway_id == gateway_id]
        full = limit is not None and len(here) >= limit * ALMOST_FULL
        yield Finding(
            ok=not full,
            what=f"Gateway {gateway_id} has {len(here)}/{limit or 'any'} targets.",
            why="A gateway that is full takes no new target." if full else "",
            do="mcps orphans, or have AWS raise the quota and set --aws-quotas gateway-targets=N"
            if full
            else "",
        )
    yield from classes(scene, limit)
    yield _orphans(registry, survey)
    yield from _twice(scene, survey)


def classes(scene: Scene, limit: int | None) -> Iterator[Finding]:
    """Yield whether the operator works by each MCPGateway, and how full it is."""
    if scene.platform.unknown:
        yield Finding(
            ok=None,
            what=f"Which MCPGateways there are is not known: {scene.platform.unknown}.",
            do="ask for the ClusterRole mcpgateway-viewer-role",
        )
    for each in scene.classes.values():
        yield _class(each, limit)


def _class(each: MCPGateway, most: int | None) -> Finding:
    accepted, ready = each.condition(names.ACCEPTED), each.condition(ConditionType.READY)
    bad = next((found for found in (accepted, ready) if found is not None and found.status == "False"), None)
    if bad is not None:
        return Finding(
            ok=False,
            what=f"MCPGateway {each.name} is not {bad.type} ({bad.reason}): {shown(bad.message)}",
            why="Nothing new is made on its gateway.",
            do=f"kubectl describe mcpgateway {each.name}",
        )
    if accepted is None or ready is None or ready.status != "True":
        return Finding(
            ok=None,
            what=f"MCPGateway {each.name}: no operator has said yet that its gateway is READY.",
            why="Nothing is made on its gateway before.",
            do=f"kubectl describe mcpgateway {each.name}",
        )
    counts = each.status.targets
    used, own = (counts.used, counts.limit) if counts is not None else (0, 0)
    limit = min(own, most) if own and most else own or most
    full = limit is not None and used >= limit * ALMOST_FULL
    return Finding(
        ok=not full,
        what=f"MCPGateway {each.name} is {each.status.state}, with {used}/{limit or 'any'} targets.",
        why="One that is full takes no new target." if full else "",
        do="raise its spec.capacity.targets, or remove targets" if full else "",
    )


def _orphans(registry: Registry, survey: Survey) -> Finding:
    if not registry.codes:
        return Finding(
            ok=None,
            what="Which targets are this installation's is not known, nor which of them belong to nobody.",
            do="give --owner-id, the same as the operator's",
        )
    orphans = sum(each.orphan for each in survey.found)
    return Finding(
        ok=not orphans,
        what=f"Targets of this installation that belong to no MCPServer: {orphans}.",
        why="They take places, and agents may call servers that are gone; or another cluster has the same "
        "--owner-id, and they are its own."
        if orphans
        else "",
        do="mcps orphans" if orphans else "",
    )


def _twice(scene: Scene, survey: Survey) -> Iterator[Finding]:
    """Yield markers that several targets carry, moves aside: two clusters may write them."""
    by_marker: dict[str, list[Owned]] = {}
    for each in survey.found:
        if each.marker:
            by_marker.setdefault(each.marker, []).append(each)
    for marker, found in sorted(by_marker.items()):
        key = found[0].key
        moving = key is not None and bool(scene.servers[key].status.moves)
        if len(found) > 1 and not moving:
            places = ", ".join(f"{each.target} on {each.gateway_id}" for each in found)
            yield Finding(
                ok=False,
                what=f"The marker {marker} is on {len(found)} targets: {places}.",
                why="Two clusters with one --owner-id (one restored from the other?) take each other's "
                "targets for their own, or somebody copied the description.",
                do=f"mcps owner {marker}; give each cluster its own --owner-id",
            )
