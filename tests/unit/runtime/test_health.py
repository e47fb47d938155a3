from __future__ import annotations

from mcp_gateway_operator.runtime.health import Health
from mcp_gateway_operator.runtime.http1 import Request


def make_health(*, failure: str | None) -> Health:
    health = Health()
    health.add_liveness("loop", lambda: None)
    health.add_readiness("caches", lambda: failure)
    health.add_readiness("shutdown", lambda: None)
    return health


def test_all_well_is_a_plain_ok() -> None:
    assert make_health(failure=None).answer("/readyz") == (200, "ok")
    assert make_health(failure="x").answer("/healthz") == (200, "ok")


def test_a_failed_check_is_named_with_its_reason() -> None:
    status, body = make_health(failure="1 of 1 caches are not filled yet").answer("/readyz")
    assert status == 500
    assert "[-]caches failed: 1 of 1 caches are not filled yet" in body
    assert "[+]shutdown ok" in body


def test_one_check_can_be_asked_for() -> None:
    health = make_health(failure="x")
    assert health.answer("/readyz/shutdown") == (200, "ok")
    assert health.answer("/readyz/caches")[0] == 500


def test_verbose_says_what_is_worth_knowing_though_nothing_failed() -> None:
    health = Health()
    health.add_readiness("crd", lambda: None, note=lambda: "older")
    health.add_readiness("lease", lambda: None, note=lambda: None)

    assert health.answer("/readyz") == (200, "ok")
    status, text = health.answer("/readyz", verbose=True)
    assert (status, text) == (200, "[+]crd ok: older\n[+]lease ok\nreadyz check passed\n")


def test_verbose_lists_the_checks_that_pass() -> None:
    assert "[+]caches ok" in make_health(failure=None).answer("/readyz", verbose=True)[1]


def test_unknown_paths_are_not_found() -> None:
    assert make_health(failure=None).answer("/")[0] == 404
    assert make_health(failure=None).answer("/readyz/nothing")[0] == 404


async def test_an_answer_is_fit_for_a_terminal() -> None:
    """What the API server says may be in it."""
    answer = await make_health(failure="it says:\x1b[31m\u202e no")(Request("GET", "/readyz"))
    assert b"[-]caches failed: it says:\\u001b[31m\\u202e no\n" in answer.body
