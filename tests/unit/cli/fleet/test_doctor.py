"""`doctor`: what is missing, why it matters and what to type."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agentcore_simulator import AdminClient
from mcp_gateway_operator.api.crd_manifest import custom_resource_definition
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.controller.served_schema import PATH
from mcp_gateway_operator.runtime.cluster import NAMESPACES, ApiError
from tests.support.memory_cluster import Fault, MemoryCluster
from tests.support.world import GATEWAY
from tests.unit.cli.fleet.account import nothing_written, server, settle, unreadable
from tests.unit.cli.fleet.conftest import Desk


@pytest.fixture
def rights(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the caller may do: all verbs that are not named in "denied"; with "silent" nobody says."""
    given: dict[str, Any] = {"denied": set(), "silent": False}

    async def create(_self: MemoryCluster, _resource: object, _namespace: object, body: Any) -> bytes:
        if given["silent"]:
            raise ApiError(403, "Forbidden", "no reviews")
        asked = body["spec"]["resourceAttributes"]
        allowed = (asked["resource"], asked["verb"]) not in given["denied"]
        return msgspec.json.encode({"status": {"allowed": allowed}})

    monkeypatch.setattr(MemoryCluster, "create", create)
    return given


def test_all_is_well(desk: Desk, aws: AdminClient, rights: dict[str, Any]) -> None:
    settle(desk, aws, "orders")
    aws.clear_requests()
    said = desk("doctor").output
    assert "!!" not in said
    assert "??  The schema of the CustomResourceDefinition is not known to you." in said
    assert f"ok  Gateway {GATEWAY} has 1 targets; AWS's default quota is 100." in said
    assert "ok  You may patch mcpservers, in all namespaces." in said
    nothing_written(desk, aws)
    assert rights


@pytest.mark.parametrize(("old", "words"), [(True, "!!  The installed"), (False, "ok  The CustomRes")])
def test_an_old_crd_is_told(
    desk: Desk, aws: AdminClient, rights: dict[str, Any], *, old: bool, words: str
) -> None:
    whole: Any = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    kind = msgspec.json.decode(msgspec.json.encode(whole))
    if old:
        del kind["properties"]["spec"]["properties"]["managementPolicy"]
    document = {"components": {"schemas": {"aws.bedrock.MCPServer": kind}}}
    desk.api.paths[PATH] = msgspec.json.encode(document)
    assert words in desk("doctor", exits=2 if old else 0).output
    nothing_written(desk, aws)
    assert rights


@pytest.mark.parametrize(
    ("resource", "verb", "words"),
    [
        ("mcpservers", "list", "ask for the ClusterRole mcpserver-viewer-role"),
        ("mcpservers", "patch", "ask for the ClusterRole mcpserver-editor-role"),
        ("namespaces", "get", "give --owner-id"),
    ],
)
def test_each_right_that_is_missing_is_told_with_what_to_ask_for(
    desk: Desk, aws: AdminClient, rights: dict[str, Any], resource: str, verb: str, words: str
) -> None:
    rights["denied"] = {(resource, verb)}
    said = desk("doctor", exits=2).output
    assert f"!!  You may not {verb} {resource}" in said
    assert words in said
    nothing_written(desk, aws)


def test_what_is_not_to_be_seen_is_said_to_be_not_known(
    desk: Desk, aws: AdminClient, rights: dict[str, Any]
) -> None:
    rights["silent"] = True
    said = desk("doctor").output
    assert "??  Whether you may get mcpservers is not known: no reviews" in said
    nothing_written(desk, aws)


def test_gateways_that_are_full_or_closed_and_orphans_are_told(
    desk: Desk, aws: AdminClient, rights: dict[str, Any]
) -> None:
    settle(desk, aws, "orders")
    for number in range(90):
        aws.create_target(GATEWAY, name=f"n-{number}", targetConfiguration=server())
    findings = desk.json("doctor", exits=2)["findings"]
    assert [each["what"] for each in findings if each["ok"] is False] == [
        f"Gateway {GATEWAY} has 91 targets; AWS's default quota is 100."
    ]
    aws.configure(denied_actions=["ListGatewayTargets"])
    assert f"!!  Gateway {GATEWAY} cannot be listed: AccessDenied" in desk("doctor", exits=2).output
    assert rights


def test_a_cluster_without_the_crd_is_not_well(desk: Desk, aws: AdminClient, rights: dict[str, Any]) -> None:
    absent = Fault(refuse=ApiError(404, "NotFound", "no such kind"))
    desk.faults = lambda request: absent if request.resource == MCPSERVERS else None
    said = desk("doctor", exits=2).output
    assert "!!  The CustomResourceDefinition is not installed." in said
    assert "      mcp-gateway-operator crd | kubectl apply --server-side -f -" in said
    nothing_written(desk, aws)
    assert rights


def test_a_version_that_is_not_to_be_seen_ends_nothing(
    desk: Desk, aws: AdminClient, rights: dict[str, Any]
) -> None:
    no = Fault(refuse=ApiError(403, "Forbidden", "no discovery"))
    desk.faults = lambda request: no if request.path == "/version" else None
    said = desk("doctor").output
    assert said.startswith("??  The API server answers; its version is not known: no discovery\n")
    assert "ok  You may list mcpservers, in all namespaces." in said
    nothing_written(desk, aws)
    assert rights


def test_the_owner_is_asked_for_until_it_is_given(
    desk: Desk, aws: AdminClient, rights: dict[str, Any]
) -> None:
    rights["denied"] = {("namespaces", "get")}
    no = Fault(refuse=ApiError(403, "Forbidden", "no"))
    desk.faults = lambda request: no if request.resource == NAMESPACES else None
    said = desk("doctor", exits=2).output
    assert "!!  You may not get namespaces kube-system.\n" in said
    assert "??  Which targets are this installation's is not known" in said
    said = desk("doctor", "--owner-id", "mine").output
    assert "kube-system" not in said
    assert "ok  0 targets of this installation belong to no MCPServer." in said
    nothing_written(desk, aws)


def test_an_object_that_cannot_be_read_is_named(desk: Desk, aws: AdminClient, rights: dict[str, Any]) -> None:
    settle(desk, aws, "orders")
    unreadable(desk, "odd")
    aws.clear_requests()
    said = desk("doctor", exits=2).output
    assert "!!  MCPServer team-a/odd cannot be read: " in said
    assert f"ok  Gateway {GATEWAY} has 1 targets" in said
    nothing_written(desk, aws)
    assert rights
