"""A spec is checked, and a request made of it, when it changes, not at each look at its object."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway_operator.api.validation import validate
from mcp_gateway_operator.controller.gather import load
from mcp_gateway_operator.controller.gather.desired_cache import WORKED_OUT, WorkedOut
from tests.support.world import World


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The specs that were checked."""
    specs: list[Any] = []

    def noting(spec: Any, **terms: Any) -> Any:
        specs.append(spec)
        return validate(spec, **terms)

    monkeypatch.setattr(load, "validate", noting)
    return specs


async def test_a_spec_is_checked_anew_only_when_it_was_edited(checked: list[Any]) -> None:
    world = World()
    async with world.operator(drift_interval=10.0):
        await world.create()
        await world.until_ready()
        at_first = len(checked)
        assert at_first <= 3, "as AWS tells, bit by bit, where its gateway is"
        await world.pass_time(100)
        world.aws.edit_target(world.targets()[0]["targetId"], description="somebody was here")
        await world.until(lambda: "somebody" not in world.targets()[0]["description"], within=200)
        await world.edit(metadata={"labels": {"team": "a"}})
        await world.pass_time(10)
        assert len(checked) == at_first
        await world.edit(spec={"endpoint": "https://weather.example.com/v2/mcp"})
        await world.until_ready()
        assert len(checked) == at_first + 1
        (target,) = world.targets()
        assert target["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"].endswith("/v2/mcp")


async def test_what_was_worked_out_for_one_is_not_told_of_another(checked: list[Any]) -> None:
    world = World()
    async with world.operator():
        for number in range(3):
            await world.create(f"server-{number}", endpoint=f"https://server-{number}.example.com/mcp")
        await world.create("wrong", endpoint="http://wrong.example.com/mcp")
        await world.until_reason("ValidationError", "wrong")
        for number in range(3):
            await world.until_ready(f"server-{number}")
        await world.delete("wrong")
        await world.until(lambda: not world.exists("wrong"))
        await world.create("wrong", endpoint="https://right.example.com/mcp")
        await world.until_ready("wrong")
    endpoints = {target["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"] for target in world.targets()}
    assert endpoints == {
        "https://right.example.com/mcp",
        *(f"https://server-{number}.example.com/mcp" for number in range(3)),
    }
    assert checked


def test_it_is_asked_again_for_other_terms_and_keeps_a_bounded_number() -> None:
    worked = WorkedOut[int]()
    asked: list[int] = []

    def answer(number: int) -> int:
        asked.append(number)
        return number

    assert [worked.of(("a", "b"), terms, lambda: answer(7)) for terms in ((1,), (1,), (2,), (1,))] == [7] * 4
    assert len(asked) == 3
    for number in range(3 * WORKED_OUT):
        assert worked.of(("a", str(number)), (), lambda number=number: answer(number)) == number  # type: ignore[misc]
    assert len(vars(worked)["_known"]) <= WORKED_OUT
