"""`doctor`: what is missing, why it matters and what to type."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import yaml
from botocore.exceptions import ClientError

from agentcore_simulator import AdminClient
from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.crd_manifest import custom_resource_definition
from mcp_gateway_operator.cli.fleet import examine_quotas, examine_rights, examine_surroundings
from mcp_gateway_operator.cli.fleet.examine_quotas import Applied, at_present, by_service
from mcp_gateway_operator.cli.fleet.examine_rights import (
    at_aws_by_answers,
    at_aws_by_simulation,
    operators_needs,
)
from mcp_gateway_operator.cli.fleet.reach import Scope
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.controller.served_schema import PATH
from mcp_gateway_operator.runtime.cluster import LEASES, NAMESPACES, ApiError, PatchType
from mcp_gateway_operator_demo.project_files import project_dir
from tests.support.memory_cluster import Fault, MemoryCluster
from tests.support.world import GATEWAY, OTHER_GATEWAY
from tests.unit.cli.fleet.account import nothing_written, server, settle, unreadable
from tests.unit.cli.fleet.conftest import Desk
from tests.unit.cli.fleet.platform import make_class, refuse

REAL_APPLIED = examine_quotas.applied


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
    assert f"ok  Gateway {GATEWAY} has 1/100 targets." in said
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
    assert "??  Whether you may get mcpservers, in all namespaces is not known: no reviews" in said
    nothing_written(desk, aws)


def test_gateways_that_are_full_or_closed_and_orphans_are_told(
    desk: Desk, aws: AdminClient, rights: dict[str, Any]
) -> None:
    settle(desk, aws, "orders")
    for number in range(90):
        aws.create_target(GATEWAY, name=f"n-{number}", targetConfiguration=server())
    findings = desk.json("doctor", exits=2)["findings"]
    assert [each["what"] for each in findings if each["ok"] is False] == [
        f"Gateway {GATEWAY} has 91/100 targets."
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
    assert "ok  Targets of this installation that belong to no MCPServer: 0." in said
    nothing_written(desk, aws)


def test_an_object_that_cannot_be_read_is_named(desk: Desk, aws: AdminClient, rights: dict[str, Any]) -> None:
    settle(desk, aws, "orders")
    unreadable(desk, "odd")
    aws.clear_requests()
    said = desk("doctor", exits=2).output
    assert "!!  MCPServer team-a/odd cannot be read: " in said
    assert f"ok  Gateway {GATEWAY} has 1/100 targets" in said
    nothing_written(desk, aws)
    assert rights


def test_the_operators_rights_are_looked_at_verb_by_verb(
    desk: Desk, aws: AdminClient, rights: dict[str, Any]
) -> None:
    settle(desk, aws, "orders")
    account = ("--service-account", "home/operator")
    assert re.search(
        r"ok  ServiceAccount home/operator has all its \d+ rights", desk("doctor", *account).output
    )
    for need in operators_needs("home"):
        rights["denied"] = {(need.resource.partition("/")[0], need.verb)}
        (row,) = [
            each
            for each in desk.json("doctor", *account, exits=2)["findings"]
            if each["what"] == f"ServiceAccount home/operator may not {need.title}."
        ]
        assert f"kubectl auth can-i {need.verb}" in row["do"]
        assert "--as system:serviceaccount:home:operator" in row["do"]
    rights["silent"] = True
    assert "The rights of ServiceAccount home/operator are not known" in desk("doctor", *account).output
    assert "NAMESPACE/NAME" in desk("doctor", "--service-account", "operator", exits=1).stderr


def test_the_doctor_asks_for_the_rights_that_the_manifests_give() -> None:
    found = set()
    for part in ("role", "guard_role", "leader_election_role"):
        role = yaml.safe_load((project_dir("config/rbac") / f"{part}.yaml").read_text(encoding="utf-8"))
        for rule in role["rules"]:
            for resource in rule["resources"]:
                found |= {(resource, verb) for verb in rule["verbs"]}
    assert {(each.resource, each.verb) for each in operators_needs("home")} == found


def test_what_aws_has_denied_the_operator_is_told_by_action() -> None:
    metrics = """
