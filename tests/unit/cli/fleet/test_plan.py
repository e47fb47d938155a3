"""`plan`: from the cluster and from manifests, against targets in a simulated AWS."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from agentcore_simulator import AdminClient
from mcp_gateway_operator.cli.fleet.foresee import Recorder
from mcp_gateway_operator.cli.fleet.paper_aws import PaperAgentCore
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import NAMESPACES, ApiError, PatchType
from mcp_gateway_operator.targets.actions import Create
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind, Place
from mcp_gateway_operator.targets.shape import Target
from tests.support.memory_cluster import Fault
from tests.support.world import GATEWAY, OTHER_GATEWAY
from tests.unit.cli.fleet.account import manifest, nothing_written, server, settle, unreadable, written
from tests.unit.cli.fleet.conftest import Desk


def test_what_is_in_step_needs_nothing_and_no_get(desk: Desk, aws: AdminClient) -> None:
    settle(desk, aws, "orders")
    aws.clear_requests()
    assert desk("plan").output == "Nothing to do; 1 unchanged.\n"
    assert "GetGatewayTarget" not in {entry["operation"] for entry in aws.requests()}
    nothing_written(desk, aws)


def test_each_kind_of_change_is_told_by_its_name(desk: Desk, aws: AdminClient, tmp_path: Path) -> None:
    for name in ("kept", "edited", "renamed", "moved"):
        settle(desk, aws, name)
    aws.create_target(GATEWAY, name="taken", targetConfiguration=server())
    file = written(
        tmp_path / "all.yaml",
        manifest("kept"),
        manifest("edited", endpoint="https://new.example.com/mcp?token=secret"),
        manifest("renamed", targetName="another"),
        manifest("moved", gatewayId=OTHER_GATEWAY),
        manifest("taken"),
        manifest("new"),
    )
    aws.clear_requests()
    answer = desk.json("plan", "-f", file, exits=2)
    assert answer["schema"] == "mcps.plan/v1"
    assert {each["name"]: each["action"] for each in answer["objects"]} == {
        "kept": "none",
        "edited": "update",
        "renamed": "rename",
        "moved": "move",
        "taken": "conflict",
        "new": "create",
    }
    said = desk("plan", "-f", file, exits=2).output
    assert (
        '    endpoint: "https://weather.example.com/mcp" -> "https://new.example.com/mcp?…"'
        in said.splitlines()
    )
    assert "secret" not in said
    assert "secret" not in str(answer)
    assert f"    Create on {OTHER_GATEWAY}, then Delete on {GATEWAY}" in said.splitlines()
    assert said.splitlines()[-1] == "1 conflict, 1 create, 1 move, 1 rename, 1 update; 1 unchanged."
    nothing_written(desk, aws)


def test_prune_deletes_what_no_manifest_names_and_nothing_else_does(
    desk: Desk, aws: AdminClient, tmp_path: Path
) -> None:
    for name in ("kept", "left"):
        settle(desk, aws, name)
    file = written(tmp_path / "one.yaml", manifest("kept"))
    assert desk("plan", "-f", file).output == "Nothing to do; 1 unchanged.\n"
    said = desk("plan", "-f", file, "--prune", exits=2).output
    assert said.splitlines() == [f"- delete team-a/left on {GATEWAY}", "1 delete; 1 unchanged."]
    nothing_written(desk, aws)


def test_what_admission_refuses_is_told_and_the_rest_is_planned(
    desk: Desk, aws: AdminClient, tmp_path: Path
) -> None:
    file = written(tmp_path / "bad.yaml", manifest("bad", endpoint="ftp://x"), manifest("good"))
    answer = desk.json("plan", "-f", file, exits=1)
    assert {each["name"]: each["action"] for each in answer["objects"]} == {
        "bad": "refused",
        "good": "create",
    }
    nothing_written(desk, aws)


@pytest.mark.parametrize("action", ["*", "ListGatewayTargets"])
def test_what_aws_refuses_the_caller_says_nothing_of_the_operator(
    desk: Desk, aws: AdminClient, action: str
) -> None:
    settle(desk, aws, "near")
    desk.put("orders")
    aws.clear_requests()
    aws.configure(denied_actions=[action])
    said = desk("plan", exits=1).output
    for name in ("near", "orders"):
        assert f"! not known team-a/{name}" in said
    assert said.count(f"AWS does not list the targets of gateway {GATEWAY} for you: AccessDenied") == 2
    assert "2 not known; 0 unchanged." in said
    assert "What the operator would do is not known." in desk("why", "near").output
    nothing_written(desk, aws)


def test_an_edit_that_is_not_to_be_compared_is_said(desk: Desk, aws: AdminClient) -> None:
    settle(desk, aws, "near")
    spec = {"spec": {"endpoint": "https://new.example.com/mcp"}}
    desk.api.store.patch(MCPSERVERS, "team-a", "near", spec, kind=PatchType.MERGE)
    aws.configure(denied_actions=["GetGatewayTarget"])
    said = desk("plan", exits=1).output
    assert "! not known team-a/near" in said
    assert "GetGatewayTarget" in said


def test_without_the_owner_a_plan_would_lie_and_is_refused(desk: Desk, aws: AdminClient) -> None:
    desk.put("orders")
    no = ApiError(403, "Forbidden", "no")
    desk.faults = lambda request: Fault(refuse=no) if request.resource == NAMESPACES else None
    assert "give --owner-id" in desk("plan", exits=1).output
    assert "create" in desk("plan", "--owner-id", "mine", exits=2).output
    nothing_written(desk, aws)


def test_manifests_are_found_in_directories_and_standard_input_and_none_is_an_error(
    desk: Desk, aws: AdminClient, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    written(tmp_path / "deep" / "one.yaml", manifest("one"))
    assert "+ create team-a/one" in desk("plan", "-f", str(tmp_path), exits=2).output
    assert (
        "no MCPServer in these files"
        in desk("plan", "-f", written(tmp_path / "x.json", {"kind": "List"}), exits=1).output
    )
    assert "with -f" in desk("plan", "--prune", exits=1).output
    assert "cannot be read" in desk("plan", "-f", str(tmp_path / "absent"), exits=1).output
    nothing_written(desk, aws)


def test_a_thousand_manifests_take_seconds(desk: Desk, aws: AdminClient, tmp_path: Path) -> None:
    gateways = [f"gateway-{number}-abcdefghij" for number in range(10)]
    for gateway_id in gateways:
        aws.create_gateway(gateway_id)
    found = [manifest(f"server-{number}", gatewayId=gateways[number % 10]) for number in range(1000)]
    file = tmp_path / "many.json"
    file.write_text("\n".join(msgspec.json.encode(each).decode() for each in found), encoding="utf-8")
    began = time.process_time()
    said = desk("plan", "-f", str(file), exits=2).output
    assert said.splitlines()[-1] == "1000 create; 0 unchanged."
    assert time.process_time() - began < 10


def test_names_choose_from_manifests_what_is_not_there_yet(
    desk: Desk, aws: AdminClient, tmp_path: Path
) -> None:
    settle(desk, aws, "left")
    file = written(tmp_path / "two.yaml", manifest("new"), manifest("other"))
    said = desk("plan", "-f", file, "new", exits=2).output
    assert said.splitlines() == [f"+ create team-a/new on {GATEWAY}", "1 create; 0 unchanged."]
    assert desk("plan", "-f", file, "new", "--prune", exits=2).output == said
    assert "There is no MCPServer 'new'" in desk("plan", "new", exits=1).output
    nothing_written(desk, aws)


def test_a_manifest_without_a_name_cannot_be_applied(desk: Desk, aws: AdminClient, tmp_path: Path) -> None:
    nameless = manifest("")
    nameless["metadata"] = {"generateName": "orders-"}
    said = desk("plan", "-f", written(tmp_path / "a.yaml", nameless, manifest("good")), exits=1).output
    assert said.startswith("! refused orders-\n    ValidationError: metadata.name: required to be applied")
    assert "+ create team-a/good" in said
    nothing_written(desk, aws)


def test_an_object_that_cannot_be_read_is_told_and_the_others_are_planned(
    desk: Desk, aws: AdminClient, tmp_path: Path
) -> None:
    settle(desk, aws, "orders")
    unreadable(desk, "odd")
    aws.clear_requests()
    told = "MCPServer team-a/odd cannot be read, and the operator leaves it alone: "
    result = desk("plan")
    assert result.stdout == "Nothing to do; 1 unchanged.\n"
    assert result.stderr.startswith(told)
    assert desk("plan", "odd", exits=1).stderr.startswith("Error: " + told)
    file = written(tmp_path / "odd.yaml", manifest("odd"))
    assert "+ create team-a/odd" in desk("plan", "-f", file, exits=2).stdout
    nothing_written(desk, aws)


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the Creates on paper, by the target's name."""
    found = Counter[str]()
    real = PaperAgentCore.create_target

    async def create(self: PaperAgentCore, gateway_id: str, request: Any, **given: Any) -> Target:
        found[request["name"]] += 1
        return await real(self, gateway_id, request, **given)

    monkeypatch.setattr(PaperAgentCore, "create_target", create)
    return found


