"""Random users, random faults, then peace: what must hold in the end, whatever happened before."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import msgspec

from agentcore_simulator.settings import Consistency, Durations, Switches
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.codec import decode
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.gather.object_index import wanted_name
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import ApiError
from mcp_gateway_operator.targets.shape import (
    Target,
    TargetSummary,
    describe_diffs,
    field_diffs,
    flatten,
    flatten_target,
    marker_of,
    target_request,
    without_marker,
)
from mcp_gateway_operator.targets.shape.target import find_marker
from tests.support.audit import Audit
from tests.support.memory_cluster import LOST, Fault, Request
from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition

OWNER = "cluster-a"
NAMES = ("alpha", "beta", "gamma")
THIRD_GATEWAY = "third-abcdefghij"
GATEWAYS = (GATEWAY, OTHER_GATEWAY, THIRD_GATEWAY)
DRIFT_INTERVAL = 30.0
PEACE = 4 * 3600.0
"""Seconds within which everything has converged after the last fault: the longest backoff is an hour."""
_API_ERRORS = (
    ApiError(500, "InternalError", "etcdserver: request timed out"),
    ApiError(429, "TooManyRequests", "try again later", 1.0),
    ApiError(409, "Conflict", "the object has been modified"),
    LOST,
)
_CODES = (
    "ThrottlingException",
    "InternalServerException",
    "ConflictException",
    "ServiceUnavailableException",
)


class Story:
    """One run. `log` tells what was done, for the one who must find out why it ended badly."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311  -- repeatable, not secret
        self.world = World(simulator=self._settings(), seed=seed, latency=self.rng.choice((0.02, 0.3)))
        self.world.aws.create_gateway(THIRD_GATEWAY)
        self.audit = Audit(self.world.api.store)
        self.log: list[str] = []
        self.lies: list[str] = []
        self.humans: dict[str, str] = {}
        self.peaceful = False
        self._about: tuple[str, ...] = NAMES
        self._api_faults = self.rng.choice((0.0, 0.0, 0.05, 0.2))
        self._outside = self.rng.random() < 0.5
        self._moves = self.rng.random() < 0.5
        self._stack = AsyncExitStack()
        self._actions = self._weighed()

    def _settings(self) -> SimulatorSettings:
        rng = self.rng
        lagging = rng.random() < 0.4
        self.lag = lag = rng.choice((2.0, 20.0, 55.0))
        return SimulatorSettings(
            durations=Durations(
                creating=rng.choice((0.5, 5.0)),
                updating=rng.choice((0.5, 5.0)),
                deleting=rng.choice((0.3, 5.0)),
            ),
            switches=Switches(
                transient_writes=rng.choice(("conflict", "accept")),
                busy_error=rng.choice(("conflict", "validation")),
                duplicate_names=rng.choice(("conflict", "validation")),
                no_auth_shape=rng.choice(("empty", "absent")),
                sync_bumps_updated_at=rng.random() < 0.5,
                settling_bumps_updated_at=rng.random() < 0.5,
                list_shows_deleting=rng.random() < 0.5,
                client_token_seconds=rng.choice((0.0, 86_400.0)),
                sync_failure_status=rng.choice(("SYNCHRONIZE_UNSUCCESSFUL", "FAILED")),
            ),
            consistency=Consistency(
                list_lag=lag, get_lag_after_create=min(lag, 5.0), get_lag_after_write=min(lag, 5.0)
            )
            if lagging
            else Consistency(),
            seed=rng.randrange(1_000_000),
        )

    def _weighed(self) -> list[Callable[[], Any]]:
        common = [self.create] * 6 + [self.edit] * 6 + [self.delete] * 3 + [self.rename] * 2
        # Without marker and record nothing proves whose a target is: one of the two stays.
        lose = self.rng.choice((self.lose_status, self.strip_marker))
        if self._moves:
            # A status that is lost half-way may have named a gateway that nothing else does any more.
            lose = self.strip_marker
        rare = [self.pause, self.relabel, self.wipe_finalizer, self.recreate, self.hurry, self.hurry]
        aws = [self.fault] * 4 + [self.break_server, self.deny]
        outside = [self.edit_outside, self.delete_outside, self.human] * self._outside
        outside += [lose] if lose == self.lose_status or self._outside else []
        return common + rare + aws + outside + [self.kill] * 2 + [self.move] * (3 * self._moves)

    # -- the run --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Do everything and check everything."""
        await self._start()
        try:
            for _ in range(self.rng.randrange(10, 40)):
                with _too_late():
                    await self.rng.choice(self._actions)()
                await self.world.pass_time(self.rng.choice((0.0, 0.01, 0.1, 1.0, 3.0, 30.0, 90.0)))
                self._check_twins()
            await self._make_peace()
            await self._converge()
            await self._check_quiet()
        finally:
            await self._stack.aclose()
        assert not self.lies, self.lies[0]
        assert not self.audit.complaints, self.audit.complaints[0]

    def say(self, text: str) -> None:
        """Note one step."""
        self.log.append(f"{asyncio.get_running_loop().time():10.2f} {text}")

    async def _start(self) -> None:
        self.say("operator starts")
        await self._stack.enter_async_context(
            self.world.operator(
                faults=self._faults, owner_ids=(OWNER,), drift_interval=DRIFT_INTERVAL, sweep_interval=1e9
            )
        )

    async def kill(self) -> None:
        """End the process at this very moment, and start another."""
        self.say("operator dies")
        await self._stack.aclose()
        await self.world.pass_time(self.rng.choice((0.0, 1.0, 40.0)))
        await self._start()

    def _faults(self, request: Request) -> Fault | None:
        self._check_truth(request)
        if self.peaceful or request.resource != MCPSERVERS or self.rng.random() >= self._api_faults:
            return None
        error = self.rng.choice(_API_ERRORS)
        kind = self.rng.choice(("refuse", "lose", "delay"))
        self.say(f"API server: {request.verb} {request.name} {request.subresource}: {kind} {error}")
        if kind == "refuse":
            return Fault(refuse=error)
        if kind == "lose":
            return Fault(lose=LOST) if request.mutates else Fault(refuse=LOST)
        return Fault(delay=self.rng.random())

    async def _make_peace(self) -> None:
        self.say("peace")
        self.peaceful = True
        self.world.aws.clear_faults()
        self.world.aws.set_scenarios([])
        self.world.aws.configure(denied_actions=[])
        for target_id in self.humans:
            self.world.aws.delete_target(target_id)
        for name in NAMES:
            with _too_late():
                await self.world.edit(name, metadata={"annotations": {names.PAUSED_ANNOTATION: None}})

    # -- what users do --------------------------------------------------------------------------------

    def _pick(self) -> str | None:
        present = [name for name in self._about if self.world.exists(name)]
        return self.rng.choice(present) if present else None

    async def hurry(self) -> None:
        """Change one object's mind again and again, before the first change has come to its end."""
        if (name := self._pick()) is None:
            return
        self._about = (name,)
        changes = (self.rename, self.edit, self.delete, *(self.move,) * (3 * self._moves))
        for _ in range(self.rng.randrange(2, 4)):
            with _too_late():
                await self.rng.choice(changes)()
            await self.world.pass_time(self.rng.choice((0.0, 0.1, 0.4, 1.0, 2.0)))
            self._check_twins()
        self._about = NAMES

    async def create(self) -> None:
        """Make an object that is not there."""
        absent = [name for name in NAMES if not self.world.exists(name)]
        if absent:
            name = self.rng.choice(absent)
            self.say(f"create {name}")
            await self.world.create(name)

    async def edit(self) -> None:
        """Change one field."""
        if name := self._pick():
            spec = self.rng.choice(
                (
                    {"endpoint": f"https://{self.rng.randrange(100)}.example.com/mcp"},
                    {"description": self.rng.choice(("", "forecasts", "long " * 39))},
                    {"allowedRequestHeaders": [f"X-{self.rng.randrange(9)}"]},
                    {"oauthScopes": [f"scope-{self.rng.randrange(9)}"]},
                    {"resourcePriority": self.rng.randrange(5)},
                )
            )
            self.say(f"edit {name} {spec}")
            await self.world.edit(name, spec=spec)

    async def rename(self) -> None:
        """Ask for another target name, sometimes one that another object wants, too."""
        if name := self._pick():
            wanted = self.rng.choice((None, f"{name}-{self.rng.randrange(3)}", f"{name}-0"))
            self.say(f"rename {name} -> {wanted}")
            await self.world.edit(name, spec={"targetName": wanted})

    async def move(self) -> None:
        """Name a gateway, perhaps the one where the target is."""
        if name := self._pick():
            wanted = self.rng.choice((GATEWAY, OTHER_GATEWAY, OTHER_GATEWAY, THIRD_GATEWAY, None))
            self.say(f"move {name} -> {wanted}")
            await self.world.edit(name, spec={"gatewayId": wanted})

    async def delete(self) -> None:
        """Delete an object; one that lost its finalizer would leave its target behind."""
        name = self._pick()
        if name and names.FINALIZER in (await self.world.get(name)).metadata.finalizers:
            self.say(f"delete {name}")
            await self.world.delete(name)

    async def recreate(self) -> None:
        """Delete an object, and make it again as soon as it is gone."""
        name = self._pick()
        if name and names.FINALIZER in (await self.world.get(name)).metadata.finalizers:
            self.say(f"recreate {name}")
            await self.world.delete(name)
            for _ in range(100):
                if not self.world.exists(name):
                    await self.world.create(name)
                    return
                await self.world.pass_time(0.1)

    async def pause(self) -> None:
        """Pause an object, or let it go on."""
        if name := self._pick():
            value = self.rng.choice(("true", None))
            self.say(f"pause {name} {value}")
            await self.world.edit(name, metadata={"annotations": {names.PAUSED_ANNOTATION: value}})

    async def relabel(self) -> None:
        """Change what does not matter."""
        if name := self._pick():
            await self.world.edit(name, metadata={"labels": {"n": str(self.rng.randrange(9))}})

    async def lose_status(self) -> None:
        """Wipe a status, as a restore without it does."""
        if name := self._pick():
            self.say(f"status of {name} lost")
            await self.world.set_status({}, name)

    async def wipe_finalizer(self) -> None:
        """Take the finalizer off a live object, as `kubectl replace` does."""
        name = self._pick()
        if name and not (await self.world.get(name)).metadata.deletion_timestamp:
            self.say(f"finalizer of {name} wiped")
            await self.world.edit(name, metadata={"finalizers": None})

    # -- what AWS and others do -----------------------------------------------------------------------

    async def fault(self) -> None:
        """Let the next calls of one kind fail, or take effect without an answer."""
        operation = self.rng.choice(("Create", "Update", "Delete", "Get", "*"))
        operation = operation if operation == "*" else f"{operation}GatewayTarget"
        fault: dict[str, Any] = {
            "operation": operation,
            "count": self.rng.randrange(1, 4),
            "skip": self.rng.randrange(2),
            "commit": self.rng.random() < 0.5,
        }
        fault |= self.rng.choice(
            (
                {"kind": "close"},
                {"kind": "hang"},
                {"code": self.rng.choice(_CODES), "commit": False},
                {"code": "InternalServerException"},
            )
        )
        self.say(f"fault {fault}")
        self.world.aws.add_fault(**fault)

    async def break_server(self) -> None:
        """Let connections to one target's server fail."""
        name = self.rng.choice(NAMES)
        self.say(f"server {name} breaks")
        self.world.aws.add_scenario(name=f"{name}*", outcome="random", probability=0.5)

    async def deny(self) -> None:
        """Take rights away, or give them all back."""
        denied = self.rng.choice(
            (
                [],
                [],
                ["SynchronizeGatewayTargets"],
                ["DeleteGatewayTarget"],
                ["UpdateGatewayTarget"],
                ["CreateGatewayTarget"],
                ["GetGatewayTarget"],
                ["ListGatewayTargets"],
                ["*"],
            )
        )
        self.say(f"denied: {denied}")
        self.world.aws.configure(denied_actions=denied)

    def _ours(self) -> dict[str, Any] | None:
        found = [target for target in self._targets() if target["targetId"] not in self.humans]
        return self.rng.choice(found) if found else None

    def _targets(self) -> list[dict[str, Any]]:
        return [target for gateway_id in GATEWAYS for target in self.world.targets(gateway_id)]

    async def edit_outside(self) -> None:
        """Change a target in the console."""
        if (target := self._ours()) is not None:
            config = {"mcp": {"mcpServer": {"endpoint": f"https://evil{self.rng.randrange(9)}.example.com/"}}}
            self.say(f"outside: edit {target['targetId']}")
            self.world.aws.edit_target(target["targetId"], targetConfiguration=config)

    async def strip_marker(self) -> None:
        """Take the marker off in the console."""
        target = self._ours()
        if target is not None and self._is_recorded(target["targetId"]):
            self.say(f"outside: strip {target['targetId']}")
            text = without_marker(target.get("description")) or "mine"
            self.world.aws.edit_target(target["targetId"], description=text)

    def _is_recorded(self, target_id: str) -> bool:
        return any(obj.status.target_id == target_id for obj in self._objects())

    def _objects(self) -> list[MCPServer]:
        return [decode(body) for _, body in self.world.api.store.select(MCPSERVERS, None)]

    async def delete_outside(self) -> None:
        """Delete a target in the console."""
        if (target := self._ours()) is not None:
            self.say(f"outside: delete {target['targetId']}")
            self.world.aws.delete_target(target["targetId"], gradually=self.rng.random() < 0.5)

    async def human(self) -> None:
        """Let somebody make a target by hand, with a name that an object may want."""
        name = f"{self.rng.choice(NAMES)}{self.rng.choice(('', '-0', '-1'))}"
        if any(target["name"] == name for target in self.world.targets()):
            return
        config = {"mcp": {"mcpServer": {"endpoint": "https://human.example.com/mcp"}}}
        made = self.world.aws.create_target(GATEWAY, name=name, targetConfiguration=config)
        self.say(f"a human makes {name} {made['targetId']}")
        self.humans[made["targetId"]] = made["updatedAt"]

    # -- what must hold -------------------------------------------------------------------------------

    def _check_twins(self) -> None:
        marks = Counter(
            (target["gatewayArn"], mark)
            for target in self._targets()
            if target["status"] != "DELETING" and (mark := find_marker(target.get("description")))
        )
        assert all(count == 1 for count in marks.values()), f"several targets of one object: {marks}"
        for target in self._targets():
            stamp = self.humans.get(target["targetId"])
            assert stamp in (None, target["updatedAt"]), f"{target['targetId']} is not ours and was changed"

    def _check_truth(self, request: Request) -> None:
        """Whoever writes Ready=True must be right, also while reads lag, as long as nobody meddles at AWS."""
        if request.subresource != "status" or self._outside:
            return
        assert isinstance(request.body, list)
        status = msgspec.convert(msgspec.to_builtins(request.body[-1]["value"]), dict[str, Any])
        ready = next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), None)
        if ready is None or ready["status"] != "True":
            return
        stored = dict(self.world.api.store.select(MCPSERVERS, request.namespace))
        body = stored.get((request.namespace or "", request.name))
        if body is None:
            return
        obj = decode(body)
        if obj.metadata.generation == ready["observedGeneration"] and (lie := self._lie(obj, status)):
            self.say(f"LIE: {lie}")
            self.lies.append(lie)

    def _lie(self, obj: MCPServer, status: dict[str, Any]) -> str:
        found = [t for t in self._targets() if t["targetId"] == status.get("targetId")]
        if not found:
            return f"{obj.key}: Ready, but target {status.get('targetId')} does not exist"
        if found[0]["status"] != "READY":
            return f"{obj.key}: Ready, but AWS says {found[0]['status']}"
        if different := differences(obj, found[0]):
            return f"{obj.key}: Ready, but {different}"
        if not found[0]["gatewayArn"].endswith(obj.spec.gateway_id):
            return f"{obj.key}: Ready, but on {found[0]['gatewayArn']}"
        return ""

    async def _converge(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + PEACE
        while reason := self._not_converged():
            assert loop.time() < end, f"not converged: {reason}"
            await self.world.pass_time(5)

    def _not_converged(self) -> str:
        left = {target["targetId"]: target for target in self._targets()}
        for obj in self._objects():
            name = obj.metadata.name
            if obj.metadata.deletion_timestamp:
                return f"{name} is not gone: {obj.status}"
            ready = condition(obj)
            if ready.status != "True" or ready.observed_generation != obj.metadata.generation:
                return f"{name}: {ready}"
            if names.FINALIZER not in obj.metadata.finalizers:
                return f"{name} is not protected"
            target = left.pop(obj.status.target_id, None)
            if target is None or target["status"] != "READY":
                return f"{name}: target {target}"
            if different := differences(obj, target):
                return f"{name}: {different}"
            if obj.status.moves or not target["gatewayArn"].endswith(obj.spec.gateway_id):
                return f"{name}: {target['gatewayArn']}, {obj.status.moves}"
        return f"orphans: {left}" if left else ""

    async def _check_quiet(self) -> None:
        await self.world.pass_time(2 * DRIFT_INTERVAL + self.lag)
        self.world.forget_calls()
        await self.world.pass_time(3 * DRIFT_INTERVAL)
        assert not self.world.writes(), f"not quiet: {self.world.writes()}"
        assert set(self.world.calls()) <= {"ListGatewayTargets"}, f"not quiet: {self.world.calls()}"
        assert not self._not_converged(), self._not_converged()


@contextmanager
def _too_late() -> Iterator[None]:
    """Let a user's request come after the end of its object."""
    try:
        yield
    except ApiError as error:
        if not error.not_found:
            raise


def differences(obj: MCPServer, target: dict[str, Any]) -> str:
    """Return how a target, as AWS shows it, differs from a spec; "" when it does not."""
    body = target_request(obj.spec, name=wanted_name(obj), mark=marker_of(OWNER, *obj.key))
    held = Target(
        summary=TargetSummary(
            target_id=target["targetId"],
            name=target["name"],
            status=target["status"],
            created_at="",
            updated_at="",
            description=target.get("description"),
        ),
        gateway_arn=target["gatewayArn"],
        config=target,
    )
    return describe_diffs(field_diffs(flatten(body), flatten_target(held)))
