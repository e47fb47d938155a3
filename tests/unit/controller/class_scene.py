"""A world of two accounts with MCPGateways, its operators, and the watches that they lose."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from typing import Any

from agentcore_simulator import Engine
from agentcore_simulator.settings import Durations
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.agentcore.port import Identity, Opened
from mcp_gateway_operator.api.codec import decode
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import NAMESPACES, ApiError, Resource
from tests.support.accounts import OWN, REGION, SPOKE, Cloud
from tests.support.classes import GATEWAY, OTHER_GATEWAY, Platform
from tests.support.installations import Installation
from tests.support.memory_cluster import LOST, Fault, Request
from tests.support.world import World
from tests.unit.controller.class_oracle import ACTS, LABEL, OWNER, ROLE, Flags, Lost, Past, Referee

VAULT, SPARE_GATEWAY = "vault-abcdefghij", "spare-abcdefghij"
SERVERS = {"a1": "team-a", "a2": "team-a", "b1": "team-b", "b2": "team-b"}
CLASSES: dict[str, tuple[str, str]] = {
    "home": (OWN, GATEWAY),
    "other": (OWN, OTHER_GATEWAY),
    "spoke": (SPOKE, GATEWAY),
    "far": (SPOKE, OTHER_GATEWAY),
}
CLOSED: dict[str, tuple[str, str]] = {"vault": (OWN, VAULT), "strongroom": (SPOKE, VAULT)}
SPARE: dict[str, tuple[str, str]] = {"spare": (OWN, SPARE_GATEWAY), "sparefar": (SPOKE, SPARE_GATEWAY)}
"""Gateways for which no MCPGateway is meant."""
EVERY = {**CLASSES, **CLOSED, **SPARE}
GOOD, EVIL = "https://weather.example.com/mcp", "https://evil.example.com/mcp"
PLAIN: dict[str, Any] = {"authType": "NoAuth", "oauthProviderArn": None, "oauthScopes": None}
DRIFT = 20.0
PEACE = 4 * 3600.0
WATCHES = (MCPGATEWAYS, NAMESPACES, MCPSERVERS)


def entry(**selector: str) -> dict[str, Any]:
    """Return an entry that permits the good endpoint to namespaces with these labels."""
    return {
        "namespaces": {"matchLabels": selector} if selector else {},
        "authTypes": ["*"],
        "endpoints": ["https://weather.example.com"],
    }


OPEN = [{**entry(), "endpoints": ["https://weather.example.com", "https://evil.example.com"]}]
ALLOWS: list[list[dict[str, Any]]] = [
    [],
    [entry(**{LABEL: "team-a"})],
    [entry(**{LABEL: "team-b"})],
    [entry(tier="gold")],
    [entry(**{LABEL: "team-a"}), entry(tier="gold")],
    [entry()],
    OPEN,
]


class Known(Cloud):
    """Accounts whose calls say by which role's session they are made."""

    async def open(self, identity: Identity, *, name: str) -> Opened:
        """Return a session."""
        opened = await super().open(identity, name=name)
        port: Any = opened.port
        run = port._run

        async def known(*given: Any) -> Any:
            before = ROLE.set(identity.role_arn)
            try:
                return await run(*given)
            finally:
                ROLE.reset(before)

        port._run = known
        return opened


