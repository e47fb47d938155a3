"""Random stories of tenants and platform teams: MCPGateways, labels and references edited at every moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.runtime.cluster import ApiError
from mcp_gateway_operator.targets.known import placements
from mcp_gateway_operator.targets.shape.target import find_marker
from tests.support.accounts import OWN, SPOKE, role
from tests.support.classes import arn
from tests.support.world import condition
from tests.unit.controller.class_oracle import LABEL
from tests.unit.controller.class_people import People
from tests.unit.controller.class_scene import (
    CLASSES,
    CLOSED,
    DRIFT,
    EVERY,
    OPEN,
    PEACE,
    SERVERS,
    SPARE,
    VAULT,
)


class Story(People):
    """One run."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._actions = self._weighed()

    def _weighed(self) -> list[Callable[[], Any]]:
        tenant = [self.create] * 5 + [self.aim] * 5 + [self.edit] * 3 + [self.delete] * 3 + [self.note] * 2
        policy = [self.allow] * 5 + [self.label] * 4 + [self.spec] * 3 + [self.remove] * 2 + [self.make] * 3
        policy += [self.end, self.second, self.namespace_again]
        machine = [self.kill] * 4 + [self.fault] * 2 + [self.deny, self.pause]
        outages = [self.lose] * 3 + [self.back] * 3
        forgets = [self.lose_status, self.old_version, self.old_version]
        self._changes = [*policy, self.kill, self.kill, self.aim, self.fault] + outages * self.outages
        self._changes += forgets * self.forgets
        tenant += [self.interrupted] * 30
        return (
            tenant
            + policy
            + machine
            + outages * self.outages
            + forgets * self.forgets
            + [self.steal] * (2 * self.steals)
        )

    # -- the run --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Do everything and check everything."""
        for name in {**CLASSES, **CLOSED}:
            if self.rng.random() < 0.8 or name in CLOSED:
                await self._make(name)
        await self._start()
        try:
            for _ in range(self.rng.randrange(12, 40)):
                with suppress(ApiError):
                    await self.rng.choice(self._actions)()
                await self.world.pass_time(self.rng.choice((0.0, 0.02, 0.1, 0.5, 1.0, 3.0, 30.0, 100.0)))
                self._check()
            await self._make_peace()
            await self._converge()
            await self._check_thaw()
            await self._check_end()
        finally:
            for stack in reversed(self._stacks):
                await stack.aclose()
        self._check()

    def _check(self) -> None:
        assert not self.referee.complaints, self.referee.complaints
        marks = Counter(
            (target["gatewayArn"], mark)
            for target in self.targets()
            if target["status"] != "DELETING" and (mark := find_marker(target.get("description")))
        )
        assert all(count == 1 for count in marks.values()), f"several targets of one object: {marks}"

    # -- peace ----------------------------------------------------------------------------------------

    async def _make_peace(self) -> None:
        self.say("peace")
        await self.back()
        if all(each.namespaces for each in self._flags):
            for stack in reversed(self._stacks):
                await stack.aclose()
            self._stacks.clear()
            self._flags.clear()
            await self._start(everywhere=True)
        self.cloud.denied.clear()
        for account in (OWN, SPOKE):
            self.cloud.aws(account).clear_faults()
        for namespace in ("team-a", "team-b"):
            await self.platform.label(namespace, **{LABEL: namespace})
        if self.platform.exists("second"):
            await self.platform.force("second")
        for name in {**CLASSES, **SPARE}:
            await self._permit_all(name)
        closed = {"vault", "strongroom", "second"}
        for obj in self.objects():
            name, spec = obj.metadata.name, obj.spec
            patch: dict[str, Any] = {"managementPolicy": None, "deletionPolicy": "Delete"}
            if spec.class_name in closed or spec.gateway == VAULT or not (spec.class_name or spec.gateway):
                patch |= {"gatewayRef": {"name": "home"}, "gatewayId": None}
            if (name_of := self._placed_elsewhere(obj, patch.get("gatewayRef", {}).get("name"))) is not None:
                patch |= {"gatewayRef": {"name": name_of}, "gatewayId": None}
            with suppress(ApiError):
                metadata = {"annotations": {names.PAUSED_ANNOTATION: None}}
                await self._edit(name, spec=patch, metadata=metadata)

    async def _permit_all(self, name: str) -> None:
        """Make an MCPGateway say what it is to say, and nothing else; make it again where that takes it."""
        account, gateway = EVERY[name]
        wanted: dict[str, Any] = {"gatewayArn": arn(gateway, account=account), "allow": OPEN}
        if account != OWN:
            wanted["aws"] = {"roleArn": role(account)}
        if self.platform.exists(name):
            found = msgspec.json.decode(self.world.api.store.get(MCPGATEWAYS, None, name))
            same = found["spec"]["gatewayArn"] == wanted["gatewayArn"]
            if same and "deletionTimestamp" not in found["metadata"]:
                found["spec"] = wanted
                self.world.api.store.replace(MCPGATEWAYS, None, name, found)
                return
            await self.platform.force(name)
        await self._make(name, allow=OPEN)

    def _placed_elsewhere(self, obj: Any, named: str | None) -> str | None:
        """Return the MCPGateway to name instead, where one of this name has placed it on another gateway."""
        ref = named or obj.spec.class_name
        by_arn = {arn(gateway, account=account): name for name, (account, gateway) in EVERY.items()}
        for _, placed in placements(obj):
            if placed.class_ == ref and by_arn.get(placed.gateway_arn) != ref:
                return by_arn.get(placed.gateway_arn, "other" if ref == "home" else "home")
        return None

    async def _converge(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + PEACE
        while reason := self._not_converged():
            assert loop.time() < end, f"not converged: {reason}"
            await self.world.pass_time(10.0)
            await self._name_others()
            self._check()

    async def _name_others(self) -> None:
        """Name another MCPGateway where one of the same name was for another gateway a moment ago."""
        for obj in self.objects():
            other = self._placed_elsewhere(obj, None)
            if other is not None and not obj.metadata.deletion_timestamp:
                await self._edit(obj.metadata.name, spec={"gatewayRef": {"name": other}, "gatewayId": None})

    def _not_converged(self) -> str:
        left = {(each["gatewayArn"], each["targetId"]): each for each in self.targets()}
        for obj in self.objects():
            name, ready = obj.metadata.name, condition(obj)
            if name in self.thieves:
                # Whoever may write status may lead its object astray, and no other.
                continue
            if obj.metadata.deletion_timestamp:
                return f"{name} is not gone: {obj.status}"
            if ready.status != "True" or ready.observed_generation != obj.metadata.generation:
                return f"{name}: {ready}"
            if condition(obj, "Permitted").status == "False":
                return f"{name}: {condition(obj, 'Permitted')}"
            where = EVERY.get(obj.spec.class_name, (OWN, obj.spec.gateway))
            at = arn(where[1], account=where[0])
            target = left.pop((at, obj.status.target_id), None)
            if target is None or target["status"] != "READY":
                return f"{name}: target {target}, {obj.status}"
            if not self.doubtful and obj.status.moves:
                return f"{name}: moves {obj.status.moves}"
        if self.doubtful:
            return ""
        kept = self.referee.retained()
        more = [each for each in left.values() if find_marker(each.get("description")) not in kept]
        return f"left: {more}" if more else ""

    async def _check_thaw(self) -> None:
        """Freeze all and thaw it: AWS gets nothing but reads."""
        await self.world.pass_time(3 * DRIFT)
        before = len(self.referee.sent)
        for name in {**CLASSES, **SPARE}:
            await self.platform.edit(name, spec={"allow": []})
        await self.world.pass_time(60.0)
        for obj in self.objects():
            frozen = condition(obj, "Permitted").status == "False"
            assert frozen or obj.metadata.name in self.thieves, obj
        for name in {**CLASSES, **SPARE}:
            await self.platform.edit(name, spec={"allow": OPEN})
        await self.world.pass_time(60.0)
        writes = [each for each in self.referee.sent[before:] if not each[1].startswith(("Get", "List"))]
        assert not writes, writes
        assert not self._not_converged(), self._not_converged()

    async def _check_end(self) -> None:
        """Delete all: nothing is left."""
        for name, namespace in SERVERS.items():
            if self.world.exists(name, namespace=namespace):
                await self.world.delete(name, namespace=namespace)
        await self.world.until(lambda: not self.objects(), within=1200.0)
        kept = self.referee.retained()
        left = [each for each in self.targets() if find_marker(each.get("description")) not in kept]
        assert self.doubtful or not left, left
