"""One gateway misbehaves: its objects say so, and those of the others do not notice. Virtual time, counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from agentcore_simulator import Request, Response
from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.controller.operator import Operator
from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition

DRIFT = 30.0
BAD = OTHER_GATEWAY

Answer = Callable[[Request], Response]


def says(body: bytes, status: int = 200) -> Answer:
    """Answer every List with this."""
    return lambda _: Response(status, {"content-type": "application/json"}, body)


def rows(count: int, **fields: Any) -> list[dict[str, Any]]:
    """Return rows of a List."""
    return [
        {
            "targetId": f"t{number:09d}",
            "name": f"foreign-{number}",
            "status": "READY",
            "createdAt": "2025-01-01T00:00:00Z",
            "updatedAt": "2025-01-01T00:00:00Z",
            **fields,
        }
        for number in range(count)
    ]


def ever_new_tokens(request: Request) -> Response:
    """Answer with a page token that was never seen before."""
    body = {"items": rows(1), "nextToken": f"n{hash(request.query)}"}
    return Response(200, {}, json.dumps(body).encode())


def hangs(_: Request) -> Response:
    """Never answer."""
    return Response(200, {}, effect="hang")


def lists_answer(world: World, gateway_id: str, answer: Answer) -> Callable[[], None]:
    """Let every List of a gateway be answered otherwise; return what undoes it."""
    handle = world.engine.handle

    def handled(request: Request) -> Response:
        if request.method == "GET" and request.path.rstrip("/") == f"/gateways/{gateway_id}/targets":
            real = handle(request)
            return answer(request) if real.status == 200 else real
        return handle(request)

    def undo() -> None:
        world.engine.handle = handle  # type: ignore[method-assign]

    world.engine.handle = handled  # type: ignore[method-assign]
    return undo


def lists(world: World) -> Counter[str]:
    """Return how often each gateway was listed."""
    return Counter(
        entry["gateway"]
        for entry in world.aws.requests(limit=100_000)
        if entry["operation"] == "ListGatewayTargets"
    )


def healthy(operator: Operator, gateway_id: str) -> bool:
    """Whether the latest List of a gateway succeeded: what the metric shows."""
    table = operator.observers.table(gateway_id)
    assert table is not None
    return table.view.error is None and table.view.listed_at is not None


BAD_ANSWERS: dict[str, Answer] = {
    "not JSON": says(b"<html>maintenance</html>"),
    "empty": says(b""),
    "wrong shape": says(b'{"items": {"a": 1}}'),
    "no items": says(b"{}"),
    "row without id": says(json.dumps({"items": [{"name": "x", "status": "READY"}]}).encode()),
    "silly timestamps": says(json.dumps({"items": rows(2, updatedAt="now")}).encode()),
    "no timestamps": says(json.dumps({"items": rows(2, createdAt=None)}).encode()),
    "number for a name": says(json.dumps({"items": rows(2, name=5)}).encode()),
    "5 MB of a name": says(json.dumps({"items": rows(1, name="x" * 5_000_000)}).encode()),
    "same token": says(json.dumps({"items": rows(1), "nextToken": "again"}).encode()),
    "new tokens": ever_new_tokens,
    "hangs": hangs,
    "denied": says(b'{"message": "not allowed"}', 403),
    "5xx": says(b'{"message": "oops"}', 500),
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
async def test_a_gateway_that_answers_badly_is_reported_and_the_others_keep_their_pace(
    answer: Answer,
) -> None:
    """Its object says that it cannot be listed; the other gateway is listed as ever."""
    world = World()
    undo = lists_answer(world, BAD, answer)
    async with world.operator(drift_interval=DRIFT, quotas=Quotas()) as operator:
        await world.create()
        await world.create("unlucky", gatewayId=BAD)
        await world.until_ready()

        async def told() -> bool:
            return "cannot be listed" in condition(await world.get("unlucky")).message

        await world.until(told, within=20 * DRIFT)
        assert not healthy(operator, BAD)
        assert healthy(operator, GATEWAY)
        assert world.targets(BAD) == []
        world.forget_calls()
        await world.pass_time(20 * DRIFT)
        assert 18 <= lists(world)[GATEWAY] <= 24
        # Pages of a List count one by one: what never ends takes ten of them at a time.
        assert lists(world)[BAD] <= 10 * 24
        assert world.writes() == []
        await world.edit(spec={"description": "new"})
        await world.until_ready(within=5)

        undo()
        await world.until_ready("unlucky", within=2 * DRIFT)
        assert healthy(operator, BAD)


async def test_an_unknown_state_and_a_very_long_list_are_no_reason_to_complain() -> None:
    """10,000 targets of others, some in a state that this version does not know."""
    world = World()
    body = json.dumps({"items": rows(10_000, status="PONDERING")}).encode()
    undo = lists_answer(world, GATEWAY, says(body))
    async with world.operator(drift_interval=DRIFT) as operator:
        await world.create()
        await world.until(world.targets)
        assert healthy(operator, GATEWAY)
        undo()
        await world.until_ready(within=2 * DRIFT)


async def test_a_gateway_that_vanishes_and_comes_back() -> None:
    """Its object keeps its record all the while, and nothing is written to AWS for it."""
    world = World()
    async with world.operator(drift_interval=DRIFT) as operator:
        await world.create(gatewayId=BAD)
        await world.create("lucky")
        before = await world.until_ready()
        await world.until_ready("lucky")
        world.aws.add_fault(
            operation="ListGatewayTargets", gateway=BAD, count=None, code="ResourceNotFoundException"
        )
        world.aws.add_fault(operation="GetGateway", gateway=BAD, count=None, code="ResourceNotFoundException")
        world.forget_calls()
        await world.until(lambda: not healthy(operator, BAD), within=2 * DRIFT)
        await world.pass_time(20 * DRIFT)
        assert 18 <= lists(world)[GATEWAY] <= 24
        assert lists(world)[BAD] <= 24
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGateway"}
        world.aws.clear_faults()
        await world.until(lambda: healthy(operator, BAD), within=2 * DRIFT)
        after = await world.until_ready(within=2 * DRIFT)
        assert after.status.target_id == before.status.target_id
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGateway", "GetGatewayTarget"}
