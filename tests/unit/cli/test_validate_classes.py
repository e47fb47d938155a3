"""`validate` where MCPGateways and Namespaces stand beside the MCPServers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from mcp_gateway_operator.cli.main import cli
from tests.unit.targets.permits import ARN, IDP, PERMITTED, PLAIN, REFUSED

CLASS = f"""\
apiVersion: mcpgateway.bedrock.aws/v1alpha1
kind: MCPGateway
metadata:
  name: tools-prod
spec:
  gatewayArn: {ARN}
  allow:
    - namespaces:
        matchLabels: {{kubernetes.io/metadata.name: team-a}}
      authTypes: [OAuth2, ApiKey, NoAuth, GatewayIamRole]
      grantTypes: [CLIENT_CREDENTIALS]
      endpoints:
        - https://*.a.mcp.example.com
        - https://shared.example.com/team-a
        - https://slash.example.com/team-a/
        - https://port.example.com:8443
        - https://spelled.example.com/arn%3Aaws%2Fteam-a
        - https://192.0.2.7
      providers: ["${{namespace}}_*", shared, common-*]
"""
BY_TEAM = CLASS.replace("kubernetes.io/metadata.name: team-a", "team: a")
SERVER = f"""\
apiVersion: mcpgateway.bedrock.aws/v1alpha1
kind: MCPServer
metadata:
  name: orders
  namespace: team-a
spec:
  gatewayRef:
    name: tools-prod
  endpoint: https://orders.a.mcp.example.com/mcp
  capabilities: [tools]
  oauthProviderArn: {IDP}
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a, labels: {team: a}}\n"
BY_ID = SERVER.replace("  gatewayRef:\n    name: tools-prod\n", "  gatewayId: tools-abcdefghij\n")
ELSEWHERE = SERVER.replace("orders.a.mcp.example.com", "mcp.example.net")


def _validate(*texts: str, flags: tuple[str, ...] = ()) -> Result:
    return CliRunner().invoke(cli, ["validate", *flags, "-"], input="---\n".join(texts))


def _findings(*texts: str) -> dict[str, list[tuple[str, str]]]:
    """Return path and message of problems and warnings of all that was read."""
    rows: list[dict[str, Any]] = json.loads(_validate(*texts, flags=("-o", "json")).stdout)
    return {
        level: [(each["path"], each["message"]) for row in rows for each in row[level]]
        for level in ("problems", "warnings")
    }


NOTHING: dict[str, list[tuple[str, str]]] = {"problems": [], "warnings": []}


@pytest.mark.parametrize("server", [SERVER, BY_ID], ids=["by reference", "by id"])
def test_what_is_permitted_is_valid(server: str) -> None:
    done = _validate(server, CLASS)
    assert (done.exit_code, done.output) == (0, "1 MCPServer is valid.\n1 MCPGateway is valid.\n")


@pytest.mark.parametrize("server", [SERVER, BY_ID], ids=["by reference", "by id"])
def test_what_is_refused_is_told_at_its_line_wherever_the_mcpgateway_stands(
    tmp_path: Path, server: str
) -> None:
    (tmp_path / "a-server.yaml").write_text(server.replace("orders.a.mcp", "orders.b.mcp"))
    (tmp_path / "z-class.yaml").write_text(CLASS)
    done = CliRunner().invoke(cli, ["validate", str(tmp_path)])
    lines = server.splitlines()
    line = next(number for number, each in enumerate(lines, start=1) if "endpoint" in each)
    assert done.exit_code == 1
    finding = (
        f"{tmp_path}/a-server.yaml:{line}:3: document 1: team-a/orders: spec.endpoint: MCPGateway tools-prod "
        "does not permit this: it does not permit the endpoint https://orders.b.mcp.example.com/mcp to "
        "namespace team-a. Whoever may change the MCPGateway can permit it in its spec.allow"
    )
    assert done.output.splitlines() == [
        finding,
        "1 of 1 MCPServer must be corrected.",
        "1 MCPGateway is valid.",
    ]