def test_what_a_full_gateway_refuses_for_ever_does_not_draw_the_plan_out(
    desk: Desk, aws: AdminClient, tries: Counter[str], tmp_path: Path
) -> None:
    for number in range(99):
        aws.create_target(GATEWAY, name=f"t-{number}", targetConfiguration=server())
    names = [f"new-{number}" for number in range(20)]
    answer = desk.json("plan", "-f", written(tmp_path / "new.yaml", *map(manifest, names)), exits=2)
    assert answer["counts"] == {"create": 1, "GatewayFull": 19}
    assert set(tries) == set(names)
    # Once more where it was before the last step.
    assert max(tries.values()) <= 2


def test_who_found_a_gateway_full_gets_the_place_of_what_is_deleted(
    desk: Desk, aws: AdminClient, tries: Counter[str], tmp_path: Path
) -> None:
    for number in range(98):
        aws.create_target(GATEWAY, name=f"t-{number}", targetConfiguration=server())
    for name in ("left", "behind"):
        settle(desk, aws, name)
    names = [f"new-{number}" for number in range(4)]
    file = written(tmp_path / "new.yaml", *map(manifest, names))
    answer = desk.json("plan", "-f", file, "--prune", exits=2)
    assert answer["counts"] == {"create": 2, "delete": 2, "GatewayFull": 2}
    assert max(tries.values()) <= 4


