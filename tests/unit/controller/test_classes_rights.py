"""What the operator asks of the API server about MCPGateways, and the role that it has for that: no more."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.support.classes import Platform
from tests.support.world import World

ROLE = Path(__file__).parents[3] / "config/rbac/role.yaml"
KINDS = ("mcpgateways", "mcpgateways/status")


def allowed() -> set[tuple[str, str]]:
    """Return the verbs that the operator's role has for MCPGateways."""
    documents = yaml.safe_load_all(ROLE.read_text())
    rules = [rule for each in documents if each["kind"] == "ClusterRole" for rule in each["rules"]]
    return {
        (verb, kind)
        for rule in rules
        for kind in rule["resources"]
        if kind in KINDS
        for verb in rule["verbs"]
    }


ALLOWED = allowed()
"""Read before blocking calls are forbidden."""


async def test_the_role_holds_what_the_life_of_a_class_takes_and_nothing_else() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with world.operator():
        await world.create(gatewayRef={"name": "tools"})
        await world.until_ready()
        await world.pass_time(60.0)
        await platform.delete()
        await world.pass_time(60.0)
        await world.delete()
        await world.until(lambda: not platform.exists(), within=200.0)
    asked = {
        (request.verb, "/".join(filter(None, (request.resource.plural, request.subresource))))
        for request in world.api.log
        if request.client.startswith("operator") and request.resource is not None
    }
    assert {each for each in asked if each[1] in KINDS} == ALLOWED
