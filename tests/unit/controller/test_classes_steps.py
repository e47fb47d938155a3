"""An MCPGateway, or the labels it selects by, edited at each step of a Create, a move and a deletion.

One world has an object for each step, with MCPGateways of its own: the edit comes when the step is decided
and not done yet. From then on nothing is sent but what was decided, and what freezing allows; once the edit
is undone, all comes to the end that it would have had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.runtime.cluster import NAMESPACES, PatchType
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.shape import gateway_of_arn
from tests.support.classes import ALLOW, WRITES, Platform, arn
from tests.support.world import World, condition

LABEL = "kubernetes.io/metadata.name"
A_WHILE = 90.0
CREATE, DELETE = "CreateGatewayTarget", "DeleteGatewayTarget"


def gateway(side: str, at: int) -> str:
    """Return the id of one of the gateways of the object of a step."""
    return f"{side}{at}-abcdefghij"


def policy(at: int) -> dict[str, Any]:
    """Return what permits the namespace of the object of a step."""
    return {**ALLOW, "namespaces": {"matchLabels": {LABEL: f"ns-{at}"}}}


class Steps:
    """A world with as many objects as there are steps, and what has reached their gateways.

    Args:
        count: of steps.
        aim: the side that the objects are on their way to.
    """

    def __init__(self, count: int, *, aim: str = "home") -> None:
        self.aim = aim
        self.world = World(latency=0.05)
        self.platform = Platform(self.world)
        self.store = self.world.api.store
        self.count = count
        self.decided: dict[int, act.Step | act.Wait] = {}
        self.placed: set[int] = set()
        """Those of which status said, or was about to say, by which MCPGateway they are where they go."""
        self._before: dict[int, Counter[tuple[str, str]]] = {}
        self.others: set[int] = set()
        self._seen = Counter[int]()
        self._edit: Callable[[Steps, int], None] | None = None

    async def prepare(self) -> None:
        """Make gateways, MCPGateways and namespaces."""
        for at in range(self.count):
            labels = {"name": f"ns-{at}", "labels": {LABEL: f"ns-{at}"}}
            self.store.create(NAMESPACES, None, {"metadata": labels})
            for side in ("home", "away", "spare"):
                self.world.aws.create_gateway(gateway(side, at))
            for side in ("home", "away"):
                await self.platform.make(f"{side}{at}", gateway=gateway(side, at), allow=[policy(at)])

    def arm(self, edit: Callable[[Steps, int], None]) -> None:
        """Edit from now on, for the first object at its first decision, for the second at its second."""
        self._edit = edit

    def decide(self, state: Any, decision: act.Step | act.Wait) -> None:
        """Take a decision: the operator's hook."""
        at = int(state.obj.metadata.name.removeprefix("server-"))
        if self._edit is None or at in self.decided:
            return
        self._seen[at] += 1
        if self._seen[at] == at + 1:
            self.decided[at] = decision.step if isinstance(decision, act.AtPlace) else decision
            status = state.obj.status
            told = {status.gateway_id, *(each.gateway_id for each in status.moves)}
            if status.placed_by is not None:
                told.add(gateway_of_arn(status.placed_by.gateway_arn))
            if isinstance(decision, act.Note | act.Move) or gateway(self.aim, at) in told:
                self.placed.add(at)
            self._before[at] = self.requests(at)
            self._edit(self, at)

    def requests(self, at: int) -> Counter[tuple[str, str]]:
        """Return what has reached the gateways of the object of a step, by side and operation."""
        sides = {gateway(side, at): side for side in ("home", "away", "spare")}
        return Counter(
            (sides[entry["gateway"]], entry["operation"])
            for entry in self.world.aws.requests(limit=100_000)
            if entry.get("gateway") in sides and entry["operation"] != "GetGateway"
        )

    def since(self, at: int) -> Counter[tuple[str, str]]:
        """Return the same from the edit on."""
        return self.requests(at) - self._before[at]

    async def obj(self, at: int) -> Any:
        """Return the object of a step as it is now."""
        return await self.world.get(f"server-{at}", namespace=f"ns-{at}")

    async def done(self, side: str) -> bool:
        """Whether every object is Ready on one side, and has nothing on another."""
        for at in set(range(self.count)) - self.others:
            obj = await self.obj(at)
            ready = condition(obj)
            newest = ready.status == "True" and ready.observed_generation == obj.metadata.generation
            if not newest or obj.status.gateway_id != gateway(side, at) or obj.status.moves:
                return False
        return True

    def held(self, side: str) -> list[int]:
        """Return how many targets are on each gateway of one side."""
        return [len(self.world.targets(gateway(side, at))) for at in self.all]

    @property
    def all(self) -> list[int]:
        """The objects of the story, without those that are left out."""
        return sorted(set(range(self.count)) - self.others)


