"""What the metrics port says of one object: the decision of now, the last calls, nobody's text."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from structlog.contextvars import bound_contextvars

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.classes import Registry
from mcp_gateway_operator.controller.metrics.recent_calls import EACH, OBJECTS, Call, RecentCalls
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.access import ACCESS_REVIEWS, AccessGuard
from mcp_gateway_operator.runtime.cluster import PatchType
from mcp_gateway_operator.runtime.http1 import Request
from mcp_gateway_operator.runtime.metrics_server import LARGEST, MetricsEndpoint
from tests.support.classes import Platform
from tests.support.world import GATEWAY, World
from tests.unit.metrics.reviews import Reviewer
from tests.unit.metrics.test_figures import Measured, measured

CANARY = "canary-3f9a"


def told(figure: Measured, name: str, namespace: str = "team-a") -> dict[str, Any] | None:
    body = figure.metrics.explain(figure.operator, namespace, name)
    if body is None:
        return None
    assert len(body) < LARGEST
    answer: dict[str, Any] = msgspec.json.decode(body)
    return answer


async def test_a_settled_object_says_when_it_is_looked_at_next_and_what_was_called() -> None:
    world = World()
    async with measured(world) as figure:
        await world.create()
        await world.until_ready()
        await world.pass_time(5)
        answer = told(figure, "weather")
        assert answer is not None
        (target,) = world.targets()
        assert answer["recorded_target"] == target["targetId"]
        assert (answer["ready_reason"], answer["decision"]["action"]) == ("GatewayTargetReady", "Settled")
        assert answer["decision"]["gateway"] == GATEWAY
        assert answer["next_pass_in_seconds"] > 60
        (create,) = answer["calls"]
        assert (create["operation"], create["answer"]) == ("CreateGatewayTarget", "OK")
        assert len(create["request_id"]) == 36


async def test_a_refused_object_says_what_failed_and_when_it_is_tried_again() -> None:
    world = World()
    async with measured(world) as figure:
        world.aws.add_fault(operation="CreateGatewayTarget", code="ValidationException", count=None)
        await world.create()
        await world.pass_time(40)
        answer = told(figure, "weather")
        assert answer is not None
        assert "1 call in a row failed" in answer["decision"]["why_not_sooner"]
        assert answer["next_pass_in_seconds"] > 0
        assert [each["answer"] for each in answer["calls"]] == ["ValidationException"]


async def test_to_ask_changes_nothing() -> None:
    world = World()
    async with measured(world) as figure:
        await world.create()
        await world.until_ready()
        await world.pass_time(5)
        world.forget_calls()
        before = figure.operator.reconciler._memories.get(("team-a", "weather"))
        assert before is not None
        memory = before.memory
        for _ in range(10):
            told(figure, "weather")
        assert before.memory is memory
        await world.pass_time(5)
        assert world.writes() == []
        assert not world.calls()


async def test_what_nobody_knows_has_no_answer() -> None:
    world = World()
    async with measured(world) as figure:
        await world.create()
        await world.until_ready()
        for namespace, name in (("team-a", "other"), ("team-b", "weather"), ("", ""), ("..", "../weather")):
            assert told(figure, name, namespace) is None


@pytest.mark.parametrize("policy", ["Manage", "Observe"])
async def test_one_whose_spec_is_too_large_to_be_kept_is_told_of_as_well(policy: str) -> None:
    """Where the spec alone can tell what is wanted, it would be read."""
    world = World()
    tools = [{"name": "search", "description": "x" * 6_000, "inputSchema": {"type": "object"}}]
    schema = {"inline": msgspec.json.encode({"tools": tools}).decode()}
    async with measured(world, owner_ids=("cluster-a",)) as figure:
        world.aws.add_fault(operation="ListGatewayTargets", code="InternalServerException", count=None)
        await world.create(mcpToolSchema=schema, managementPolicy=policy)
        await world.pass_time(5)
        answer = told(figure, "weather")
        assert answer is not None
        assert (answer["decision"]["action"], answer["ready_reason"]) == ("Blocked", "AWSUnavailable")
        await world.edit(spec={"targetName": "forecast"})
        answer = told(figure, "weather")
        assert answer is not None
        assert (answer["decision"]["action"], answer["ready_reason"]) == ("Fetch", "AWSUnavailable")


async def test_before_the_mcpgateways_are_known_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    async with measured(world) as figure:
        await world.create()
        await world.until_ready()
        assert told(figure, "weather") is not None
        monkeypatch.setattr(Registry, "settled", False)
        assert told(figure, "weather") is None


async def test_an_object_that_may_not_be_where_it_is_says_so_in_no_word_of_its_own() -> None:
    world = World()
    platform = Platform(world)
    await platform.make(allow=[])
    async with measured(world) as figure:
        await world.create(gatewayRef={"name": "tools"}, description=CANARY)
        await world.until_reason("NotPermitted")
        answer = told(figure, "weather")
        assert answer is not None
        assert (answer["decision"]["reason"], answer["calls"]) == ("NotPermitted", [])
        assert CANARY not in str(answer)


async def test_one_that_is_not_permitted_any_more_says_so_though_all_is_as_it_was() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with measured(world) as figure:
        await world.create(gatewayRef={"name": "tools"})
        await world.until_ready()
        await world.pass_time(5)
        answer = told(figure, "weather")
        assert answer is not None
        assert answer["frozen"] == ""
        await platform.edit(spec={"allow": []})
        await world.pass_time(5)
        answer = told(figure, "weather")
        assert answer is not None
        assert (answer["ready_reason"], answer["frozen"]) == ("GatewayTargetReady", "NotPermitted")


async def test_a_pause_is_told_though_a_pass_would_look_first() -> None:
    world = World()
    async with measured(world) as figure:
        await world.create()
        await world.until_ready()
        await world.edit(
            metadata={"annotations": {names.PAUSED_ANNOTATION: "true"}}, spec={"description": "changed"}
        )
        await world.pass_time(5)
        answer = told(figure, "weather")
        assert answer is not None
        assert (answer["ready_reason"], answer["decision"]["action"]) == ("Paused", "Read")
        assert [each["operation"] for each in answer["calls"]] == ["CreateGatewayTarget", "GetGatewayTarget"]


async def test_nothing_that_anybody_wrote_is_in_it() -> None:
    """Endpoint, description, parameters, annotations, AWS's words: none of them, Ready or refused."""
    world = World()
    async with measured(world) as figure:
        await world.create(
            endpoint=f"https://weather.example.com/mcp?key={CANARY}",
            description=CANARY,
            oauthScopes=[CANARY],
            oauthCustomParameters={"secret": CANARY},
        )
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: CANARY}})
        await world.pass_time(20)
        assert CANARY not in str(told(figure, "weather"))
        world.aws.add_fault(count=None, code="ValidationException", message=f"{CANARY} is wrong")
        await world.edit(spec={"description": f"{CANARY} again"})
        await world.pass_time(20)
        assert CANARY not in str(told(figure, "weather"))


