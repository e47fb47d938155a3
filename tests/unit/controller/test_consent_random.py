"""Random lives of an object whose users consent, refuse, edit, ask again, and restart the operator."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentcore_simulator.settings import Settings as SimulatorSettings
from agentcore_simulator.settings import Switches
from mcp_gateway_operator.api import names
from mcp_gateway_operator.runtime.cluster import EVENTS
from tests.support.world import World, condition
from tests.unit.controller.fields import Config
from tests.unit.controller.test_authorisations import LIVES, NONE, consents

Step = tuple[str, Any]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("type"), st.sampled_from([*LIVES, *3 * ["authorization code"]])),
        st.tuples(st.just("endpoint"), st.integers(1, 3)),
        st.tuples(st.sampled_from(["consent", "refuse", "ask", "restart"]), st.none()),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 3.0, 30.0, 590.0, 700.0])),
    ),
    min_size=3,
    max_size=12,
)
SWITCHES = st.builds(
    Switches,
    busy_error=st.sampled_from(["conflict", "validation"]),
    pending_auth_at_once=st.booleans(),
    pending_auth_writes=st.sampled_from(["refuse", "delete-allowed"]),
    sync_bumps_updated_at=st.booleans(),
    settling_bumps_updated_at=st.booleans(),
    no_auth_shape=st.sampled_from(["empty", "absent"]),
    shows_defaults=st.booleans(),
)


class Life:
    """One object, and what its users do."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.kind = "authorization code"
        self.endpoint = "https://weather.example.com/1/mcp"
        self.asked = 0
        self.edits = 1
        self.urls: set[str] = set()

    def spec(self) -> Config:
        """Return what the object asks for."""
        return {**NONE, **LIVES[self.kind][0], "endpoint": self.endpoint}

    async def do(self, step: Step) -> None:
        """Take one step other than a restart."""
        action, value = step
        match action:
            case "type" | "endpoint":
                if action == "type":
                    self.kind = value
                else:
                    self.endpoint = f"https://weather.example.com/{value}/mcp"
                self.edits += 1
                await self.world.edit(spec=self.spec())
            case "consent":
                consents(self.world)
            case "refuse":
                for target in self.world.targets():
                    if target["status"].endswith("PENDING_AUTH"):
                        self.world.aws.consent(target["targetId"], approve=False)
            case "ask":
                self.asked += 1
                await self.world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: str(self.asked)}})
            case "wait":
                await self.world.pass_time(value)
        self.urls |= {
            target["authorizationData"]["oauth2"]["authorizationUrl"]
            for target in self.world.targets()
            if "authorizationData" in target
        }

    async def settle(self) -> None:
        """Let everything come to rest, with a person who consents to whatever is asked."""
        for _ in range(6):
            await self.world.pass_time(75)
            consents(self.world)
        if condition(await self.world.get()).status != "True":
            # It may rest in a consent that was refused, until somebody asks.
            await self.do(("ask", None))
            await self.world.pass_time(75)
            consents(self.world)
        await self.world.until_ready(within=90)

    async def check(self) -> None:
        """Assert what holds of every life."""
        world = self.world
        (target,) = world.targets()
        assert (target.get("credentialProviderConfigurations") or []) == LIVES[self.kind][1]
        assert target["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"] == self.endpoint
        obj = await world.get()
        told = condition(obj, "Authorized").status
        assert told == ("True" if self.kind == "authorization code" else "")
        assert obj.status.authorization_url == ""
        calls = world.calls()
        assert calls["CreateGatewayTarget"] == 1
        # Of each generation one is sent and one refused at most; every wish and generation indexes once.
        assert calls["UpdateGatewayTarget"] <= 2 * self.edits
        assert calls["SynchronizeGatewayTargets"] <= 2 * self.asked + self.edits
        events = str([value for _, value in world.api.store.select(EVENTS, None)])
        assert not [url for url in self.urls if url in events]


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS, switches=SWITCHES)
async def test_every_life_ends_ready_with_what_was_asked_for(steps: list[Step], switches: Switches) -> None:
    world = World(simulator=SimulatorSettings(switches=switches))
    life = Life(world)
    await world.create(**life.spec())
    lives: list[list[Step]] = [[]]
    for step in steps:
        if step[0] == "restart":
            lives.append([])
        else:
            lives[-1].append(step)
    for number, part in enumerate(lives, start=1):
        async with world.operator(drift_interval=60.0):
            for step in part:
                await life.do(step)
            if number == len(lives):
                await life.settle()
                await life.check()
                world.forget_calls()
                await world.pass_time(1200)
                assert set(world.calls()) <= {"ListGatewayTargets"}
                assert world.writes() == []
