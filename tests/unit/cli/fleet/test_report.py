"""`report`: everything that a support case needs, and no secret, wherever one was put."""

from __future__ import annotations

import stat
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agentcore_simulator import AdminClient
from mcp_gateway_operator.cli.fleet import redact, support_case
from mcp_gateway_operator.cli.fleet.debug import PODS
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import EVENTS, LEASES
from tests.unit.cli.fleet.account import nothing_written, settle
from tests.unit.cli.fleet.conftest import Desk
from tests.unit.cli.fleet.platform import make_class, refuse

CANARY = "c4n4ry"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def opened(path: Path) -> dict[str, str]:
    """Return the files of an archive."""
    with tarfile.open(path) as tar:
        found = {entry.name: tar.extractfile(entry) for entry in tar.getmembers()}
        return {
            name.removeprefix("mcps-report/"): file.read().decode() for name, file in found.items() if file
        }


def full(desk: Desk, aws: AdminClient) -> None:
    """Put a secret wherever somebody may have put one."""
    settle(desk, aws, "orders")
    desk.put(
        "search",
        reason="TargetFailed",
        message=f"GET https://u:{CANARY}@search.example.com/mcp?key={CANARY} failed",
        metadata={"annotations": {LAST_APPLIED: CANARY, "team.example.com/note": CANARY}},
        endpoint=f"https://search.example.com/mcp?token={CANARY}",
        description=CANARY,
        oauthCustomParameters={"audience": CANARY},
        oauthDefaultReturnUrl=f"https://u:{CANARY}@search.example.com/back",
        mcpToolSchema={"inline": f'{{"tools":[],"x":"{CANARY}"}}'},
        somethingNew={"deep": CANARY},
        status={"authorizationUrl": f"https://login.example.com/?request_uri={CANARY}"},
    )
    make_class(desk, aws={"externalId": CANARY, "sessionTags": {"team": CANARY}})
    log = f'{{"msg":"x","authorization":"Bearer {CANARY}abcdef","url":"https://a.b/c?d={CANARY}"}}\n'
    pod: dict[str, Any] = {
        "metadata": {"name": "operator-0", "labels": {"app.kubernetes.io/name": "agent-op"}},
        "spec": {
            "containers": [
                {
                    "name": "manager",
                    "image": "mcp-gateway-operator:0.3",
                    "args": ["--drift-interval=60s", f"--password={CANARY}"],
                    "env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": CANARY}],
                }
            ]
        },
    }
    desk.api.store.create(PODS, "team-a", pod)
    path = "/api/v1/namespaces/team-a/pods/operator-0/log"
    desk.api.paths[f"{path}?tailLines={support_case.LOG_LINES}&limitBytes={support_case.LOG_BYTES}"] = (
        log.encode()
    )
    event = {
        "metadata": {"name": "e1", "annotations": {"x": CANARY}},
        "regarding": {"kind": "MCPServer", "namespace": "team-a", "name": "search"},
        "reason": "TargetFailed",
        "note": f"GET https://a.b/c?d={CANARY} failed: password={CANARY}",
    }
    desk.api.store.create(EVENTS, "team-a", event)


def test_no_secret_is_in_it_and_all_that_counts_is(desk: Desk, aws: AdminClient, tmp_path: Path) -> None:
    full(desk, aws)
    aws.clear_requests()
    path = tmp_path / "case.tar.gz"
    said = desk("report", "-A", "--file", str(path)).stdout
    assert said.startswith(f"{path} holds ")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    files = opened(path)
    assert CANARY not in str(files)
    assert {
        "README.txt",
        "versions.json",
        "mcpservers.json",
        "mcpgateways.json",
        "events.json",
        "leases.json",
        "settings.json",
        "doctor.json",
        "logs/team-a-operator-0.log",
    } <= files.keys()
    servers = msgspec.json.decode(files["mcpservers.json"])
    search = servers["items"][0]
    assert (search["metadata"]["name"], servers["total"]) == ("search", 2)
    assert search["spec"]["endpoint"] == "https://search.example.com/mcp?…"
    assert search["status"]["conditions"][0]["reason"] == "TargetFailed"
    assert "--drift-interval=60s" in files["settings.json"]
    assert "AWS_SECRET_ACCESS_KEY" in files["settings.json"]
    assert '"msg":"x"' in files["logs/team-a-operator-0.log"]
    assert "TargetFailed" in files["events.json"]
    # A review of one's own rights is asked for in the form of a write; nothing is kept of it.
    desk.api.log = [each for each in desk.api.log if "accessreview" not in each.what[1]]
    nothing_written(desk, aws)


@pytest.mark.parametrize("resource", [PODS, EVENTS, LEASES, MCPGATEWAYS, MCPSERVERS])
def test_what_may_not_be_read_is_said_and_the_rest_is_there(
    desk: Desk, aws: AdminClient, tmp_path: Path, resource: Any
) -> None:
    full(desk, aws)
    refuse(desk, resource)
    path = tmp_path / "case.tar.gz"
    result = desk("report", "-A", "--file", str(path))
    assert "Left out: " in result.stderr
    files = opened(path)
    assert "may not" in files["README.txt"]
    assert "versions.json" in files


@pytest.mark.usefixtures("aws")
def test_a_file_is_never_written_over(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "case.tar.gz"
    path.write_text("mine", encoding="utf-8")
    assert "name another --file" in desk("report", "--file", str(path), exits=1).stderr
    assert path.read_text(encoding="utf-8") == "mine"
    nowhere = str(tmp_path / "none" / "case.tar.gz")
    assert "Name another --file" in desk("report", "--file", nowhere, exits=1).stderr


@pytest.mark.usefixtures("aws")
def test_it_does_not_grow_with_the_cluster(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(support_case, "MOST", 3)
    monkeypatch.setattr(support_case, "MOST_BYTES", 2000)
    for number in range(5):
        desk.put(f"fine-{number}", reason="GatewayTargetReady")
    desk.put("zz-late", reason="TargetFailed")
    path = tmp_path / "case.tar.gz"
    desk("report", "-A", "--file", str(path))
    text = opened(path)["mcpservers.json"]
    assert len(text) < 2100
    assert "zz-late" in text
    assert '"left_out": 3' in text


@pytest.mark.parametrize(
    "secret",
    [
        "https://user:hunter2@host/path",
        "Authorization: Bearer hunter2hunter2",
        "eyJhbGciOiJIUzI1NiJ9.hunter2.sig",
        "AKIAHUNTER2HUNTER2XX",
        "client_secret=hunter2",
        '"password": "hunter2"',
        "https://a.b/c?x=hunter2",
    ],
)
def test_texts_lose_what_looks_like_a_secret(secret: str) -> None:
    assert "hunter2" not in redact.text(f"before {secret} behind").lower()
    assert redact.text("arn:aws:x:y:token-vault/default, a token is refused") == (
        "arn:aws:x:y:token-vault/default, a token is refused"
    )