class Scene:
    """A world; `log` tells what was done, `doubtful` that something may be left that nobody can know of.

    Attributes:
        duo: two operators work, each under a guard.
        forgets: statuses are lost, and 0.2 works in between.
        outages: watches go away.
        steals: statuses are forged.
        thieves: objects whose own uid stands in a forged status.
        refused: what answers lists and watches of a kind; None where nothing does.
    """

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)  # noqa: S311  -- repeatable, not secret
        durations = Durations(creating=rng.choice((0.5, 5.0)), updating=1.0, deleting=rng.choice((0.3, 5.0)))
        simulator = SimulatorSettings(durations=durations)
        self.world = World(simulator=simulator, seed=seed, latency=rng.choice((0.02, 0.3, 1.0)))
        self.platform = Platform(self.world)
        self.cloud = self.world.opener = Known(self.world)
        self.log: list[str] = []
        self.past = Past(self.world.api.store)
        self.referee = Referee(self.past, closed={*CLOSED.values()})
        engines: list[Engine] = [self.world.engine, self.cloud.engine((SPOKE, REGION))]
        for engine in engines:
            self.referee.watch(engine)
        for account, gateway in EVERY.values():
            if (account, gateway) not in {(OWN, GATEWAY), (OWN, OTHER_GATEWAY)}:
                self.cloud.aws(account).create_gateway(gateway)
        self.duo = rng.random() < 0.4
        self.forgets = rng.random() < 0.3
        self.outages = rng.random() < 0.5
        self.steals = rng.random() < 0.3
        self.refused: dict[Resource, ApiError | None] = {}
        self.doubtful = False
        self.thieves: set[str] = set()
        self._stacks: list[AsyncExitStack] = []
        self._flags: list[Flags] = []
        self._started = 0

    def say(self, text: str) -> None:
        """Note one step."""
        self.log.append(f"{asyncio.get_running_loop().time():10.2f} {text}")

    def targets(self) -> list[dict[str, Any]]:
        """Return all that AWS holds anywhere."""
        return [
            each for account, gateway in EVERY.values() for each in self.cloud.aws(account).targets(gateway)
        ]

    def objects(self) -> list[Any]:
        """Return all MCPServers."""
        return [decode(body) for _, body in self.world.api.store.select(MCPSERVERS, None)]

    # -- operators ------------------------------------------------------------------------------------

    async def _start(self, *, everywhere: bool = False) -> None:
        while len(self._stacks) < 1 + self.duo:
            self._started += 1
            part = self.duo and self.rng.random() < 0.5 and not everywhere
            flags = Flags(
                name=f"operator-{self._started}",
                required=self.rng.random() < 0.3,
                default_ref=self.rng.choice(("", "", "home", "spoke", "vault")),
                namespaces=("team-b",) if part else (),
                started=asyncio.get_running_loop().time(),
            )
            self.say(f"start {flags}")
            ACTS.set(flags)
            stack = AsyncExitStack()
            config: dict[str, Any] = {
                "owner_ids": (OWNER,),
                "drift_interval": DRIFT,
                "default_gateway_ref": flags.default_ref,
                "require_gateway_ref": flags.required,
                "namespaces": flags.namespaces,
                "faults": self._faults,
            }
            if self.duo:
                guard = Installation(self.world.api, f"lease-{self._started}", flags.namespaces)
                stack.push_async_callback(guard.kill)
                operator = await stack.enter_async_context(
                    self.world.operator(territory=guard.guard, **config)
                )
                guard.guard.on_change = operator.reconciler.on_territory
                operator.reconciler.on_territory("")
                if self.rng.random() < 0.5:
                    stack.push_async_callback(guard.stop)
            else:
                await stack.enter_async_context(self.world.operator(**config))
            self._stacks.append(stack)
            self._flags.append(flags)

    async def kill(self) -> None:
        """End a process at this very moment, and start another, with other flags perhaps."""
        at = self.rng.randrange(len(self._stacks))
        self._flags.pop(at)
        self.say("an operator dies")
        await self._stacks.pop(at).aclose()
        await self.world.pass_time(self.rng.choice((0.0, 1.0, 40.0)))
        await self._start()

    def _faults(self, request: Request) -> Fault | None:
        if request.resource in self.refused and request.verb in {"list", "watch"}:
            error = self.refused[request.resource]
            return Fault(hang=True) if error is None else Fault(refuse=error)
        return None

    # -- watches --------------------------------------------------------------------------------------

    async def lose(self) -> None:
        """Let a watch go away, loudly or in silence."""
        resource = self.rng.choice(WATCHES)
        if resource in self.refused:
            return
        kind = self.rng.choice(("forbidden", "error", "hang", "silent"))
        self.say(f"watch of {resource.plural}: {kind}")
        lost = self.past.lost.get(resource)
        since = asyncio.get_running_loop().time()
        if lost is not None and lost.back is not None and since < lost.back + 160.0:
            since = lost.since
        self.past.lost[resource] = Lost(since, asyncio.get_running_loop().time())
        errors = {
            "forbidden": ApiError(403, "Forbidden", "no"),
            "error": ApiError(500, "InternalError", "no"),
        }
        self.refused[resource] = errors.get(kind)
        for stream in self.world.api.streams:
            if stream.resource == resource:
                if kind == "silent":
                    stream.silent = True
                else:
                    stream.end(errors.get(kind, LOST))

    async def back(self) -> None:
        """Let all watches work again."""
        self.say("watches work")
        self.refused.clear()
        for lost in self.past.lost.values():
            lost.back = lost.back or asyncio.get_running_loop().time()
