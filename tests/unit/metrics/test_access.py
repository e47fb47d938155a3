from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from mcp_gateway_operator.runtime.access import (
    ACCESS_REVIEWS,
    ALLOWED_SECONDS,
    DENIED_SECONDS,
    REFUSED_ENTRIES,
    REVIEW_SECONDS,
    STRANGERS_REVIEWS,
    TOKEN_REVIEWS,
    UNKNOWN_SECONDS,
    WAITING,
    WRONG_SECONDS,
    AccessGuard,
)
from mcp_gateway_operator.runtime.cluster import ApiError
from tests.support.virtual_time import pass_time
from tests.unit.metrics.reviews import PROMETHEUS, Reviewer, forbidden


def make_guard(reviewer: Reviewer) -> AccessGuard:
    return AccessGuard(reviewer.cluster, path="/metrics")


@pytest.mark.parametrize("header", ["", "Basic Zm9vOmJhcg==", "Bearer", "Bearer   ", "good"])
async def test_without_a_bearer_token_nobody_is_asked(header: str) -> None:
    reviewer = Reviewer()
    verdict = await make_guard(reviewer).check(header)
    assert (verdict.status, verdict.message) == (401, "Unauthorized")
    assert reviewer.asked == []


@pytest.mark.parametrize("header", ["Bearer good", "bearer good", "  BEARER   good "])
async def test_an_allowed_caller_goes_on(header: str) -> None:
    assert (await make_guard(Reviewer()).check(header)).allowed


async def test_the_right_that_is_asked_for_is_get_on_the_path_with_all_that_is_known_of_the_user() -> None:
    reviewer = Reviewer()
    await make_guard(reviewer).check("Bearer good")
    assert reviewer.asked == [
        (TOKEN_REVIEWS, {"token": "good"}),
        (
            ACCESS_REVIEWS,
            {
                "user": PROMETHEUS["username"],
                "uid": PROMETHEUS["uid"],
                "groups": PROMETHEUS["groups"],
                "extra": PROMETHEUS["extra"],
                "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
            },
        ),
    ]


async def test_a_known_user_without_the_right_is_named() -> None:
    verdict = await make_guard(Reviewer()).check("Bearer other")
    assert (verdict.status, verdict.message) == (403, "Authorization denied for user stranger")


async def test_an_unknown_token_is_unauthorized() -> None:
    reviewer = Reviewer()
    assert (await make_guard(reviewer).check("Bearer forged")).status == 401
    assert reviewer.count(ACCESS_REVIEWS) == 0


@pytest.mark.parametrize(
    ("token", "seconds"),
    [("good", ALLOWED_SECONDS), ("other", DENIED_SECONDS), ("forged", UNKNOWN_SECONDS)],
)
async def test_an_answer_holds_for_its_time_and_no_longer(token: str, seconds: float) -> None:
    reviewer = Reviewer()
    guard = make_guard(reviewer)
    first = await guard.check(f"Bearer {token}")
    await asyncio.sleep(seconds - 0.1)
    assert await guard.check(f"Bearer {token}") == first
    assert reviewer.count(TOKEN_REVIEWS) == 1
    await pass_time(0.2)
    assert await guard.check(f"Bearer {token}") == first
    assert reviewer.count(TOKEN_REVIEWS) == 2


async def test_a_right_taken_away_is_noticed_and_so_is_one_given() -> None:
    reviewer = Reviewer()
    guard = make_guard(reviewer)
    await guard.check("Bearer good")
    await guard.check("Bearer other")
    reviewer.allowed = {"stranger"}
    await asyncio.sleep(ALLOWED_SECONDS)
    assert (await guard.check("Bearer good")).status == 403
    assert (await guard.check("Bearer other")).status == 200


@pytest.mark.parametrize(
    "error",
    [forbidden(), ApiError(0, "ConnectError", "refused"), ApiError(503, "ServiceUnavailable", "later")],
)
async def test_when_the_api_server_cannot_be_asked_nobody_gets_in_and_nothing_is_remembered(
    error: ApiError,
) -> None:
    reviewer = Reviewer()
    guard = make_guard(reviewer)
    reviewer.error = error
    verdict = await guard.check("Bearer good")
    assert (verdict.status, verdict.message) == (500, "Authentication failed")
    reviewer.error = None
    assert (await guard.check("Bearer good")).allowed