def _asked(*written: dict[str, Any]) -> list[list[tuple[str, str]]]:
    """Return the problems of one MCPServer for each of these, all in one text."""
    head = yaml.safe_load(SERVER)
    specs = [{"gatewayRef": {"name": "tools-prod"}, **PLAIN, **each} for each in written]
    servers = {"kind": "List", "items": [{**head, "spec": spec} for spec in specs]}
    (_, *rows) = json.loads(_validate(CLASS, json.dumps(servers), flags=("-o", "json")).stdout)
    return [[(each["path"], each["message"]) for each in row["problems"]] for row in rows]


def test_nothing_that_is_refused_passes_and_nothing_that_is_permitted_is_refused() -> None:
    assert [name for name, found in zip(PERMITTED, _asked(*PERMITTED.values()), strict=True) if found] == []
    refused = _asked(*(written for _, written in REFUSED.values()))
    assert [name for name, found in zip(REFUSED, refused, strict=True) if not found] == []


def test_what_no_entry_can_permit_sends_nobody_to_the_platform_team() -> None:
    (((path, message),),) = _asked({"adoptionPolicy": "IfExists"})
    assert path == "spec.adoptionPolicy"
    assert message == (
        "MCPGateway tools-prod does not permit this: spec.adoptionPolicy cannot be used on a gateway of an "
        "MCPGateway: remove it"
    )


def test_the_labels_of_a_namespace_beside_count() -> None:
    assert _findings(SERVER, BY_TEAM, NAMESPACE) == NOTHING
    ((path, message),) = _findings(SERVER, BY_TEAM, NAMESPACE.replace("team: a", "team: b"))["problems"]
    assert path == "metadata.namespace"
    assert "it names no namespace like team-a" in message


def test_labels_that_are_not_known_are_a_warning() -> None:
    found = _findings(SERVER, BY_TEAM)
    assert found["problems"] == []
    ((path, message),) = found["warnings"]
    assert path == "metadata.namespace"
    assert "depends on the labels of namespace team-a" in message
    assert _validate(SERVER, BY_TEAM, flags=("--strict",)).exit_code == 1


def test_labels_that_are_not_known_excuse_nothing_else() -> None:
    found = _findings(ELSEWHERE, BY_TEAM)
    assert found["warnings"] == []
    assert [path for path, _ in found["problems"]] == ["spec.endpoint"]


def test_a_namespace_is_not_taken_for_another_because_a_label_is_unknown() -> None:
    both = CLASS.replace("metadata.name: team-a", "metadata.name: team-b, team: a")
    assert [path for path, _ in _findings(SERVER, both)["problems"]] == ["metadata.namespace"]
    spoofed = NAMESPACE.replace("team: a", "kubernetes.io/metadata.name: team-b")
    only_b = CLASS.replace("metadata.name: team-a", "metadata.name: team-b")
    assert _findings(SERVER, only_b, spoofed)["problems"]


def test_a_namespace_that_is_not_written_is_a_warning_and_excuses_nothing_else() -> None:
    bare = SERVER.replace("  namespace: team-a\n", "")
    found = _findings(bare, CLASS)
    assert found["problems"] == []
    assert [path for path, _ in found["warnings"]] == ["metadata.namespace"]
    paths = [path for path, _ in _findings(bare.replace("a.mcp", "b.mcp"), CLASS)["problems"]]
    assert paths == ["spec.endpoint"]


def test_an_mcpgateway_that_is_not_there_is_a_warning_where_others_are() -> None:
    other = SERVER.replace("name: tools-prod", "name: tools-test")
    ((path, message),) = _findings(other, CLASS)["warnings"]
    assert path == "spec.gatewayRef.name"
    assert "tools-test" in message
    assert _findings(other) == NOTHING


