"""The whole operator in one process and in virtual time: in-memory API server, simulator engine, no sockets.

Only the outermost adapters are replaced: requests still go through botocore's serialisers and parsers, and
the API server still keeps versions, finalizers and watches.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache
from typing import Any, TypeVar

import msgspec
from botocore.exceptions import ReadTimeoutError

from agentcore_simulator import AdminClient, Engine
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.agentcore.aws import Boto3AgentCore, sdk
from mcp_gateway_operator.agentcore.aws.adapter import _Flight
from mcp_gateway_operator.agentcore.aws.classify_error import from_botocore
from mcp_gateway_operator.agentcore.aws.threads import Share
from mcp_gateway_operator.agentcore.port import Opener
from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.codec import decode
from mcp_gateway_operator.api.types import Condition, MCPServer
from mcp_gateway_operator.controller.operator import Operator, OperatorConfig
from mcp_gateway_operator.controller.ports import MCPSERVERS, Territory
from mcp_gateway_operator.runtime.causes import Causes
from mcp_gateway_operator.runtime.cluster import NAMESPACES, ApiError, PatchType
from mcp_gateway_operator.runtime.events import EventRecorder, ObjectRef
from mcp_gateway_operator.runtime.workers import Workers
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from tests.support.direct_client import attach
from tests.support.memory_cluster import Faults, MemoryApiServer, MemoryCluster
from tests.support.unseen import Sinks
from tests.support.virtual_time import EPOCH, VirtualTimeLoop, pass_time

T = TypeVar("T")

GATEWAY = "demo-abcdefghij"
OTHER_GATEWAY = "other-abcdefghij"
PROVIDER = "arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default/oauth2credentialprovider/idp"
LEASE = ObjectRef("coordination.k8s.io/v1", "Lease", "operators", names.LEASE_NAME, "")
"""What Events of the operator itself are about."""
WORKERS = 8
LOOK = 0.05
"""Seconds between two looks of who waits for something."""

_engine: list[Engine] = []
_decoded = lru_cache(maxsize=1024)(decode)


@cache
def clients(region: str = "us-east-1") -> tuple[Any, Any]:
    """Make one pair of clients of a Region for the whole run: building them costs more than a test."""
    session = sdk.new_session(region)
    session.set_credentials("test", "test")
    agentcore = sdk.new_client(session, user_agent="test/0", connections=1)
    sts = sdk.new_sts_client(session, user_agent="test/0")
    for client in (agentcore, sts):
        attach(client, lambda: _engine[-1])
    Engine(clock=lambda: 0.0)
    return agentcore, sts


class EngineAgentCore(Boto3AgentCore):
    """The boto3 adapter over an engine of this process: each call takes `latency` virtual seconds."""

    def __init__(self, engine: Engine, *, latency: float, call_seconds: float) -> None:
        super().__init__(region="us-east-1", user_agent="test/0", at_a_time=1)
        self._read_timeout = call_seconds * sdk.READ_SHARE
        _engine[:] = [engine]
        self._asked_of = engine
        self._latency = latency

    def _clients(self) -> Any:
        return clients()

    async def _run(
        self,
        pool: Share,  # noqa: ARG002  -- the adapter's signature
        operation: str,  # noqa: ARG002  -- the adapter's signature
        call: Callable[[_Flight], T],
        flight: _Flight,
    ) -> T:
        await asyncio.sleep(self._latency / 2)
        if flight.fence is not None and not flight.fence():
            raise AgentCoreError(ErrorKind.FENCED, "Fenced", "not sent")
        flight.sent = True
        _engine[:] = [self._asked_of]
        try:
            answer = call(flight)
        except ReadTimeoutError as error:
            await asyncio.sleep(self._read_timeout)
            raise from_botocore(error, mutating=flight.fence is not None, sent=True) from error
        except Exception as error:
            raise from_botocore(error, mutating=flight.fence is not None, sent=True) from error
        await asyncio.sleep(self._latency / 2)
        return answer


@dataclass
class Everywhere:
    """No other operator works anywhere."""

    fence: Callable[[], bool]

    def mine(self, _namespace: str) -> bool:
        """Everything is."""
        return True

    def since(self, _namespace: str) -> float:
        """It always was."""
        return 0.0

    def may_begin(self, _namespace: str) -> bool:
        """Return whether the fence is open."""
        return self.fence()


class World:
    """One API server, one AWS account, and operators that come and go.

    Args:
        simulator: how AWS behaves.
        latency: seconds that an AWS call takes.
        seed: of everything random.
        beside: another cluster, whose AWS account this one shares.
    """

    def __init__(
        self,
        *,
        simulator: SimulatorSettings | None = None,
        latency: float = 0.02,
        seed: int = 0,
        beside: World | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.api = MemoryApiServer(wall=lambda: EPOCH + timedelta(seconds=loop.time()))
        self.api.serve(MCPSERVERS, names.KIND)
        for namespace in ("team-a", LEASE.namespace):
            self.api.store.create(NAMESPACES, None, {"metadata": {"name": namespace}})
        self.sinks = Sinks(self.api.store)
        self.user = self.api.connect("user")
        self.engine: Engine = (
            Engine(simulator, clock=lambda: EPOCH.timestamp() + loop.time())
            if beside is None
            else beside.engine
        )
        self.aws = AdminClient.in_process(self.engine)
        if beside is None:
            for gateway_id in (GATEWAY, OTHER_GATEWAY):
                self.aws.create_gateway(gateway_id)
        self.latency = latency
        self.passes: Counter[tuple[str, str]] = Counter()
        self.panics: list[Exception] = []
        self.opener: Opener | None = None
        """Makes the sessions of its operators in other accounts and Regions."""
        self._seed = seed
        self._starts = 0

    # -- the operator ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def operator(
        self,
        *,
        fence: Callable[[], bool] = lambda: True,
        territory: Territory | None = None,
        faults: Faults | None = None,
        **config: Any,
    ) -> AsyncIterator[Operator]:
        """Run an operator inside the block; at its end it is killed, not stopped.

        Args:
            fence: whether it may write to AWS.
            territory: where it may; everywhere, while the fence is open, when None.
            faults: what goes wrong with its requests to the API server.
            config: `OperatorConfig`, where it differs from one gateway and no quotas.

        Raises:
            AssertionError: a part of it ended, a pass failed in a way that is a bug, or a status or an Event
                has something in it that nobody sees.
        """
        self._starts += 1
        rng = self._random()
        cluster = self.api.connect(f"operator-{self._starts}", faults=faults)
        defaults: dict[str, Any] = {"gateway_id": GATEWAY, "quotas": Quotas.parse("unlimited")}
        loop = asyncio.get_running_loop()

        def wall() -> Any:
            return EPOCH + timedelta(seconds=loop.time())

        events = self._recorder(cluster, wall)
        settings = OperatorConfig(**{**defaults, **config})
        operator = Operator(
            settings,
            cluster=cluster,
            agentcore=EngineAgentCore(self.engine, latency=self.latency, call_seconds=settings.call_seconds),
            events=events,
            wall=wall,
            rng=rng,
            territory=territory or Everywhere(fence),
            causes=Causes(lambda type_, reason, message: events.record(LEASE, type_, reason, message)),
        )
        operator.accounts.opener = self.opener
        tasks = [
            asyncio.create_task(operator.informer.run()),
            asyncio.create_task(operator.observe()),
            asyncio.create_task(events.run()),
            asyncio.create_task(self._work(operator)),
        ]
        try:
            yield operator
            failed = [task.exception() for task in tasks if task.done() and not task.cancelled()]
            assert not failed, failed
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self.panics:
            raise self.panics[0]
        assert not self.sinks.hidden, f"something is shown that nobody sees: {self.sinks.hidden[0]!r}"

    def _recorder(self, cluster: MemoryCluster, wall: Callable[[], Any]) -> EventRecorder:
        return EventRecorder(cluster, component="mcp-gateway-operator", instance="test", wall=wall)

    async def _work(self, operator: Operator) -> None:
        async def reconcile(key: tuple[str, str]) -> float | None:
            self.passes[key] += 1
            try:
                return await operator.reconciler.reconcile(key)
            except ApiError:
                raise
            except Exception as error:
                self.panics.append(error)
                raise

        await operator.informer.synced.wait()
        await operator.prepare()
        await Workers(operator.queue, reconcile, count=WORKERS, jitter=self._random().random).run()

    def _random(self) -> random.Random:
        return random.Random(f"{self._seed}/{self._starts}")  # noqa: S311  -- repeatable, not secret

    # -- the user -------------------------------------------------------------------------------------

    async def create(self, name: str = "weather", *, namespace: str = "team-a", **spec: Any) -> MCPServer:
        """Create an MCPServer as a user would."""
        body = {
            "apiVersion": f"{names.GROUP}/{names.VERSION}",
            "kind": names.KIND,
            "metadata": {"name": name, "namespace": namespace},
            "spec": {**manifest_spec(), **spec},
        }
        return decode(await self.user.create(MCPSERVERS, namespace, body))

    async def get(self, name: str = "weather", *, namespace: str = "team-a") -> MCPServer:
        """Return an object as it is now."""
        # The turns that every request takes. Who waits asks twenty times a second, mostly for the same bytes.
        await asyncio.sleep(0)
        body = self.api.store.get(MCPSERVERS, namespace, name)
        await asyncio.sleep(0)
        return _decoded(body)

    async def edit(self, name: str = "weather", *, namespace: str = "team-a", **patch: Any) -> MCPServer:
        """Merge a patch (`spec=`, `metadata=`) into an object."""
        raw = await self.user.patch(MCPSERVERS, namespace, name, patch, kind=PatchType.MERGE)
        return decode(raw)

    async def set_status(self, status: object, name: str = "weather", *, namespace: str = "team-a") -> None:
        """Replace an object's status, as a restore would."""
        patch = [{"op": "add", "path": "/status", "value": status}]
        await self.user.patch(MCPSERVERS, namespace, name, patch, kind=PatchType.JSON, subresource="status")

    async def delete(self, name: str = "weather", *, namespace: str = "team-a") -> None:
        """Delete an object."""
        await self.user.delete(MCPSERVERS, namespace, name)

    async def until(self, holds: Callable[[], Any], *, within: float = 60.0) -> float:
        """Let time pass until something holds; return how long that took.

        Raises:
            AssertionError: it did not come to hold `within` that many seconds.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            held = holds()
            if asyncio.iscoroutine(held):
                held = await held
            if held:
                return loop.time() - began
            assert loop.time() - began < within, "it did not come to hold in time"
            await self._until_next_look(began + within)

    async def _until_next_look(self, end: float) -> None:
        """Let steps of time pass until one is over in which something may have changed, or to the end."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        left = min(end, loop.next_event()) - loop.time()
        if (due := self.engine.plane.timeline.next_due()) is not None:
            left = min(left, due - self.engine.clock())
        await self.pass_time(LOOK * max(1, math.ceil(left / LOOK - 1e-6)))

    async def until_ready(self, name: str = "weather", *, within: float = 60.0) -> MCPServer:
        """Let time pass until an object is Ready for its newest generation."""

        async def ready() -> bool:
            obj = await self.get(name)
            found = condition(obj)
            return found.status == "True" and found.observed_generation == obj.metadata.generation

        await self.until(ready, within=within)
        return await self.get(name)

    async def until_reason(self, reason: str, name: str = "weather", *, within: float = 60.0) -> MCPServer:
        """Let time pass until an object is not Ready for this reason."""

        async def says() -> bool:
            found = condition(await self.get(name))
            return found.status == "False" and found.reason == reason

        await self.until(says, within=within)
        return await self.get(name)

    async def until_paused(self, name: str = "weather", *, within: float = 60.0) -> MCPServer:
        """Let time pass until an object says that it is paused, whatever else it says."""

        async def paused() -> bool:
            return condition(await self.get(name), "Paused").status == "True"

        await self.until(paused, within=within)
        return await self.get(name)

    pass_time = staticmethod(pass_time)

    def exists(self, name: str = "weather", *, namespace: str = "team-a") -> bool:
        """Whether the object is still there."""
        return any(key == (namespace, name) for key, _ in self.api.store.select(MCPSERVERS, namespace))

    # -- what came of it ------------------------------------------------------------------------------

    def targets(self, gateway_id: str = GATEWAY) -> list[dict[str, Any]]:
        """Return the targets that AWS holds."""
        return self.aws.targets(gateway_id)

    def calls(self) -> Counter[str]:
        """Return how many requests of each operation AgentCore answered or refused."""
        operations = (entry["operation"] for entry in self.aws.requests(limit=100_000))
        return Counter(operation for operation in operations if not operation.startswith("sts:"))

    def writes(self) -> list[str]:
        """Return the operators' writes to MCPServers, as verb and subresource."""
        return [
            f"{request.verb} {request.subresource}".strip()
            for request in self.api.writes()
            if request.client.startswith("operator")
        ]

    def forget_calls(self) -> None:
        """Count from here on."""
        self.aws.clear_requests()
        self.api.log.clear()


def manifest_spec() -> dict[str, Any]:
    """Return the smallest spec that is accepted."""
    return {
        "endpoint": "https://weather.example.com/mcp",
        "capabilities": ["tools"],
        "authType": "OAuth2",
        "oauthProviderArn": PROVIDER,
        "oauthScopes": ["read"],
    }


def condition(obj: MCPServer, kind: str = "Ready") -> Condition:
    """Return a condition; a missing one has the status "" and so equals nothing."""
    found = (item for item in obj.status.conditions if item.type == kind)
    return next(found, Condition(type=kind, status=""))


def record_of(obj: MCPServer) -> dict[str, Any]:
    """Return an object's status as JSON, to restore it elsewhere."""
    body: dict[str, Any] = msgspec.to_builtins(obj.status)
    return body
