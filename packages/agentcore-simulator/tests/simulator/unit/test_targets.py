"""The life of a target, as boto3 sees it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from .conftest import GATEWAY, NOON, Simulation, oauth, server
from .refusals import refusal

STATIC: dict[str, Any] = {"mcpToolSchema": {"inlinePayload": '{"tools":[{"name":"t"}]}'}}


def test_create_answers_creating_and_settles_ready(sim: Simulation) -> None:
    answer = sim.create(description="what it does")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["status"] == "CREATING"
    assert answer["gatewayArn"] == f"arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/{GATEWAY}"
    assert answer["createdAt"] == answer["updatedAt"] == datetime.fromtimestamp(NOON, UTC)
    sim.advance(0.49)
    assert sim.status(answer["targetId"]) == "CREATING"
    sim.advance(0.02)
    settled = sim.get(answer["targetId"])
    assert settled["status"] == "READY"
    assert settled["description"] == "what it does"
    assert settled["targetConfiguration"] == server("https://tools.example.com/mcp")
    assert settled["lastSynchronizedAt"] == datetime.fromtimestamp(NOON + 0.5, UTC)


def test_update_replaces_everything(sim: Simulation) -> None:
    target = sim.ready(
        description="old",
        metadataConfiguration={"allowedRequestHeaders": ["x-tenant"]},
        credentialProviderConfigurations=oauth(),
    )
    answer = sim.update(target, targetConfiguration=server("https://new.example.com/mcp"))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["status"] == "UPDATING"
    sim.advance(1)
    settled = sim.get(target)
    assert settled["status"] == "READY"
    assert settled["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"] == "https://new.example.com/mcp"
    assert settled["credentialProviderConfigurations"] == []
    assert "description" not in settled
    assert "metadataConfiguration" not in settled
    assert settled["updatedAt"] > settled["createdAt"]


def test_update_can_rename_and_keeps_an_omitted_name(sim: Simulation) -> None:
    target = sim.ready("old")
    sim.update(target, name="new")
    sim.advance(1)
    sim.update(target, name=None)
    sim.advance(1)
    assert sim.get(target)["name"] == "new"
    sim.ready("old")  # the old name is free again


def test_delete_shows_deleting_and_then_nothing(sim: Simulation) -> None:
    target = sim.ready()
    answer = sim.delete(target)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["status"] == "DELETING"
    assert sim.status(target) == "DELETING"
    assert [row["status"] for row in sim.rows()] == ["DELETING"]
    sim.advance(1)
    with refusal("ResourceNotFoundException", 404):
        sim.get(target)
    with refusal("ResourceNotFoundException", 404):
        sim.delete(target)
    assert sim.rows() == []


def test_list_can_hide_deleting_targets(sim: Simulation) -> None:
    sim.configure(switches={"list_shows_deleting": False})
    target = sim.ready()
    sim.delete(target)
    assert sim.rows() == []
    assert sim.status(target) == "DELETING"


def test_list_rows_have_no_reasons_and_no_configuration(sim: Simulation) -> None:
    target = sim.ready(description="what it does", targetConfiguration=server(resourcePriority=7))
    sim.admin.set_status(target, "FAILED", ["broken"])
    (row,) = sim.rows()
    assert row.keys() == {
        "targetId",
        "name",
        "status",
        "description",
        "createdAt",
        "updatedAt",
        "resourcePriority",
        "lastSynchronizedAt",
        "targetType",
        "listingMode",
    }
    assert (row["targetType"], row["listingMode"], row["resourcePriority"]) == ("MCP_SERVER", "DEFAULT", 7)
    assert sim.get(target)["statusReasons"] == ["broken"]


def test_pages_neither_repeat_nor_skip_when_rows_vanish_in_between(sim: Simulation) -> None:
    targets = [sim.ready(f"t{number}") for number in range(7)]
    first = sim.control.list_gateway_targets(gatewayIdentifier=GATEWAY, maxResults=3)
    sim.admin.delete_target(targets[1])
    second = sim.control.list_gateway_targets(
        gatewayIdentifier=GATEWAY, maxResults=3, nextToken=first["nextToken"]
    )
    third = sim.control.list_gateway_targets(
        gatewayIdentifier=GATEWAY, maxResults=3, nextToken=second["nextToken"]
    )
    names = [row["name"] for page in (first, second, third) for row in page["items"]]
    assert names == [f"t{number}" for number in range(7)]
    assert "nextToken" not in third


def test_a_page_that_is_just_full_has_no_next_page(sim: Simulation) -> None:
    for number in range(3):
        sim.ready(f"t{number}")
    page = sim.control.list_gateway_targets(gatewayIdentifier=GATEWAY, maxResults=3)
    assert len(page["items"]) == 3
    assert "nextToken" not in page


@pytest.mark.parametrize("token", ["x", "c2ltOjE=", "!!!", "c2ltOjEyMzQ1Njc4OTA="])
def test_a_page_token_of_somebody_else_is_refused(sim: Simulation, token: str) -> None:
    with refusal("ValidationException", 400, "nextToken"):
        sim.rows(nextToken=token)


def test_names_are_unique_while_the_old_target_is_deleting(sim: Simulation) -> None:
    target = sim.ready()
    with refusal("ConflictException", 409, "already exists"):
        sim.create()
    sim.delete(target)
    with refusal("ConflictException", 409, "already exists"):
        sim.create()
    sim.advance(1)
    sim.create()


def test_a_rename_onto_a_taken_name_is_refused(sim: Simulation) -> None:
    sim.ready("taken")
    target = sim.ready("mine")
    with refusal("ConflictException", 409, "already exists"):
        sim.update(target, name="taken")
    assert sim.get(target)["name"] == "mine"
    sim.update(target, name="mine")


@pytest.mark.parametrize(("switch", "code"), [("validation", "ValidationException"), ("allow", None)])
def test_the_switch_for_duplicate_names(sim: Simulation, switch: str, code: str | None) -> None:
    sim.configure(switches={"duplicate_names": switch})
    sim.ready()
    if code is None:
        sim.ready()
        assert [row["name"] for row in sim.rows()] == ["tools", "tools"]
    else:
        with refusal(code, 400, reason="ResourceConflict"):
            sim.create()


def test_a_missing_name_is_generated_or_refused(sim: Simulation) -> None:
    name = sim.create(name=None, targetConfiguration=server())["name"]
    assert name.startswith("target-")
    sim.configure(switches={"missing_name": "refuse"})
    with refusal("ValidationException", 400, "name"):
        sim.create(name=None, targetConfiguration=server())


@pytest.mark.parametrize("state", ["CREATING", "UPDATING", "SYNCHRONIZING"])
@pytest.mark.parametrize("operation", ["update", "delete", "synchronize"])
def test_writes_in_transient_states(sim: Simulation, state: str, operation: str) -> None:
    target = sim.ready()
    sim.admin.set_status(target, state)
    with refusal("ConflictException", 409, state):
        getattr(sim, operation)(target)
    sim.configure(switches={"busy_error": "validation"})
    with refusal("ValidationException", 400, state, reason="ResourceConflict"):
        getattr(sim, operation)(target)
    sim.configure(switches={"transient_writes": "accept"})
    getattr(sim, operation)(target)
    sim.advance(1)
    if operation == "delete":
        assert sim.rows() == []
    else:
        assert sim.status(target) == "READY"


@pytest.mark.parametrize("operation", ["update", "synchronize"])
@pytest.mark.parametrize("switch", ["conflict", "accept"])
def test_a_deleting_target_takes_no_other_write(sim: Simulation, operation: str, switch: str) -> None:
    sim.configure(switches={"transient_writes": switch})
    target = sim.ready()
    sim.delete(target)
    with refusal("ConflictException", 409, "DELETING"):
        getattr(sim, operation)(target)


def test_a_second_delete_is_a_conflict_or_accepted(sim: Simulation) -> None:
    target = sim.ready()
    sim.delete(target)
    with refusal("ConflictException", 409, "DELETING"):
        sim.delete(target)
    sim.configure(switches={"transient_writes": "accept"})
    assert sim.delete(target)["status"] == "DELETING"


@pytest.mark.parametrize("general", ["conflict", "accept"])
def test_delete_while_creating_has_a_switch_of_its_own(sim: Simulation, general: str) -> None:
    sim.configure(switches={"transient_writes": general, "delete_while_creating": "conflict"})
    target = sim.create()["targetId"]
    with refusal("ConflictException", 409, "CREATING"):
        sim.delete(target)
    sim.configure(switches={"delete_while_creating": "accept"})
    assert sim.delete(target)["status"] == "DELETING"
    sim.advance(0.3)
    with refusal("ResourceNotFoundException", 404):
        sim.get(target)


def test_an_accepted_write_supersedes_the_state_before(sim: Simulation) -> None:
    sim.configure(switches={"transient_writes": "accept"}, durations={"updating": 5})
    target = sim.create()["targetId"]
    sim.advance(0.4)
    sim.update(target)
    sim.advance(4.9)
    assert sim.status(target) == "UPDATING"  # the end of CREATING at 0.5 s is void
    sim.advance(0.2)
    assert sim.status(target) == "READY"


def test_synchronize_answers_the_full_target_and_moves_only_the_sync_time(sim: Simulation) -> None:
    target = sim.ready()
    before = sim.get(target)
    (answer,) = sim.synchronize(target)["targets"]
    assert answer["status"] == "SYNCHRONIZING"
    assert answer["targetConfiguration"] == before["targetConfiguration"]
    sim.advance(1)
    after = sim.get(target)
    assert after["status"] == "READY"
    assert after["updatedAt"] == before["updatedAt"]
    assert after["lastSynchronizedAt"] > before["lastSynchronizedAt"]
    sim.configure(switches={"sync_bumps_updated_at": True})
    sim.synchronize(target)
    sim.advance(1)
    assert sim.get(target)["updatedAt"] > before["updatedAt"]


def test_synchronize_refuses_what_has_no_tools_to_fetch(sim: Simulation) -> None:
    static = sim.ready("static", targetConfiguration=server(**STATIC))
    with refusal("ValidationException", 400, "static tool schema"):
        sim.synchronize(static)
    other = sim.ready("lambda", **LAMBDA)
    with refusal("ValidationException", 400, "Target type LAMBDA is not supported for synchronization"):
        sim.synchronize(other)
    dynamic = sim.ready("dynamic", targetConfiguration=server(listingMode="DYNAMIC"))
    sim.synchronize(dynamic)
    sim.advance(1)
    sim.configure(switches={"sync_dynamic_listing": "refuse"})
    with refusal("ValidationException", 400, "DYNAMIC"):
        sim.synchronize(dynamic)
    with refusal("ResourceNotFoundException", 404):
        sim.synchronize("A" * 10)


LAMBDA: dict[str, Any] = {
    "targetConfiguration": {
        "mcp": {
            "lambda": {
                "lambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:tools",
                "toolSchema": {
                    "inlinePayload": [{"name": "t", "description": "d", "inputSchema": {"type": "object"}}]
                },
            }
        }
    },
    "credentialProviderConfigurations": [{"credentialProviderType": "GATEWAY_IAM_ROLE"}],
}


def test_the_type_of_a_target_cannot_change(sim: Simulation) -> None:
    target = sim.ready(**LAMBDA)
    with refusal("ValidationException", 400, "cannot be updated from lambda to mcpServer"):
        sim.update(target)


def test_dynamic_and_static_targets_are_ready_without_a_connection(sim: Simulation) -> None:
    sim.admin.add_scenario(outcome="failed")
    dynamic = sim.ready("dynamic", targetConfiguration=server(listingMode="DYNAMIC"))
    static = sim.ready("static", targetConfiguration=server(**STATIC))
    probed = sim.ready("probed")
    assert (sim.status(dynamic), sim.status(static), sim.status(probed)) == ("READY", "READY", "FAILED")
    assert "lastSynchronizedAt" not in sim.get(dynamic)


def test_a_full_gateway_takes_no_more_targets(sim: Simulation) -> None:
    sim.configure(quotas={"targets_per_gateway": 2})
    sim.ready("one")
    sim.ready("two")
    with refusal("ServiceQuotaExceededException", 402, "Too many targets for gateway"):
        sim.create("three")
    sim.configure(switches={"target_limit_error": "validation"})
    with refusal("ValidationException", 400, "Too many targets for gateway"):
        sim.create("three")


def test_no_credentials_are_an_empty_list_absent_or_a_bare_role(sim: Simulation) -> None:
    target = sim.ready()
    assert sim.get(target)["credentialProviderConfigurations"] == []
    sim.configure(switches={"no_auth_shape": "absent"})
    assert "credentialProviderConfigurations" not in sim.get(target)
    sim.configure(switches={"no_auth_shape": "role"})
    role = [{"credentialProviderType": "GATEWAY_IAM_ROLE"}]
    assert sim.get(target)["credentialProviderConfigurations"] == role


@pytest.mark.parametrize("digits", [0, 3, 9])
def test_timestamps_have_as_many_digits_as_wished(sim: Simulation, digits: int) -> None:
    sim.configure(switches={"timestamp_digits": digits})
    sim.now = NOON + 0.25
    assert sim.create()["createdAt"].timestamp() == NOON + (0.25 if digits else 0)