def test_a_mistake_in_an_mcpgateway_is_told_once_and_at_its_place() -> None:
    bad = CLASS.replace('"${namespace}_*"', '"${namespace}-*"')
    found = _findings(SERVER, SERVER, bad)
    assert [path for path, _ in found["problems"]] == ["spec.allow[0].providers[0]"]
    assert found["warnings"] == []
    done = _validate(SERVER, bad)
    assert done.output.splitlines()[-2:] == ["1 MCPServer is valid.", "1 of 1 MCPGateway must be corrected."]
    assert done.exit_code == 1


def test_a_null_in_an_mcpgateway_is_told_where_it_is() -> None:
    bad = CLASS.replace("{kubernetes.io/metadata.name: team-a}", "")
    ((path, message),) = (each for each in _findings(bad)["problems"] if "null" in each[1])
    assert path == "spec.allow[0].namespaces.matchLabels"
    assert message == "null is no value here: leave the field out"


def test_two_mcpgateways_of_one_gateway_are_doubtful_and_the_older_one_judges_by_id() -> None:
    second = CLASS.replace("tools-prod", "tools-second").replace("a.mcp", "b.mcp")
    found = _findings(BY_ID, CLASS, second)
    assert found["problems"] == []
    assert [path for path, _ in found["warnings"]] == ["spec.gatewayArn", "spec.gatewayArn"]


def test_an_id_that_two_accounts_have_is_not_judged() -> None:
    second = CLASS.replace("tools-prod", "tools-second").replace("222222222222", "333333333333")
    found = _findings(BY_ID.replace("a.mcp", "b.mcp"), CLASS, second)
    assert found["problems"] == []
    assert [path for path, _ in found["warnings"]] == ["spec.gatewayId"]


def test_an_id_leads_to_no_gateway_of_another_account() -> None:
    """What the MCPGateway of another account refuses is no matter of the own one, whose ids may be equal."""
    role = "gatewayArn: {}\n  aws: {{roleArn: 'arn:aws:iam::333333333333:role/mcp-targets'}}"
    far = CLASS.replace("tools-prod", "tools-far").replace("a.mcp", "b.mcp")
    far = far.replace(f"gatewayArn: {ARN}", role.format(ARN.replace("222222222222", "333333333333")))
    ((path, message),) = _findings(BY_ID, far)["warnings"]
    assert path == "spec.gatewayId"
    assert message.endswith("Name the MCPGateway in spec.gatewayRef")
    assert _findings(BY_ID, far)["problems"] == []
    assert _findings(BY_ID, far, CLASS) == NOTHING
    refused = _findings(BY_ID.replace("a.mcp", "b.mcp"), far, CLASS)
    assert [path for path, _ in refused["problems"]] == ["spec.endpoint"]
    other = CLASS.replace("tools-prod", "tools-other").replace("tools-abcdefghij", "other-abcdefghij")
    assert _findings(BY_ID, far, other) == NOTHING, "the own account is known, and has no such MCPGateway"


def test_what_names_no_gateway_or_one_that_no_mcpgateway_names_is_free() -> None:
    free = BY_ID.replace("tools-abcdefghij", "other-abcdefghij").replace("a.mcp", "b.mcp")
    assert _findings(free, CLASS) == NOTHING
    assert _findings(free.replace("  gatewayId: other-abcdefghij\n", ""), CLASS) == NOTHING


def test_a_mistake_is_not_told_twice_and_an_unset_value_hides_nothing() -> None:
    twice = SERVER.replace("https://orders", "http://orders")
    assert len(_findings(twice, CLASS)["problems"]) == 1
    unset = ELSEWHERE.replace("spec:\n", "spec:\n  description:\n")
    assert [path for path, _ in _findings(unset, CLASS)["problems"]] == ["spec.endpoint"]


def test_an_mcpgateway_alone_is_something_to_check() -> None:
    done = _validate(CLASS)
    assert (done.exit_code, done.output) == (0, "1 MCPGateway is valid.\n")
