"""Stories of one object whose user changes his mind while its target moves, and everything else goes wrong.

The first gateway is one that nothing but the object's status names, so whoever loses the record loses it.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from agentcore_simulator.settings import Consistency, Durations, Switches
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.codec import decode
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import ApiError
from tests.support.audit import Audit
from tests.support.memory_cluster import LOST, Fault, Request
from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition
from tests.unit.controller.fuzz import OWNER, differences
from tests.unit.controller.moving import GATEWAYS, THIRD_GATEWAY

NAME = "weather"
PEACE = 2 * 3600.0
"""Seconds after the last fault within which the object is at rest: the longest backoff is an hour."""
_PAUSES = (0.0, 0.02, 0.1, 0.3, 0.6, 1.0, 1.5, 2.0, 2.5, 4.0, 8.0)
_WRITES = (
    *3 * (Fault(lose=LOST),),
    Fault(refuse=ApiError(500, "InternalError", "etcdserver: request timed out")),
    Fault(refuse=ApiError(409, "Conflict", "the object has been modified")),
    Fault(lose=ApiError(504, "Timeout", "the server was unable to return a response in time")),
)
_CALLS: tuple[dict[str, Any], ...] = (
    {"kind": "close", "commit": True},
    {"kind": "close", "commit": False},
    {"kind": "hang", "commit": True},
    {"code": "InternalServerException", "commit": True},
    {"code": "InternalServerException", "commit": False},
    {"code": "ThrottlingException"},
    {"code": "ConflictException"},
)


class Edits:
    """One run. `log` tells what was done, for the one who must find out why it ended badly."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)  # noqa: S311  -- repeatable, not secret
        durations = {each: rng.choice((0.1, 1.5, 6.0)) for each in ("creating", "updating", "deleting")}
        switches = Switches(
            transient_writes=rng.choice(("conflict", "accept")),
            list_shows_deleting=rng.random() < 0.5,
            client_token_seconds=rng.choice((0.0, 86_400.0)),
        )
        lag = rng.choice((0.0, 0.0, 0.0, 20.0))
        settings = SimulatorSettings(
            durations=Durations(**durations),
            switches=switches,
            consistency=Consistency(list_lag=lag, get_lag_after_create=min(lag, 5.0)),
        )
        self.world = World(simulator=settings, seed=seed, latency=rng.choice((0.02, 0.3)))
        self.world.aws.create_gateway(THIRD_GATEWAY)
        self.audit = Audit(self.world.api.store)
        self.log: list[str] = []
        self.lies: list[str] = []
        self.visits: defaultdict[str, int] = defaultdict(int)
        self.made: defaultdict[str, set[str]] = defaultdict(set)
        self._armed = False
        self._loses = rng.random() < 0.25
        """The status is lost once, and other objects have every gateway looked at: nothing stays unseen."""
        self._lost = False
        self._silent = rng.random() < 0.2
        self._api_faults = rng.choice((0.0, 0.3, 0.6))
        self._aws_faults = rng.choice((0.0, 0.5, 1.0))
        self._crashes = rng.choice((0.0, 0.3, 0.6))
        self._stack = AsyncExitStack()

    async def run(self) -> None:
        """Do everything and check everything."""
        first = self.rng.choice((OTHER_GATEWAY, OTHER_GATEWAY, GATEWAY))
        self.visits[first] += 1
        await self._start()
        try:
            for number, gateway_id in enumerate(GATEWAYS * self._loses):
                await self.world.create(f"keeper-{number}", gatewayId=gateway_id)
            await self.world.create(NAME, gatewayId=first)
            await self.world.until_ready(NAME)
            self._armed = True
            for _ in range(self.rng.randrange(2, 5)):
                self._break_aws()
                if self._silent and self.rng.random() < 0.5:
                    self.say("the watch goes silent")
                    self.world.api.silence_watches()
                await self._edit()
                await self._pass()
            if self._loses:
                self.say("the status is lost")
                self._lost = True
                await self.world.set_status({}, NAME)
                await self._pass()
            deleted = self.rng.random() < 0.3
            if deleted:
                self.say("delete")
                await self.world.delete(NAME)
                await self._pass()
                if self.world.exists(NAME) and self.rng.random() < 0.5:
                    await self._edit()
                    await self._pass()
            self.say("peace")
            self._armed = False
            self.world.aws.clear_faults()
            if not deleted:
                await self._until(self._unrest)
                await self.world.delete(NAME)
            await self._until(self._end)
        finally:
            await self._stack.aclose()
        assert not self.lies, self.lies[0]
        assert not self.audit.complaints, self.audit.complaints[0]
        self._check_all()

    def say(self, text: str) -> None:
        """Note one step."""
        self.log.append(f"{asyncio.get_running_loop().time():10.2f} {text}")

    # -- the operator ---------------------------------------------------------------------------------

    async def _start(self) -> None:
        self._stack = AsyncExitStack()
        await self._stack.enter_async_context(
            self.world.operator(
                faults=self._faults, owner_ids=(OWNER,), drift_interval=30.0, sweep_interval=1e9
            )
        )

    def _faults(self, request: Request) -> Fault | None:
        self._look()
        if request.resource != MCPSERVERS or not request.mutates:
            return None
        self._check_truth(request)
        if not self._armed or self.rng.random() >= self._api_faults:
            return None
        fault = self.rng.choice((*_WRITES, Fault(delay=self.rng.uniform(0.0, 2.0))))
        self.say(f"API server: {request.verb} {request.subresource}: {fault}")
        return fault

    def _break_aws(self) -> None:
        if self.rng.random() < self._aws_faults:
            operation = self.rng.choice(("Create", "Create", "Delete", "Get", "Update"))
            fault = self.rng.choice(_CALLS)
            self.say(f"AWS: {operation} {fault}")
            self.world.aws.add_fault(operation=f"{operation}GatewayTarget", **fault)

    # -- the user -------------------------------------------------------------------------------------

    async def _edit(self) -> None:
        spec: dict[str, Any] = {}
        kind = self.rng.choice(("move",) * 6 + ("move and rename",) * 2 + ("rename", "describe", "let be"))
        now = (await self.world.get(NAME)).spec.gateway_id
        if "move" in kind:
            spec["gatewayId"] = self.rng.choice([each for each in GATEWAYS if each != now])
            self.visits[spec["gatewayId"]] += 1
        if "rename" in kind:
            spec["targetName"] = self.rng.choice((None, "forecast", "climate"))
        if kind == "describe":
            spec["description"] = f"number {self.rng.randrange(100)}"
        if kind == "let be":
            spec["gatewayId"] = None
        self.say(f"edit {spec}")
        await self.world.edit(NAME, spec=spec)

    async def _pass(self) -> None:
        if self.rng.random() < 0.7:
            # What was just done at AWS is not in the status yet.
            before = self._held()
            for _ in range(100):
                if self._held() != before:
                    break
                await self.world.pass_time(0.05)
            await self.world.pass_time(self.rng.choice(_PAUSES[:7]))
        else:
            await self.world.pass_time(self.rng.choice(_PAUSES))
        if self.rng.random() < self._crashes:
            self.say("operator dies")
            await self._stack.aclose()
            await self.world.pass_time(self.rng.choice((0.0, 1.0, 40.0)))
            await self._start()
            await self.world.pass_time(self.rng.choice(_PAUSES))

    # -- what must hold -------------------------------------------------------------------------------

    def _object(self) -> MCPServer | None:
        stored = dict(self.world.api.store.select(MCPSERVERS, None))
        body = stored.get(("team-a", NAME))
        return decode(body) if body is not None else None

    def _held(self) -> dict[str, list[dict[str, Any]]]:
        return {
            each: [target for target in self.world.targets(each) if "keeper" not in target["name"]]
            for each in GATEWAYS
        }

    def _look(self) -> None:
        """At every request: no gateway has two targets, and whatever there is has a place in the object."""
        obj = self._object()
        for gateway_id, targets in self._held().items():
            self.made[gateway_id] |= {target["targetId"] for target in targets}
            if len(targets) > 1:
                self.lies.append(f"several targets on {gateway_id}: {targets}")
            if targets and (obj is None or not (self._lost or _names(obj, gateway_id))):
                self.lies.append(f"nothing names {gateway_id}: {targets} {obj and obj.status}")

    def _check_truth(self, request: Request) -> None:
        """Whoever writes Ready=True must be right."""
        obj = self._object()
        if request.subresource != "status" or request.name != NAME or obj is None:
            return
        assert isinstance(request.body, list)
        status = msgspec.to_builtins(request.body[-1]["value"])
        ready = next(each for each in status["conditions"] if each["type"] == "Ready")
        if ready["status"] == "True" and ready["observedGeneration"] == obj.metadata.generation:
            here = obj.spec.gateway_id or status["gatewayId"]
            found = [each for each in self.world.targets(here) if each["targetId"] == status["targetId"]]
            if not found or found[0]["status"] != "READY" or differences(obj, found[0]):
                self.lies.append(f"Ready, but on {here}: {found}")

    async def _until(self, reason: Callable[[], str]) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + PEACE
        while why := reason():
            assert loop.time() < end, f"not at rest: {why}"
            await self.world.pass_time(2)

    def _unrest(self) -> str:
        """Return what is not as it should be, of an object that lives."""
        obj = self._object()
        assert obj is not None
        ready, here = condition(obj), obj.spec.gateway_id or obj.status.gateway_id
        told = ready.message if self._lost else ""
        held = {
            each: found
            for each, targets in self._held().items()
            if (found := [t["targetId"] for t in targets if each == here or t["targetId"] not in told])
        }
        if ready.status != "True" or ready.observed_generation != obj.metadata.generation:
            return str(ready)
        if held != {here: [obj.status.target_id]} or obj.status.moves or obj.status.gateway_id != here:
            return f"{held}, {obj.status}"
        return differences(obj, self._held()[here][0])

    def _end(self) -> str:
        """Return what is left of an object that was deleted."""
        return f"{self._object()}" if self.world.exists(NAME) else ""

    def _check_all(self) -> None:
        """Nothing is left, no status was written without its record, and each place one target a visit."""
        assert not any(self._held().values()), f"left: {self._held()}"
        recorded = False
        for state in () if self._lost else self.audit.states:
            record = bool((state.get("status") or {}).get("targetId"))
            assert record or not recorded, f"the record is lost: {state}"
            recorded = record
        for gateway_id, made in self.made.items():
            assert len(made) <= self.visits[gateway_id], f"{made} on {gateway_id}"


def _names(obj: MCPServer, gateway_id: str) -> bool:
    """Whether an object says that something of it may be on a gateway."""
    status = obj.status
    noted = obj.metadata.annotations.get(names.GATEWAY_ANNOTATION)
    places = {status.gateway_id, *(entry.gateway_id for entry in status.moves)}
    return gateway_id in (places if status.target_id else {noted})