# -- the edits, and how they are undone -----------------------------------------------------------------


def _spec(steps: Steps, name: str, **spec: Any) -> None:
    steps.store.patch(MCPGATEWAYS, None, name, {"spec": spec}, kind=PatchType.MERGE)


def _label(steps: Steps, at: int, value: str | None) -> None:
    patch = {"metadata": {"labels": {LABEL: value}}}
    steps.store.patch(NAMESPACES, None, f"ns-{at}", patch, kind=PatchType.MERGE)


def _remove(steps: Steps, name: str) -> None:
    meta = {"metadata": {"finalizers": None}}
    steps.store.patch(MCPGATEWAYS, None, name, meta, kind=PatchType.MERGE)
    steps.store.delete(MCPGATEWAYS, None, name)


def _make(steps: Steps, name: str, gateway_id: str, at: int) -> None:
    body = {
        "apiVersion": f"{names.GROUP}/{names.VERSION}",
        "kind": names.CLASS_KIND,
        "metadata": {"name": name},
        "spec": {"gatewayArn": arn(gateway_id), "allow": [policy(at)]},
    }
    steps.store.create(MCPGATEWAYS, None, body)


def _remake(steps: Steps, name: str, gateway_id: str, at: int) -> None:
    _remove(steps, name)
    _make(steps, name, gateway_id, at)


Edit = tuple[Callable[[Steps, str, int], None], Callable[[Steps, str, int], None]]
EDITS: dict[str, Edit] = {
    "refused": (
        lambda steps, side, at: _spec(steps, f"{side}{at}", allow=[]),
        lambda steps, side, at: _spec(steps, f"{side}{at}", allow=[policy(at)]),
    ),
    "label": (
        lambda steps, _, at: _label(steps, at, None),
        lambda steps, _, at: _label(steps, at, f"ns-{at}"),
    ),
    "not understood": (
        lambda steps, side, at: _spec(steps, f"{side}{at}", deny=["everything"]),
        lambda steps, side, at: _spec(steps, f"{side}{at}", deny=None),
    ),
    "removed": (
        lambda steps, side, at: _remove(steps, f"{side}{at}"),
        lambda steps, side, at: _make(steps, f"{side}{at}", gateway(side, at), at),
    ),
    "made again": (
        lambda steps, side, at: _remake(steps, f"{side}{at}", gateway("spare", at), at),
        lambda steps, side, at: _remake(steps, f"{side}{at}", gateway(side, at), at),
    ),
}


# -- the stories ----------------------------------------------------------------------------------------


def _only_what_was_decided(steps: Steps, at: int) -> None:
    """Assert that nothing was made or changed after the edit but what had been decided."""
    after, decided = steps.since(at), steps.decided[at]
    changes = [key for key in after if key[1] in WRITES - {DELETE}]
    assert not changes or isinstance(decided, act.Create), (at, decided, after)
    assert all(after[key] == 1 for key in changes), (at, decided, after)


def _nothing_re_aimed(steps: Steps, at: int) -> None:
    """Assert that an object whose way was noted has not gone where its MCPGateway is made again."""
    assert not any(side == "spare" for side, _ in steps.since(at)), (at, steps.decided[at], steps.since(at))


def _drop_the_re_aimed(steps: Steps) -> None:
    """Leave those out that went to the new gateway: nothing had been noted of them, so it is their first."""
    for at in set(steps.decided) - steps.placed:
        del steps.decided[at]
        steps.others.add(at)


