"""`plan` and `run` over every kind of change at once, in two accounts: the same steps, and the same words."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from mcp_gateway_operator.cli.fleet.foresee import Recorder
from tests.support.accounts import SPOKE, Cloud, role
from tests.support.classes import ALLOW, Platform, arn
from tests.support.world import GATEWAY, OTHER_GATEWAY, World
from tests.unit.controller.fuzz import OWNER
from tests.unit.controller.test_foreseen import done, foreseen, kinds, told

TOWNS = range(3)
SETTLED_OBJECTS = 6
A_WHILE = 300.0
"""Seconds in which everything comes to its end: no fault makes anybody wait."""
KINDS = {"create", "update", "rename", "move", "adopt", "delete", "conflict", "not permitted", "none"}
PLAIN: dict[str, Any] = {"authType": "NoAuth", "oauthProviderArn": None, "oauthScopes": None}
FAR: dict[str, Any] = {**PLAIN, "gatewayRef": {"name": "far"}, "gatewayId": None}


class Town:
    """Objects that are settled, and others that come, while no operator works."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311  -- repeatable, not secret
        self.world = World(seed=seed)
        self.platform = Platform(self.world)
        self.cloud = self.world.opener = Cloud(self.world)
        self.cloud.aws().create_gateway(GATEWAY)
        self.log: list[str] = []

    async def found(self) -> None:
        """Let an operator bring the first objects to their end."""
        permitted = [{**ALLOW, "authTypes": ["*"]}]
        aws = {"roleArn": role()}
        await self.platform.make("far", gateway_arn=arn(GATEWAY, account=SPOKE), aws=aws, allow=permitted)
        async with self.world.operator(owner_ids=(OWNER,)):
            for number in range(SETTLED_OBJECTS):
                spec = self.rng.choice(({}, {}, FAR, {"gatewayId": OTHER_GATEWAY}))
                await self.world.create(f"old-{number}", **spec)
            for number in range(SETTLED_OBJECTS):
                await self.world.until_ready(f"old-{number}")

    async def change(self) -> None:
        """Let users and others do each of these to an object, and make new ones in every way."""
        changes = [self.edit, self.rename, self.move, self.meddle, self.delete, self.rest]
        comings = [self.plain, self.far, self.taken, self.adopting, self.forbidden]
        for change in self.rng.sample(changes, len(changes)):
            await self._do(change, f"old-{changes.index(change)}")
        for come in self.rng.sample(comings, len(comings)):
            await self._do(come, f"new-{comings.index(come)}")

    async def _do(self, change: Callable[[str], Awaitable[None]], name: str) -> None:
        self.log.append(f"{change.__name__} {name}")
        await change(name)

    async def edit(self, name: str) -> None:
        """Change a field."""
        await self.world.edit(name, spec={"description": f"edited {self.rng.randrange(9)}"})

    async def rename(self, name: str) -> None:
        """Ask for another name."""
        await self.world.edit(name, spec={"targetName": f"{name}-renamed"})

    async def move(self, name: str) -> None:
        """Name another gateway, of the other account or of the own one."""
        elsewhere = (await self.world.get(name)).spec.gateway_ref is not None
        near = {"gatewayRef": None, "gatewayId": OTHER_GATEWAY}
        await self.world.edit(name, spec=near if elsewhere else FAR)

    async def meddle(self, name: str) -> None:
        """Change a target in the console."""
        target_id = (await self.world.get(name)).status.target_id
        for account in (self.world.aws, self.cloud.aws()):
            for gateway_id in (GATEWAY, OTHER_GATEWAY):
                found = (each for each in account.targets(gateway_id) if each["name"] == name)
                if target_id in (each["targetId"] for each in found):
                    account.edit_target(target_id, gateway=gateway_id, description="mine")

    async def delete(self, name: str) -> None:
        """Delete an object."""
        await self.world.delete(name)

    async def rest(self, name: str) -> None:
        """Change nothing that matters."""
        await self.world.edit(name, metadata={"labels": {"team": "a"}})

    async def plain(self, name: str) -> None:
        """Make an object that names no gateway."""
        await self.world.create(name)

    async def far(self, name: str) -> None:
        """Make an object of the other account."""
        await self.world.create(name, **FAR)

    async def taken(self, name: str) -> None:
        """Want the name of a target that somebody made by hand."""
        self._by_hand(name)
        await self.world.create(name)

    async def adopting(self, name: str) -> None:
        """Want such a target itself."""
        self._by_hand(name)
        await self.world.create(name, adoptionPolicy="IfExists")

    async def forbidden(self, name: str) -> None:
        """Want what the MCPGateway does not permit."""
        await self.world.create(name, **{**FAR, "endpoint": "https://evil.example.com/mcp"})

    def _by_hand(self, name: str) -> None:
        config = {"mcp": {"mcpServer": {"endpoint": "https://human.example.com/mcp"}}}
        self.world.aws.create_target(GATEWAY, name=name, targetConfiguration=config)


async def test_plan_and_run_do_the_same_in_the_same_words_for_every_kind_of_change() -> None:
    compared = Counter[str]()
    steps = 0
    for seed in TOWNS:
        town = Town(seed)
        await town.found()
        await town.change()
        future = foreseen(town.world, cloud=town.cloud, allow_adoption=True)
        record = Recorder()
        async with town.world.operator(
            owner_ids=(OWNER,), allow_adoption=True, sweep_interval=1e9
        ) as operator:
            operator.hooks.on_decision = record
            await town.world.pass_time(A_WHILE)
            run = done(record, operator)
        story = f"town {seed}: {', '.join(town.log)}; compared before: {dict(compared)}"
        assert told(future.steps) == told(run.steps), story
        assert kinds(future) == kinds(run), story
        compared.update(kinds(future).values())
        steps += len(future.steps)
    counts = f"{steps} steps of {sum(compared.values())} objects: {dict(compared)}"
    assert set(compared) >= KINDS, f"never seen: {KINDS - set(compared)}; {counts}"