@pytest.mark.parametrize("answer", [b"<html>", b'{"status":{"user":{"username":"\xff"}}}', b"[" * 5000])
async def test_a_review_that_cannot_be_read_lets_nobody_in(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def page(*_: object) -> bytes:
        return answer

    reviewer = Reviewer()
    monkeypatch.setattr(reviewer, "create", page)
    verdict = await make_guard(reviewer).check("Bearer good")
    assert (verdict.status, verdict.message) == (500, "Authentication failed")


async def test_a_review_that_hangs_ends() -> None:
    reviewer = Reviewer()
    reviewer.seconds = 3600.0
    began = asyncio.get_running_loop().time()
    assert (await make_guard(reviewer).check("Bearer good")).status == 500
    assert asyncio.get_running_loop().time() - began == pytest.approx(REVIEW_SECONDS)


async def test_missing_rights_of_the_operator_are_one_line_a_minute_that_names_the_role(
    logs: list[MutableMapping[str, Any]],
) -> None:
    reviewer = Reviewer()
    reviewer.error = forbidden()
    guard = make_guard(reviewer)
    for _ in range(50):
        await guard.check("Bearer good")
    assert len(logs) == 1
    assert "metrics-auth-role" in logs[0]["event"]
    await pass_time(61)
    await guard.check("Bearer good")
    assert len(logs) == 2


async def test_tokens_are_neither_kept_nor_logged(logs: list[MutableMapping[str, Any]]) -> None:
    reviewer = Reviewer()
    reviewer.users["secret-token-1"] = PROMETHEUS
    guard = make_guard(reviewer)
    for token in ("secret-token-1", "secret-token-2"):
        await guard.check(f"Bearer {token}")
    reviewer.error = ApiError(500, "InternalError", "etcd is away")
    await guard.check("Bearer secret-token-3")
    kept = [vars(guard._allowed), vars(guard._refused), vars(guard), logs]
    assert "secret-token" not in repr(kept)


async def test_a_flood_of_wrong_tokens_stays_bounded_and_pushes_nobody_out() -> None:
    reviewer = Reviewer()
    guard = make_guard(reviewer)
    await guard.check("Bearer good")
    for number in range(REFUSED_ENTRIES * 3):
        await guard.check(f"Bearer wrong-{number}")
    assert len(guard._refused._entries) == REFUSED_ENTRIES
    asked = len(reviewer.asked)
    assert (await guard.check("Bearer good")).allowed
    assert len(reviewer.asked) == asked


async def test_many_callers_at_once_make_few_reviews_at_a_time_and_one_for_each_token() -> None:
    reviewer = Reviewer()
    reviewer.seconds = 0.1
    reviewer.users.update({f"token-{number}": PROMETHEUS for number in range(10)})
    guard = make_guard(reviewer)
    verdicts = await asyncio.gather(
        *(guard.check(f"Bearer token-{number % 10}", f"10.0.0.{number % 4}") for number in range(WAITING))
    )
    assert all(verdict.allowed for verdict in verdicts)
    assert reviewer.peak <= STRANGERS_REVIEWS
    assert reviewer.count(TOKEN_REVIEWS) <= 10 + STRANGERS_REVIEWS


async def test_wrong_tokens_make_sixty_reviews_a_second_and_no_more() -> None:
    reviewer = Reviewer()
    guard = make_guard(reviewer)

    async def knock(client: int) -> None:
        for serial in range(1000):
            await guard.check(f"Bearer wrong-{client}-{serial}", f"10.0.0.{client}")

    tasks = [asyncio.create_task(knock(client)) for client in range(20)]
    await pass_time(10.0)
    for task in tasks:
        task.cancel()
    assert 500 < reviewer.count(TOKEN_REVIEWS) <= 10 * STRANGERS_REVIEWS / WRONG_SECONDS + STRANGERS_REVIEWS


async def flood(guard: AccessGuard, address: str) -> None:
    """Knock with a new wrong token from one address as soon as there is an answer, forty times at once."""

    async def knock(client: int) -> None:
        for serial in range(100_000):
            await guard.check(f"Bearer wrong-{client}-{serial}", address)
            await pass_time(0.2)

    async with asyncio.TaskGroup() as tasks:
        for client in range(40):
            tasks.create_task(knock(client))


async def test_a_new_caller_waits_for_one_turn_however_many_knock_from_another_address() -> None:
    reviewer = Reviewer()
    reviewer.seconds = 0.01
    guard = make_guard(reviewer)
    flooding = [asyncio.create_task(flood(guard, address)) for address in ("10.0.0.1", "10.0.0.2")]
    await pass_time(1.0)
    began = asyncio.get_running_loop().time()
    assert (await guard.check("Bearer good", "10.0.0.3")).allowed
    assert asyncio.get_running_loop().time() - began < 0.2
    for task in flooding:
        task.cancel()


async def test_a_token_that_was_right_is_not_in_line_behind_wrong_ones_of_its_own_address() -> None:
    reviewer = Reviewer()
    reviewer.seconds = 0.01
    guard = make_guard(reviewer)
    assert (await guard.check("Bearer good", "10.0.0.1")).allowed
    flooding = asyncio.create_task(flood(guard, "10.0.0.1"))
    for _ in range(2):
        await asyncio.sleep(ALLOWED_SECONDS + 1.0)
        began = asyncio.get_running_loop().time()
        assert (await guard.check("Bearer good", "10.0.0.1")).allowed
        assert asyncio.get_running_loop().time() - began < 0.1
    flooding.cancel()


async def test_a_token_that_is_right_no_more_goes_to_the_others() -> None:
    reviewer = Reviewer()
    guard = make_guard(reviewer)
    assert (await guard.check("Bearer good")).allowed
    del reviewer.users["good"]
    await asyncio.sleep(ALLOWED_SECONDS)
    assert (await guard.check("Bearer good")).status == 401
    assert guard._allowed._entries == {}


async def test_callers_who_give_up_leave_their_turns_to_others() -> None:
    reviewer = Reviewer()
    reviewer.seconds = 1.0
    guard = make_guard(reviewer)
    waiting = [asyncio.create_task(guard.check(f"Bearer wrong-{n}", "10.0.0.1")) for n in range(16)]
    await pass_time(0.5)
    for task in waiting:
        task.cancel()
    await asyncio.sleep(0.0)
    began = asyncio.get_running_loop().time()
    assert (await guard.check("Bearer good", "10.0.0.1")).allowed
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0)
    assert guard._strangers._free == STRANGERS_REVIEWS
    assert not guard._strangers._waiting


