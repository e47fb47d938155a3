"""clientToken: what repeats, what is refused, what is forgotten."""

from __future__ import annotations

import pytest

from .conftest import Simulation, server
from .refusals import refusal

TOKEN = "a-token-of-more-than-thirty-three-characters"
OTHER = "b-token-of-more-than-thirty-three-characters"


def body(answer: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def test_the_same_token_and_request_give_the_same_answer(sim: Simulation) -> None:
    first = sim.create(clientToken=TOKEN)
    sim.advance(5)
    assert body(sim.create(clientToken=TOKEN)) == body(first)
    assert len(sim.rows()) == 1


def test_the_answer_is_repeated_even_for_a_target_that_is_gone(sim: Simulation) -> None:
    first = sim.create(clientToken=TOKEN)
    sim.advance(1)
    sim.delete(first["targetId"])
    sim.advance(1)
    assert sim.create(clientToken=TOKEN)["targetId"] == first["targetId"]
    assert sim.rows() == []


def test_a_used_token_with_another_request_is_refused(sim: Simulation) -> None:
    sim.create(clientToken=TOKEN)
    with refusal("ValidationException", 400, reason="IdempotentParameterMismatchException"):
        sim.create(clientToken=TOKEN, targetConfiguration=server("https://other.example.com"))


def test_another_token_is_another_request(sim: Simulation) -> None:
    sim.create(clientToken=TOKEN)
    with refusal("ConflictException", 409):
        sim.create(clientToken=OTHER)


@pytest.mark.parametrize(("lifetime", "after"), [(60, 61), (0, 0)])
def test_tokens_are_forgotten(sim: Simulation, lifetime: float, after: float) -> None:
    sim.configure(switches={"client_token_seconds": lifetime})
    sim.create(clientToken=TOKEN)
    sim.advance(after)
    with refusal("ConflictException", 409):
        sim.create(clientToken=TOKEN)


def test_tokens_can_be_kept_for_ever(sim: Simulation) -> None:
    sim.configure(switches={"client_token_seconds": None})
    first = sim.create(clientToken=TOKEN)
    sim.advance(10**7)
    assert sim.create(clientToken=TOKEN)["targetId"] == first["targetId"]


def test_rejections_are_remembered_only_when_told(sim: Simulation) -> None:
    blocker = sim.ready()
    with refusal("ConflictException", 409):
        sim.create(clientToken=TOKEN)
    sim.configure(switches={"remember_rejections": True})
    with refusal("ConflictException", 409):
        sim.create(clientToken=OTHER)
    sim.delete(blocker)
    sim.advance(1)
    with refusal("ConflictException", 409):
        sim.create(clientToken=OTHER)
    sim.create(clientToken=TOKEN)


def test_tokens_are_kept_apart_by_gateway_and_operation(sim: Simulation) -> None:
    sim.admin.create_gateway("other-abcdefghij")
    first = sim.create(clientToken=TOKEN)
    second = sim.create(clientToken=TOKEN, gatewayIdentifier="other-abcdefghij")
    assert first["targetId"] != second["targetId"]


def test_gateways_have_tokens_too(sim: Simulation) -> None:
    request = {
        "name": "Mine",
        "roleArn": "arn:aws:iam::123456789012:role/gateway",
        "authorizerType": "NONE",
        "clientToken": TOKEN,
    }
    first = sim.control.create_gateway(**request)
    assert body(sim.control.create_gateway(**request)) == body(first)
    with refusal("ValidationException", 400, reason="IdempotentParameterMismatchException"):
        sim.control.create_gateway(**{**request, "description": "other"})
