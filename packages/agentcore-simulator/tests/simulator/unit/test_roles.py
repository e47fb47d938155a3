"""Roles of accounts: whom they trust, what their sessions may do, and how sessions end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from agentcore_simulator import AdminRefusedError, Place, Request

from .conftest import GATEWAY, NOON, Simulation, server
from .refusals import refusal

HOME = "123456789012"
ACCOUNT = "222222222222"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/mcp-targets"
USER = f"arn:aws:iam::{HOME}:user/simulator"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/mcp-targets/operator"
DENIED = f"User: {USER} is not authorized to perform: sts:AssumeRole on resource: {ROLE}"


@pytest.fixture
def place(sim: Simulation) -> Place:
    """An account with a gateway of the same id as the one at home."""
    place = sim.admin.account(ACCOUNT, "eu-west-1")
    place.create_gateway(GATEWAY)
    return place


def assume(sim: Simulation, *, sts: Any = None, **members: Any) -> Any:
    """Credentials of a session of the role."""
    request = {"RoleArn": ROLE, "RoleSessionName": "operator", **members}
    return (sts or sim.sts).assume_role(**request)["Credentials"]


def tags(**given: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in given.items()]


def control(sim: Simulation, credentials: Any) -> Any:
    return sim.client(region="eu-west-1", credentials=credentials)


def test_a_session_works_in_the_account_of_its_role(sim: Simulation, place: Place) -> None:
    place.add_role("mcp-targets", trust=[HOME])
    credentials = assume(sim)
    made = control(sim, credentials).create_gateway_target(
        gatewayIdentifier=GATEWAY, name="theirs", targetConfiguration=server()
    )
    assert made["gatewayArn"].split(":")[3:5] == ["eu-west-1", ACCOUNT]
    assert sim.admin.targets(GATEWAY) == []
    assert [row["name"] for row in place.targets(GATEWAY)] == ["theirs"]
    identity = sim.client(service="sts", credentials=credentials).get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (ACCOUNT, SESSION)
    assert identity["UserId"] == f"{place.roles()[0]['id']}:operator"


@pytest.mark.parametrize(
    ("trust", "trusted"),
    [
        (["*"], True),
        ([HOME], True),
        ([f"arn:aws:iam::{HOME}:root"], True),
        ([USER], True),
        (["333333333333", USER], True),
        ([], False),
        ([ACCOUNT], False),
        ([f"arn:aws:iam::{HOME}:role/operator"], False),
        ([f"arn:aws:iam::{HOME}:oidc-provider/oidc.example.com"], False),
    ],
)
def test_a_role_trusts_whom_it_names(sim: Simulation, place: Place, trust: list[str], trusted: bool) -> None:
    place.add_role("mcp-targets", trust=trust)
    if trusted:
        assume(sim)
    else:
        with refusal("AccessDenied", 403, DENIED):
            assume(sim)


def test_a_chain_is_trusted_by_role_or_by_session(sim: Simulation, place: Place) -> None:
    hub = f"arn:aws:iam::{HOME}:role/team/operator"
    sim.admin.add_role("team/operator")
    sts = sim.client(service="sts", credentials=assume(sim, RoleArn=hub, RoleSessionName="pod-1"))
    place.add_role("mcp-targets", trust=[hub])
    assume(sim, sts=sts)
    place.edit_role("mcp-targets", trust=[f"arn:aws:sts::{HOME}:assumed-role/operator/pod-1"])
    assume(sim, sts=sts)
    with refusal("AccessDenied", 403, DENIED):
        assume(sim)
    place.edit_role("mcp-targets", trust=["*"])
    sim.admin.edit_role("team/operator", allow=["bedrock-agentcore:*"])
    with refusal("AccessDenied", 403, "assumed-role/operator/pod-1 is not authorized to perform: sts:Ass"):
        assume(sim, sts=sts)


def test_an_external_id_has_to_match(sim: Simulation, place: Place) -> None:
    place.add_role("mcp-targets", external_id="acme")
    for wrong in ({}, {"ExternalId": "acme2"}, {"ExternalId": "ACME"}):
        with refusal("AccessDenied", 403, DENIED):
            assume(sim, **wrong)
    assume(sim, ExternalId="acme")
    assert [entry.get("externalId") for entry in sim.admin.requests(role=ROLE)] == [
        None,
        "acme2",
        "ACME",
        "acme",
    ]


def test_tags_can_be_required_and_forbidden(sim: Simulation, place: Place) -> None:
    place.add_role("mcp-targets", session_tags={"team": "plat*"}, tag_keys=["team"])
    for wrong in ([], tags(team="sales"), tags(Team="platform")):
        with refusal("AccessDenied", 403, DENIED):
            assume(sim, Tags=wrong)
    with refusal("AccessDenied", 403, f"is not authorized to perform: sts:TagSession on resource: {ROLE}"):
        assume(sim, Tags=tags(team="platform", cost="1"))
    assume(sim, Tags=tags(team="platform"))
    place.edit_role("mcp-targets", session_tags={}, tag_keys=[])
    with refusal("AccessDenied", 403, "sts:TagSession"):
        assume(sim, Tags=tags(team="platform"))
    assume(sim)


def test_transitive_tags_reach_the_next_session(sim: Simulation, place: Place) -> None:
    place.add_role("mcp-targets")
    first = assume(sim, Tags=tags(team="platform", own="x"), TransitiveTagKeys=["team"])
    sts = sim.client(service="sts", credentials=first)
    control(sim, assume(sim, sts=sts, RoleSessionName="second")).list_gateways()
    assert sim.admin.requests(session="second")[-1]["tags"] == {"team": "platform"}
    with refusal("InvalidParameterValue", 400):
        assume(sim, sts=sts, Tags=tags(team="other"))
    with refusal("InvalidParameterValue", 400):
        assume(sim, TransitiveTagKeys=["team"])


def test_the_log_names_session_and_tags_of_each_request(sim: Simulation, place: Place) -> None:
    place.add_role("mcp-targets")
    credentials = assume(sim, RoleSessionName="op@class", Tags=tags(team="platform"), ExternalId="acme")
    control(sim, credentials).list_gateways()
    sim.control.list_gateways()
    asked, made, own = sim.admin.requests()
    session = {"role": ROLE, "session": "op@class", "tags": {"team": "platform"}}
    assert asked == {**asked, **session, "account": HOME, "region": "us-east-1", "externalId": "acme"}
    assert made == {**made, **session, "account": ACCOUNT, "region": "eu-west-1"}
    assert made["caller"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/mcp-targets/op@class"
    assert not own.keys() & {"role", "session", "tags", "externalId"}
    assert sim.admin.account(ACCOUNT).requests() == [made]
    assert sim.admin.requests(session="op@class", operation="ListGateways") == [made]


def test_what_a_role_may_not_do_is_denied_in_the_words_of_iam(sim: Simulation, place: Place) -> None:
    place.add_role("mcp-targets", allow=["Get*", "bedrock-agentcore:list*"], deny=["GetGatewayTarget"])
    client = control(sim, assume(sim))
    client.get_gateway(gatewayIdentifier=GATEWAY)
    client.list_gateway_targets(gatewayIdentifier=GATEWAY)
    on = f"on resource: arn:aws:bedrock-agentcore:eu-west-1:{ACCOUNT}:gateway/{GATEWAY}"
    create = "bedrock-agentcore:CreateGatewayTarget"
    words = (
        f"User: {SESSION} is not authorized to perform: {create} {on} "
        f"because no identity-based policy allows the {create} action"
    )
    with refusal("AccessDeniedException", 403, words):
        client.create_gateway_target(gatewayIdentifier=GATEWAY, name="tools", targetConfiguration=server())
    with refusal("AccessDeniedException", 403, f"{on} with an explicit deny in an identity-based policy"):
        client.get_gateway_target(gatewayIdentifier=GATEWAY, targetId="ABCDEFGHIJ")
    sim.control.get_gateway(gatewayIdentifier=GATEWAY)
    sim.configure(switches={"sync_permission_on_write": True})
    place.edit_role("mcp-targets", allow=["CreateGatewayTarget"], deny=[])
    with refusal("AccessDeniedException", 403, "bedrock-agentcore:SynchronizeGatewayTargets"):
        client.create_gateway_target(gatewayIdentifier=GATEWAY, name="tools", targetConfiguration=server())


def test_a_role_is_denied_and_allowed_again_in_mid_run(sim: Simulation, place: Place) -> None:
    place.add_role("mcp-targets", trust=[HOME])
    client = control(sim, assume(sim))
    place.edit_role("mcp-targets", denied=True)
    with refusal("AccessDenied", 403, DENIED):
        assume(sim)
    client.list_gateways()  # what was given goes on
    place.edit_role("mcp-targets", denied=False, deny=["*"])
    with refusal("AccessDeniedException", 403, "explicit deny"):
        client.list_gateways()
    assert sim.client(service="sts", credentials=assume(sim)).get_caller_identity()["Arn"] == SESSION
    place.edit_role("mcp-targets", deny=[])
    client.list_gateways()


def test_the_sessions_of_a_deleted_role_are_invalid_also_when_it_is_made_again(
    sim: Simulation, place: Place
) -> None:
    place.add_role("mcp-targets")
    credentials = assume(sim)
    client = control(sim, credentials)
    place.add_role("mcp-targets", deny=["GetGateway"])  # replaced: the same role
    client.list_gateways()
    place.delete_role("mcp-targets")
    invalid = "The security token included in the request is invalid."
    with refusal("AccessDenied", 403, DENIED):
        assume(sim)
    with refusal("UnrecognizedClientException", 403, invalid):
        client.list_gateways()
    place.add_role("mcp-targets")
    with refusal("UnrecognizedClientException", 403, invalid):
        client.list_gateways()
    with refusal("InvalidClientTokenId", 403, invalid):
        sim.client(service="sts", credentials=credentials).get_caller_identity()
    control(sim, assume(sim)).list_gateways()


def test_an_account_of_which_a_role_was_made_has_no_others(sim: Simulation, place: Place) -> None:
    assume(sim)
    place.add_role("path/other")
    for arn in (ROLE, f"arn:aws:iam::{ACCOUNT}:role/other", f"arn:aws:iam::{ACCOUNT}:role/path/Other"):
        with refusal("AccessDenied", 403, f"sts:AssumeRole on resource: {arn}"):
            assume(sim, RoleArn=arn)
    assume(sim, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/path/other")
    assume(sim, RoleArn="arn:aws:iam::333333333333:role/any")
    place.delete_role("path/other")
    with refusal("AccessDenied", 403):
        assume(sim)
    sim.admin.restore(sim.admin.snapshot())
    with refusal("AccessDenied", 403):
        assume(sim)
    sim.admin.reset()
    assume(sim)


def test_sessions_end_with_their_time_or_when_told(sim: Simulation, place: Place) -> None:
    place.add_role("mcp-targets", session_seconds=60)
    credentials = assume(sim, DurationSeconds=900)
    assert credentials["Expiration"] == datetime.fromtimestamp(NOON + 60, UTC)
    client = control(sim, credentials)
    sim.advance(59)
    client.list_gateways()
    sim.advance(1)
    with refusal("ExpiredTokenException", 403, "The security token included in the request is expired"):
        client.list_gateways()
    client = control(sim, assume(sim))
    assert place.end_sessions("mcp-targets") == 1
    with refusal("ExpiredTokenException", 403):
        client.list_gateway_targets(gatewayIdentifier=GATEWAY)
    (entry,) = place.requests(operation="ListGatewayTargets")
    assert (entry["gateway"], entry["session"], entry["error"]) == (
        GATEWAY,
        "operator",
        "ExpiredTokenException",
    )
    assert place.end_sessions("mcp-targets") == 0
    control(sim, assume(sim)).list_gateways()


def test_credentials_that_nobody_knows_any_more_are_nobody_s(sim: Simulation) -> None:
    credentials = assume(sim)
    sim.admin.reset()
    with refusal("UnrecognizedClientException", 403):
        sim.client(credentials=credentials).list_gateways()
    with refusal("InvalidClientTokenId", 403):
        sim.client(service="sts", credentials=credentials).get_caller_identity()
    own = {"AccessKeyId": "ASIAIOSFODNN7EXAMPLE", "SecretAccessKey": "x", "SessionToken": "y"}
    sim.client(credentials=own).list_gateways()  # the developer's real ones


def test_expired_sessions_are_forgotten_in_the_end(sim: Simulation) -> None:
    for _ in range(3):
        assume(sim, DurationSeconds=900)
    sim.advance(900 + 43_200)
    assume(sim)
    assert len(sim.admin.snapshot()["credentials"]) == 1


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"DurationSeconds": 43_201}, "Member must have value less than or equal to 43200"),
        ({"DurationSeconds": 3601}, "exceeds the MaxSessionDuration set for this role."),
        (
            {"RoleSessionName": "no spaces"},
            "Value 'no spaces' at 'roleSessionName' failed to satisfy constraint: Member must satisfy",
        ),
        ({"RoleSessionName": "ümlaut"}, "Member must satisfy regular expression pattern"),
        ({"RoleSessionName": "x" * 65}, "Member must have length less than or equal to 64"),
        ({"ExternalId": "a b"}, "Value 'a b' at 'externalId' failed to satisfy constraint"),
        (
            {"RoleArn": "arn:aws:iam::1:role/x-and-more-of-it"},
            "arn:aws:iam::1:role/x-and-more-of-it is invalid",
        ),
        ({"RoleArn": "arn:aws:s3:::a-bucket-of-some-name"}, "is invalid"),
        ({"RoleArn": f"{ROLE}/"}, f"{ROLE}/ is invalid"),
        ({"RoleArn": f"{ROLE}<a>"}, f"{ROLE}<a> is invalid"),
        (
            {"Tags": tags(**{f"k{n}": "v" for n in range(51)})},
            "Member must have length less than or equal to 50",
        ),
        ({"Tags": tags(team="x" * 257)}, "at 'tags.1.member.value' failed to satisfy constraint"),
        ({"Tags": tags(**{"te$m": "x"})}, "Value 'te$m' at 'tags.1.member.key' failed to satisfy constraint"),
    ],
)
def test_what_sts_does_not_take_it_says_in_its_own_words(
    sim: Simulation, place: Place, members: dict[str, Any], words: str
) -> None:
    place.add_role("mcp-targets")
    with refusal("ValidationError", 400, words):
        assume(sim, **members)


def test_tags_may_have_letters_of_every_script_and_keys_only_once(sim: Simulation) -> None:
    assume(sim, Tags=tags(équipe="東京 1"))
    for wrong in (tags(team="a", Team="b"), tags(**{"aws:team": "a"})):
        with refusal("InvalidParameterValue", 400):
            assume(sim, Tags=wrong)


def test_roles_can_give_longer_sessions_but_not_to_chains(sim: Simulation, place: Place) -> None:
    sim.configure(credential_seconds=43_200)
    place.add_role("mcp-targets", max_session=43_200)
    first = assume(sim, DurationSeconds=43_200)
    assert first["Expiration"] == datetime.fromtimestamp(NOON + 43_200, UTC)
    with refusal("ValidationError", 400, "1 hour session limit for roles assumed by role chaining"):
        assume(sim, sts=sim.client(service="sts", credentials=first), DurationSeconds=3601)


def test_several_things_wrong_are_told_together(sim: Simulation) -> None:
    answer = sim.engine.handle(
        Request(
            "POST",
            "/",
            headers={"authorization": "AWS4-HMAC-SHA256 Credential=k/20261122/us-east-1/sts/aws4_request, x"},
            body=b"Action=AssumeRole&RoleSessionName=x&DurationSeconds=1",
        )
    )
    assert answer.status == 400
    assert b"<Code>ValidationError</Code>" in answer.body
    assert b"3 validation errors detected" in answer.body
    broken = "failed to satisfy constraint: Member must"
    for problem in (
        f"Value null at 'roleArn' {broken} not be null",
        f"Value 'x' at 'roleSessionName' {broken} have length greater than or equal to 2",
        f"Value '1' at 'durationSeconds' {broken} have value greater than or equal to 900",
    ):
        assert problem.encode() in answer.body


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"name": "a b"}, "name"),
        ({"name": "x", "trust": ["everybody"]}, "trust"),
        ({"name": "x", "trust": ["arn:aws:iam::*:root"]}, "trust"),
        ({"name": "x", "account": "12"}, "account"),
        ({"name": "x", "max_session": 60}, "max_session"),
        ({"name": "x", "session_seconds": 0}, "session_seconds"),
        ({"name": "x", "colour": "red"}, "colour"),
    ],
)
def test_a_role_that_cannot_be_is_refused(sim: Simulation, body: dict[str, Any], text: str) -> None:
    with pytest.raises(AdminRefusedError, match=text):
        sim.admin.call("POST", "roles", body)
    assert sim.admin.roles() == []


def test_a_role_cannot_become_another_or_be_edited_without_being_there(sim: Simulation) -> None:
    with pytest.raises(AdminRefusedError, match=f"Nobody made a role x in account {HOME}") as caught:
        sim.admin.edit_role("x", denied=True)
    assert caught.value.status == 404
    sim.admin.add_role("x")
    for fixed in ("name", "account", "id"):
        with pytest.raises(AdminRefusedError, match=f"The {fixed} of a role cannot be changed"):
            sim.admin.call("PATCH", "roles/x", {fixed: "222222222222"})
    with pytest.raises(AdminRefusedError, match="colour"):
        sim.admin.edit_role("x", colour="red")


def test_web_identities_need_a_role_that_trusts_a_provider(sim: Simulation) -> None:
    arn = f"arn:aws:iam::{HOME}:role/operator"
    request = {"RoleArn": arn, "RoleSessionName": "pod-1", "WebIdentityToken": "a.b.c"}
    sim.admin.add_role("operator", trust=[f"arn:aws:iam::{HOME}:oidc-provider/oidc.example.com/id/1"])
    credentials = sim.sts.assume_role_with_web_identity(**request)["Credentials"]
    sim.client(credentials=credentials).list_gateways()
    for edit in ({"denied": True}, {"denied": False, "trust": [HOME]}):
        sim.admin.edit_role("operator", **edit)
        with refusal("AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity"):
            sim.sts.assume_role_with_web_identity(**request)
    assert {entry["role"] for entry in sim.admin.requests(session="pod-1")} == {arn}


def test_roles_and_sessions_survive_in_a_snapshot(sim: Simulation, place: Place) -> None:
    place.add_role("mcp-targets", trust=[HOME], external_id="acme")
    client = control(sim, assume(sim, ExternalId="acme", Tags=tags(team="platform")))
    roles = sim.admin.roles()
    sim.admin.restore(sim.admin.snapshot())
    assert sim.admin.roles() == roles
    client.list_gateways()
    assert sim.admin.requests()[-1]["tags"] == {"team": "platform"}
    with refusal("AccessDenied", 403):
        assume(sim)


def test_a_state_of_before_there_were_roles_still_loads(sim: Simulation) -> None:
    state = sim.admin.snapshot()
    for member in ("roles", "governed"):
        del state[member]
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/operator/pod-1"
    state["credentials"] = {"ASIAOLD": [ACCOUNT, arn, NOON + 60]}
    sim.admin.restore(state)
    old = {"AccessKeyId": "ASIAOLD", "SecretAccessKey": "x", "SessionToken": "x"}
    sts = sim.client(service="sts", credentials=old)
    assert sts.get_caller_identity()["Arn"] == arn
    sim.advance(60)
    with refusal("ExpiredToken", 403):
        sts.get_caller_identity()


def test_a_situation_makes_roles(sim: Simulation) -> None:
    role = {"name": "mcp-targets", "account": ACCOUNT, "trust": [HOME], "external_id": "acme"}
    sim.admin.apply(roles=[role])
    assume(sim, ExternalId="acme")
    sim.admin.apply(roles=[{**role, "denied": True}])
    with refusal("AccessDenied", 403):
        assume(sim, ExternalId="acme")


def test_what_becomes_of_a_role_can_be_ordered_beforehand(sim: Simulation, place: Place) -> None:
    place.add_role("mcp-targets")
    place.change_role_later("mcp-targets", 60, denied=True)
    place.change_role_later("mcp-targets", 120, denied=False, end_sessions=True)
    place.change_role_later("mcp-targets", 180, delete=True)
    place.change_role_later("mcp-targets", 240, denied=True)  # of nothing
    client = control(sim, assume(sim))
    sim.admin.restore(sim.admin.snapshot())
    sim.advance(59)
    assume(sim)
    sim.advance(1)
    with refusal("AccessDenied", 403, DENIED):
        assume(sim)
    client.list_gateways()
    sim.advance(60)
    with refusal("ExpiredTokenException", 403):
        client.list_gateways()
    client = control(sim, assume(sim))
    sim.advance(60)
    with refusal("UnrecognizedClientException", 403):
        client.list_gateways()
    sim.advance(60)
    assert sim.admin.call("GET", "role-changes") == []
    assert place.roles() == []


def test_an_order_for_later_is_checked_now_and_can_be_withdrawn(sim: Simulation) -> None:
    sim.admin.add_role("x")
    for wrong in ({"colour": "red"}, {"name": "y"}):
        with pytest.raises(AdminRefusedError, match=next(iter(wrong))):
            sim.admin.call("POST", "role-changes", {"name": "x", "after": 1, "edit": wrong})
    sim.admin.apply(role_changes=[{"name": "x", "after": 1, "delete": True}])
    sim.admin.call("DELETE", "role-changes")
    sim.advance(2)
    assert [role["name"] for role in sim.admin.roles()] == ["x"]


def test_the_calls_about_one_role_can_fail_alone(sim: Simulation) -> None:
    other = "arn:aws:iam::333333333333:role/any"
    sim.admin.add_fault(role=ROLE, operation="sts:AssumeRole", kind="hang", count=None)
    with pytest.raises(ReadTimeoutError):
        assume(sim)
    assume(sim, RoleArn=other)
    sim.admin.clear_faults()
    sim.admin.add_fault(role=ROLE, code="ThrottlingException", count=None)
    client = sim.client(credentials=assume(sim, RoleArn=other))
    client.list_gateways()
    with refusal("ThrottlingException", 429):
        assume(sim)