def test_manifests_are_planned_as_the_same_objects_in_the_cluster_are(
    desk: Desk, aws: AdminClient, tmp_path: Path
) -> None:
    """What is on paper alone ends with its Create, and what is in the cluster goes on to Ready."""
    aws.create_target(GATEWAY, name="taken", targetConfiguration=server())
    specs: dict[str, dict[str, Any]] = {
        "taken": {},
        "plain": {},
        "first": {"targetName": "wanted-by-both"},
        "second": {"targetName": "wanted-by-both"},
        "there": {"gatewayId": OTHER_GATEWAY},
        "nowhere": {"gatewayId": "absent-abcdefghij"},
    }
    file = written(tmp_path / "all.yaml", *(manifest(name, **spec) for name, spec in specs.items()))

    def rows(*arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = desk.json("plan", *arguments, exits=2)["objects"]
        # Ids on paper are given as the Creates come.
        return [
            {key: row.get(key) for key in ("name", "action", "gateway", "reason", "steps")} for row in found
        ]

    before = rows("-f", file)
    for name, spec in specs.items():
        desk.put(name, **spec)
    assert rows() == before
    assert Counter(row["action"] for row in before) == {"create": 3, "conflict": 2, "GatewayNotFound": 1}


def test_a_refusal_takes_back_the_step_of_its_own_pass_alone() -> None:
    """Passes are made at the same time: between a decision and AWS's answer others decide, too."""
    record = Recorder()

    async def a_pass(name: str, decided: asyncio.Event, *, refused: bool) -> None:
        place = Place(GATEWAY)
        obj = SimpleNamespace(key=("team-a", name), metadata=SimpleNamespace(uid=f"planned-{name}"))
        state: Any = SimpleNamespace(obj=obj, place=place, now=0.0)
        record(state, Create(place=place, request={"name": name}, digest="d"))
        if refused:
            await decided.wait()
            record.refused(AgentCoreError(ErrorKind.CONFLICT, "ConflictException", "busy"))
        decided.set()

    async def both() -> None:
        decided = asyncio.Event()
        await asyncio.gather(a_pass("full", decided, refused=True), a_pass("fine", decided, refused=False))

    asyncio.run(both())
    assert [each.key[1] for each in record.steps] == ["fine"]
    assert record.made == {("team-a", "fine")}


def test_who_has_expired_credentials_is_told_to_renew_them(desk: Desk, aws: AdminClient) -> None:
    settle(desk, aws, "orders")
    aws.configure(expired_credentials=True)
    said = desk("plan", exits=1).output
    assert "ExpiredTokenException: The security token included in the request is expired: renew your" in said
    for command in (("why", "orders"), ("orphans", "--gateway", GATEWAY), ("owner", "ABCDE12345")):
        exits = {"why": 0, "orphans": 1, "owner": 1}[command[0]]
        assert "renew your AWS credentials, as with `aws sso login`" in desk(*command, exits=exits).output


@pytest.mark.parametrize("operation", ["ListGatewayTargets", "GetGatewayTarget"])
@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerException"])
def test_what_aws_does_not_answer_the_caller_is_not_known_and_no_plan(
    desk: Desk, aws: AdminClient, operation: str, code: str
) -> None:
    """The operator is elsewhere, and may well get an answer."""
    target_id = settle(desk, aws, "orders")
    aws.edit_target(target_id, targetConfiguration=server())
    aws.add_fault(operation=operation, code=code)
    (row,) = desk.json("plan", exits=1)["objects"]
    assert row["action"] == "not known"
    assert operation in row["message"] or "does not list" in row["message"]


def test_a_helm_template_and_a_file_that_is_not_there_are_told_as_such(
    desk: Desk, aws: AdminClient, tmp_path: Path
) -> None:
    (tmp_path / "server.yaml").write_text("{{- if .Values.on }}\nkind: MCPServer\n{{- end }}\n")
    said = desk("plan", "-f", str(tmp_path), exits=1).output
    assert "server.yaml cannot be read: line 1: " in said
    assert "It is a Helm template: give what it renders (helm template CHART | mcps plan -f -)." in said
    said = desk("plan", "-f", str(tmp_path / "absent.yaml"), exits=1).output
    assert "absent.yaml cannot be read: No such file or directory. Name the files" in said
    (tmp_path / "server.yaml").write_text("a: [")
    assert "Correct it, or name other files." in desk("plan", "-f", str(tmp_path), exits=1).output
    nothing_written(desk, aws)