mcps_aws_requests_total{code="OK",operation="ListGatewayTargets"} 12.0
mcps_aws_requests_total{code="OK",operation="CreateGatewayTarget"} 3.0
mcps_aws_requests_total{code="AccessDeniedException",operation="CreateGatewayTarget"} 2.0
"""
    found = {each.what: each.ok for each in at_aws_by_answers(metrics)}
    assert found["AWS lets the operator ListGatewayTargets."] is True
    assert found["AWS has denied the operator CreateGatewayTarget 2 times since it started."] is False
    assert found["Whether AWS lets the operator GetGateway is not known: it has not tried."] is None
    assert len(found) == 7


@pytest.mark.parametrize("refused", [False, True])
def test_iam_is_asked_what_the_role_may_do(monkeypatch: pytest.MonkeyPatch, *, refused: bool) -> None:
    asked: dict[str, Any] = {}

    def simulate(**given: Any) -> dict[str, Any]:
        asked.update(given)
        if refused:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "SimulatePrincipalPolicy")
        decisions = [
            {"EvalActionName": each, "EvalDecision": "implicitDeny" if "Delete" in each else "allowed"}
            for each in given["ActionNames"]
        ]
        return {"EvaluationResults": decisions}

    iam = SimpleNamespace(simulate_principal_policy=simulate)
    session = SimpleNamespace(create_client=lambda *_, **__: iam)
    monkeypatch.setattr(examine_rights, "new_session", lambda _: session)
    found = list(at_aws_by_simulation("arn:aws:iam::1:role/r", ["arn:gateway"], "us-east-1"))
    assert asked["ResourceArns"] == ["arn:gateway"]
    if refused:
        assert [each.ok for each in found] == [None]
        assert "iam:SimulatePrincipalPolicy" in found[0].do
    else:
        assert sorted(each.ok for each in found if each.ok is not None) == [False, *[True] * 6]


@pytest.mark.parametrize(("off", "ok"), [(10, True), (-600, False), (600, False), (None, None)])
def test_clocks_that_are_off_are_told(
    monkeypatch: pytest.MonkeyPatch, *, off: int | None, ok: bool | None
) -> None:
    def date(_: object) -> str:
        if off is None:
            raise OSError("no route")
        return format_datetime(datetime.now(UTC) + timedelta(seconds=off))

    for name in ("cluster_date", "aws_date"):
        monkeypatch.setattr(examine_surroundings, name, date)
    assert [each.ok for each in examine_surroundings.clocks(Scope(), "us-east-1")] == [ok, ok]


def test_proxies_are_told_without_their_users_and_a_missing_bundle_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@proxy.example.com:3128")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such/bundle.pem")
    proxies, bundle = (each for each in examine_surroundings.network() if "SSL_CERT" not in each.what)
    assert "HTTPS_PROXY=http://proxy.example.com:3128" in proxies.what
    assert "hunter2" not in proxies.what
    assert (bundle.ok, bundle.do) == (False, "unset AWS_CA_BUNDLE, or name a file of PEM certificates")


def lease(desk: Desk, namespace: str, holder: str, *, name: str = names.LEASE_NAME, age: float = 1.0) -> None:
    """Let an operator hold a Lease."""
    renewed = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    spec = {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 60}
    desk.api.store.create(LEASES, namespace, {"metadata": {"name": name}, "spec": spec})


def test_operators_at_work_are_told(desk: Desk, aws: AdminClient, rights: dict[str, Any]) -> None:
    settle(desk, aws, "orders")
    assert "??  No operator holds a Lease here now." in desk("doctor").output
    lease(desk, "team-a", "pod-1")
    assert "ok  At work, by its Lease: pod-1 in team-a, 1s ago." in desk("doctor").output
    lease(desk, "team-b", "pod-2")
    assert "??  2 installations run, and may meet." in desk("doctor").output
    for namespace in ("team-a", "team-b"):
        lease(desk, namespace, f"{namespace}/pod", name=f"namespace-{names.GUARD_NAME}")
    assert "ok  2 installations run, and share the namespaces." in desk("doctor").output
    refuse(desk, LEASES)
    assert "??  Which operators are at work is not known: may not" in desk("doctor").output
    assert rights


def test_a_marker_on_two_targets_is_told(desk: Desk, aws: AdminClient, rights: dict[str, Any]) -> None:
    settle(desk, aws, "orders")
    (target,) = aws.targets(GATEWAY)
    aws.create_target(
        OTHER_GATEWAY,
        name="copy",
        description=target["description"],
        targetConfiguration=server(),
    )
    desk.put("other", gatewayId=OTHER_GATEWAY)
    (row,) = [each for each in desk.json("doctor", exits=2)["findings"] if "is on 2 targets" in each["what"]]
    assert "--owner-id" in row["do"]
    assert rights


@pytest.mark.parametrize(
    ("status", "sign", "words"),
    [
        ({}, "??", "no operator has said yet"),
        (
            {"conditions": [{"type": "Accepted", "status": "False", "reason": "Conflict", "message": "x"}]},
            "!!",
            "is not Accepted (Conflict): x",
        ),
        ({"state": "READY", "targets": {"used": 9, "limit": 10}, "conditions": "good"}, "!!", "with 9/10"),
        ({"state": "READY", "targets": {"used": 1, "limit": 10}, "conditions": "good"}, "ok", "with 1/10"),
    ],
)
def test_classes_are_told_with_their_room(
    desk: Desk, aws: AdminClient, rights: dict[str, Any], status: dict[str, Any], sign: str, words: str
) -> None:
    settle(desk, aws, "orders")
    make_class(desk)
    if status.get("conditions") == "good":
        status["conditions"] = [{"type": each, "status": "True"} for each in ("Accepted", "Ready")]
    desk.api.store.patch(
        MCPGATEWAYS, None, "tools", {"status": status}, kind=PatchType.MERGE, subresource="status"
    )
    found = desk("doctor", exits=2 if sign == "!!" else 0).output
    assert re.search(rf"^{re.escape(sign)}  MCPGateway tools.*{re.escape(words)}", found, re.MULTILINE)
    assert rights


def quotas_of(monkeypatch: pytest.MonkeyPatch, answer: dict[str, float] | ClientError) -> Applied:
    """Let Service Quotas answer, and return what is made of it."""

    def paginate(**given: Any) -> list[dict[str, Any]]:
        assert given == {"ServiceCode": "bedrock-agentcore"}
        if isinstance(answer, ClientError):
            raise answer
        return [{"Quotas": [{"QuotaName": name, "Value": value}]} for name, value in answer.items()]

    client = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=paginate))
    session = SimpleNamespace(create_client=lambda _: client)
    monkeypatch.setattr(examine_quotas, "new_session", lambda _: session)
    return REAL_APPLIED("us-east-1")


def test_settings_are_compared_with_the_quotas_that_aws_says(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {
        "Rate of CreateGatewayTarget requests": 20.0,
        "Rate of UpdateGatewayTarget requests": 2.0,
        "Rate of CreateGateway requests": 1.0,
        "Rate of ListGatewayTargets requests": 10.0,
        "Targets per gateway": 300.0,
    }
    said = quotas_of(monkeypatch, answer)
    assert said.targets == 300
    more, less, room = by_service(said, Quotas())
    assert (more.ok, less.ok, room.ok) == (True, False, True)
    assert room.what == "AWS allows 300 targets on a gateway; the operator reckons with 100."
    assert room.do == "start it with --aws-quotas gateway-targets=300"
    assert more.what == "AWS allows 20 CreateGatewayTarget a second; the operator keeps to 5."
    assert less.what == "AWS allows 2 UpdateGatewayTarget a second; the operator keeps to 5."
    assert less.do == "start it with --aws-quotas update=2"
    (fine,) = by_service(said, Quotas(create=20, update=2, gateway_targets=300))
    assert fine.ok
    (too_many,) = by_service(said, Quotas(create=20, update=2, gateway_targets=301))
    assert not too_many.ok
    (unlimited, *_) = by_service(said, Quotas(create=None, update=2))
    assert (unlimited.ok, unlimited.what.endswith("keeps to no limit.")) == (False, True)


@pytest.mark.parametrize("empty", [True, False])
def test_quotas_that_may_not_be_asked_for_are_not_known(
    monkeypatch: pytest.MonkeyPatch, *, empty: bool
) -> None:
    refusal = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListServiceQuotas")
    (found,) = by_service(quotas_of(monkeypatch, {} if empty else refusal), Quotas())
    assert found.ok is None
    assert "create 5, update 5, delete 5, synchronize 5, get 10, list 10" in found.why
    assert "servicequotas:ListServiceQuotas" in found.do


def test_a_rate_that_refusals_have_lowered_is_told() -> None:
    line = 'mcps_aws_rate_limit{{operation="create"}} {}\n'
    (fine,) = at_present(line.format(4.75), Quotas())
    assert fine.ok
    (slow,) = at_present(line.format(0.5), Quotas())
    assert (slow.ok, slow.what) == (
        False,
        "AWS throttles the operator, which calls less often a second: create 0.5 of 5.",
    )
    assert list(at_present("", Quotas())) == []


@pytest.mark.usefixtures("rights")
def test_a_gateway_is_measured_by_the_quota_that_holds(
    desk: Desk, aws: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(desk, aws, "orders")
    said = desk("doctor", "--aws-quotas", "gateway-targets=200").output
    assert f"Gateway {GATEWAY} has 1/200 targets." in said
    said = desk("doctor", "--aws-quotas", "gateway-targets=1", exits=2).output
    assert f"!!  Gateway {GATEWAY} has 1/1 targets." in said
    monkeypatch.setattr(examine_quotas, "applied", lambda _: Applied(targets=300))
    assert f"Gateway {GATEWAY} has 1/300 targets." in desk("doctor").output
