"""Targets that wait for a person's consent."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from agentcore_simulator import Request

from .conftest import Simulation, oauth, server
from .refusals import refusal
from .test_targets import STATIC

CODE = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/done")


@pytest.mark.parametrize("at_once", [False, True])
def test_consent_is_asked_and_given(sim: Simulation, at_once: bool) -> None:
    sim.configure(switches={"pending_auth_at_once": at_once})
    answer = sim.create(credentialProviderConfigurations=CODE)
    assert answer["status"] == ("CREATE_PENDING_AUTH" if at_once else "CREATING")
    sim.advance(1)
    target = answer["targetId"]
    waiting = sim.get(target)
    assert waiting["status"] == "CREATE_PENDING_AUTH"
    assert waiting["authorizationData"]["oauth2"]["userId"]
    assert sim.rows()[0]["authorizationData"] == waiting["authorizationData"]
    sim.admin.consent(target)
    settled = sim.get(target)
    assert settled["status"] == "READY"
    assert "authorizationData" not in settled


def test_the_link_itself_approves(sim: Simulation) -> None:
    sim.engine.plane.base_url = "http://127.0.0.1:8787"
    target = sim.ready(credentialProviderConfigurations=CODE)
    link = urlsplit(sim.get(target)["authorizationData"]["oauth2"]["authorizationUrl"])
    assert (link.hostname, link.port) == ("127.0.0.1", 8787)
    answer = sim.engine.handle(Request("GET", link.path, link.query))
    assert answer.status == 200
    assert sim.status(target) == "READY"
    assert sim.engine.handle(Request("GET", link.path, link.query)).status == 404


def test_a_static_schema_needs_no_consent(sim: Simulation) -> None:
    target = sim.ready(targetConfiguration=server(**STATIC), credentialProviderConfigurations=CODE)
    assert sim.status(target) == "READY"


@pytest.mark.parametrize(
    ("operation", "pending", "expired"),
    [
        (None, "CREATE_PENDING_AUTH", "FAILED"),
        ("update", "UPDATE_PENDING_AUTH", "UPDATE_UNSUCCESSFUL"),
        ("synchronize", "SYNCHRONIZE_PENDING_AUTH", "SYNCHRONIZE_UNSUCCESSFUL"),
    ],
)
def test_consent_runs_out(sim: Simulation, operation: str | None, pending: str, expired: str) -> None:
    target = sim.ready(credentialProviderConfigurations=CODE)
    if operation == "update":
        sim.admin.consent(target)
        sim.update(target, credentialProviderConfigurations=CODE)
    elif operation == "synchronize":
        sim.admin.consent(target)
        sim.synchronize(target)
    sim.advance(1)
    assert sim.status(target) == pending
    sim.advance(598)
    assert sim.status(target) == pending
    sim.advance(2)
    assert sim.status(target) == expired
    assert "authorization" in sim.get(target)["statusReasons"][0]


def test_expired_consent_can_leave_the_target_waiting(sim: Simulation) -> None:
    sim.configure(switches={"pending_auth_expiry": "stay"})
    target = sim.ready(credentialProviderConfigurations=CODE)
    sim.advance(10_000)
    assert sim.status(target) == "CREATE_PENDING_AUTH"


@pytest.mark.parametrize("operation", ["update", "delete", "synchronize"])
def test_a_target_that_waits_takes_no_write(sim: Simulation, operation: str) -> None:
    target = sim.ready(credentialProviderConfigurations=CODE)
    with refusal("ConflictException", 409, "Wait for the authorization to complete or fail"):
        getattr(sim, operation)(target)
    sim.configure(switches={"busy_error": "validation"})
    with refusal("ValidationException", 400, "Wait for the authorization to complete or fail"):
        getattr(sim, operation)(target)


def test_the_switch_that_lets_a_waiting_target_go(sim: Simulation) -> None:
    sim.configure(switches={"pending_auth_writes": "delete-allowed"})
    target = sim.ready(credentialProviderConfigurations=CODE)
    sim.delete(target)
    sim.advance(1)
    assert sim.rows() == []


def test_a_refused_consent_fails_the_target(sim: Simulation) -> None:
    target = sim.ready(credentialProviderConfigurations=CODE)
    sim.admin.consent(target, approve=False)
    assert sim.status(target) == "FAILED"
    with pytest.raises(ValueError, match="waits for no authorization"):
        sim.admin.consent(target)


def test_a_scenario_can_ask_for_consent_and_shorten_it(sim: Simulation) -> None:
    sim.admin.add_scenario(name="shy", outcome="consent", consent_seconds=30)
    target = sim.ready("shy")
    assert sim.status(target) == "CREATE_PENDING_AUTH"
    sim.advance(30)
    assert sim.status(target) == "FAILED"
    sim.synchronize(target)
    sim.advance(1)
    sim.admin.consent(target)
    assert sim.status(target) == "READY"