@pytest.mark.parametrize("name", EDITS)
async def test_at_each_step_of_a_create(name: str) -> None:
    steps, edit = Steps(7), EDITS[name]
    await steps.prepare()
    steps.arm(lambda steps, at: edit[0](steps, "home", at))
    async with steps.world.operator() as operator:
        operator.hooks.on_decision = steps.decide
        for at in range(steps.count):
            ref = {"gatewayRef": {"name": f"home{at}"}}
            await steps.world.create(f"server-{at}", namespace=f"ns-{at}", **ref)
        await steps.world.pass_time(A_WHILE)
        if name == "made again":
            _drop_the_re_aimed(steps)
        for at, decided in steps.decided.items():
            _only_what_was_decided(steps, at)
            _nothing_re_aimed(steps, at)
            assert ("home", DELETE) not in steps.since(at)
            if at not in steps.placed:
                # Nothing of it can be there, so nobody looks.
                assert steps.since(at)["home", "ListGatewayTargets"] <= 1, (at, decided, steps.since(at))
        steps.world.forget_calls()
        made = sum(steps.held("home"))
        for at in steps.decided:
            edit[1](steps, "home", at)
        await steps.world.until(lambda: steps.done("home"), within=300.0)
    assert len(steps.decided) + len(steps.others) >= 5
    assert steps.held("home") == [1] * len(steps.all)
    assert steps.platform.writes() == [CREATE] * (len(steps.all) - made)


@pytest.mark.parametrize("side", ["home", "away"])
@pytest.mark.parametrize("name", EDITS)
async def test_at_each_step_of_a_move(name: str, side: str) -> None:
    steps, edit = Steps(10, aim="away"), EDITS[name]
    await steps.prepare()
    async with steps.world.operator() as operator:
        operator.hooks.on_decision = steps.decide
        for at in range(steps.count):
            ref = {"gatewayRef": {"name": f"home{at}"}}
            await steps.world.create(f"server-{at}", namespace=f"ns-{at}", **ref)
        await steps.world.until(lambda: steps.done("home"))
        await steps.world.pass_time(5.0)
        steps.world.forget_calls()
        steps.arm(lambda steps, at: edit[0](steps, side, at))
        for at in range(steps.count):
            spec = {"gatewayRef": {"name": f"away{at}"}}
            await steps.world.edit(f"server-{at}", namespace=f"ns-{at}", spec=spec)
        await steps.world.pass_time(A_WHILE)
        if name == "made again" and side == "away":
            _drop_the_re_aimed(steps)
        for at in steps.decided:
            if side == "away":
                _only_what_was_decided(steps, at)
            _nothing_re_aimed(steps, at)
            after, on = steps.since(at), (await steps.obj(at)).status.gateway_id
            assert ("away", DELETE) not in after, (at, steps.decided[at], after)
            # The old target goes only when the new one is the object's.
            assert ("home", DELETE) not in after or on == gateway("away", at), (at, after)
            assert len(steps.world.targets(on)) == 1
        for at in steps.decided:
            edit[1](steps, side, at)
        await steps.world.until(lambda: steps.done("away"), within=300.0)
    assert len(steps.decided) + len(steps.others) >= 7
    assert (sum(steps.held("home")), steps.held("away")) == (0, [1] * len(steps.all))
    writes = Counter(steps.platform.writes())
    assert writes == {CREATE: steps.count, DELETE: steps.count}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
async def test_at_each_step_of_a_deletion(edit: Edit) -> None:
    """What is an object's own goes with it, whatever is permitted by then."""
    steps = Steps(6)
    await steps.prepare()
    async with steps.world.operator() as operator:
        operator.hooks.on_decision = steps.decide
        for at in range(steps.count):
            ref = {"gatewayRef": {"name": f"home{at}"}, "deletionPolicy": "Delete"}
            await steps.world.create(f"server-{at}", namespace=f"ns-{at}", **ref)
        await steps.world.until(lambda: steps.done("home"))
        await steps.world.pass_time(5.0)
        steps.world.forget_calls()
        steps.arm(lambda steps, at: edit[0](steps, "home", at))
        for at in range(steps.count):
            await steps.world.delete(f"server-{at}", namespace=f"ns-{at}")
        await steps.world.until(
            lambda: (
                not any(steps.world.exists(f"server-{at}", namespace=f"ns-{at}") for at in range(steps.count))
            ),
            within=300.0,
        )
        for at in steps.decided:
            _only_what_was_decided(steps, at)
    assert len(steps.decided) >= 4
    assert sum(steps.held("home")) == 0
    assert steps.platform.writes() == [DELETE] * steps.count