async def test_when_too_many_wait_the_last_of_the_largest_crowd_is_told_to_come_back() -> None:
    reviewer = Reviewer()
    reviewer.seconds = 1.0
    guard = make_guard(reviewer)
    crowd = [
        asyncio.create_task(guard.check(f"Bearer w-{n}", "10.0.0.1"))
        for n in range(STRANGERS_REVIEWS + WAITING)
    ]
    await pass_time(0.5)
    assert (await guard.check("Bearer x", "10.0.0.1")).status == 429
    few = [asyncio.create_task(guard.check(f"Bearer f-{n}", f"10.0.0.{n}")) for n in range(2, WAITING)]
    assert (await guard.check("Bearer good", "10.0.0.100")).allowed
    statuses = [(await task).status for task in crowd]
    assert sum(status == 429 for status in statuses) == len(few) + 1
    assert statuses[-1] == 429
    assert {(await task).status for task in few} <= {401, 500}


async def test_a_crowd_of_many_addresses_is_bounded_too() -> None:
    reviewer = Reviewer()
    reviewer.seconds = 1.0
    guard = make_guard(reviewer)
    verdicts = await asyncio.gather(*(guard.check(f"Bearer w-{n}", f"10.0.0.{n}") for n in range(200)))
    assert sum(verdict.status == 429 for verdict in verdicts) == 200 - STRANGERS_REVIEWS - WAITING
    assert (await guard.check("Bearer good", "10.0.0.1")).allowed