async def test_nor_is_what_others_write_to_status() -> None:
    world = World()
    async with measured(world) as figure:
        await world.create()
        await world.until_ready()
        ready = {"type": "Ready", "status": "True", "reason": CANARY, "message": CANARY}
        stamps = {"observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}
        await world.user.patch(
            MCPSERVERS,
            "team-a",
            "weather",
            {"status": {"conditions": [ready | stamps], "targetId": CANARY}},
            kind=PatchType.MERGE,
            subresource="status",
        )
        for _ in range(50):
            answer = told(figure, "weather")
            assert answer is not None
            assert CANARY not in str(answer)
            await world.pass_time(0.02)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/debug/objects/team-a/weather", 200),
        ("/debug/objects/team-a/other", 404),
        ("/debug/objects/", 404),
        ("/debug/objects", 404),
        ("/debug/", 404),
    ],
)
async def test_it_has_a_right_of_its_own(path: str, status: int) -> None:
    reviewer = Reviewer()
    guards = [AccessGuard(reviewer.cluster, path=each) for each in ("/metrics", "/debug/objects/")]

    def explain(namespace: str, name: str) -> bytes | None:
        return b"{}" if (namespace, name) == ("team-a", "weather") else None

    empty = CollectorRegistry()
    app = MetricsEndpoint(empty, empty, guards[0], (guards[1], explain))
    request = Request("GET", path, headers={"authorization": "Bearer good"})
    answer = await app(request)
    assert answer.status == status
    asked = [spec["nonResourceAttributes"]["path"] for kind, spec in reviewer.asked if kind is ACCESS_REVIEWS]
    assert asked == (["/debug/objects/"] if path.startswith("/debug/objects/") else [])
    nobody = await app(Request("GET", path))
    assert nobody.status == (404 if status == 404 and not path.startswith("/debug/objects/") else 401)


async def test_without_a_guard_there_is_nothing_to_ask() -> None:
    empty = CollectorRegistry()
    answer = await MetricsEndpoint(empty, empty, None)(Request("GET", "/debug/objects/team-a/weather"))
    assert answer.status == 404


def test_the_calls_of_any_number_of_objects_are_bounded() -> None:
    calls = RecentCalls()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(OBJECTS + 500):
        with bound_contextvars(namespace="team-a", name=f"server-{number}"):
            for attempt in range(EACH + 1):
                calls.note(Call(at, "create_gateway_target", "x" * 1000, 20, f"{number:032d}{attempt:04d}"))
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(calls.of(("team-a", f"server-{OBJECTS + 499}"))) == EACH
    assert calls.of(("team-a", "server-499")) == ()
    assert kept < 5_000_000, kept
