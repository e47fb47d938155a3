"""What the operator itself says: at an address, and through kubectl."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from agentcore_simulator import AdminClient
from mcp_gateway_operator.api import names
from mcp_gateway_operator.cli.fleet import debug
from mcp_gateway_operator.cli.fleet.debug import PODS
from mcp_gateway_operator.runtime.cluster import LEASES
from tests.unit.cli.fleet.account import nothing_written, settle
from tests.unit.cli.fleet.conftest import Desk
from tests.unit.cli.fleet.platform import refuse

TOLD = {
    "generation": 1,
    "decision": {"action": "Settled", "reason": "", "why_not_sooner": "all is as it should be"},
    "next_pass_in_seconds": 300.0,
    "failed_passes": 0,
    "calls": [
        {
            "at": "2026-11-26T12:00:00Z",
            "operation": "UpdateGatewayTarget",
            "answer": "OK",
            "milliseconds": 40,
            "request_id": "req-1",
        }
    ],
}


class Port(SimpleNamespace):
    """A metrics port: where it is, and what was asked with which token."""

    url: str
    asked: list[tuple[str, str]]


@pytest.fixture
def port() -> Iterator[Port]:
    """An operator's metrics port that tells everybody with the right token."""
    asked: list[tuple[str, str]] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers.get("Authorization", "")
            asked.append((self.path, token))
            status = {"Bearer right": 200, "": 401}.get(token, 403)
            body = msgspec.json.encode(TOLD) if status == 200 else b"no"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Port(url=f"http://127.0.0.1:{server.server_port}", asked=asked)
    server.shutdown()
    server.server_close()
    thread.join()


def operator_pod(desk: Desk, name: str, *arguments: str) -> None:
    """Put a pod of the operator there."""
    body: dict[str, Any] = {
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "agent-op"}},
        "spec": {"containers": [{"name": "manager", "args": [*arguments]}]},
    }
    desk.api.store.create(PODS, "team-a", body)


def kubectl(tmp_path: Path, *lines: str) -> str:
    """Write a program in kubectl's place; return its path."""
    program = tmp_path / "kubectl"
    program.write_text("\n".join(("#!/bin/sh", f'echo "$@" >{tmp_path}/called', *lines)), encoding="utf-8")
    program.chmod(0o755)
    return str(program)


def test_the_last_decision_and_calls_are_told(desk: Desk, aws: AdminClient, port: Port) -> None:
    settle(desk, aws, "orders")
    desk.env = {"MCPS_DEBUG_TOKEN": "right"}
    said = desk("why", "orders", "--debug-address", port.url).output.splitlines()
    assert "The operator itself, of generation 1: all is as it should be; it looks again in 5m." in said
    assert "  2026-11-26T12:00:00Z UpdateGatewayTarget: OK after 40 ms, request req-1" in said
    assert port.asked == [("/debug/objects/team-a/orders", "Bearer right")]
    nothing_written(desk, aws)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "set MCPS_DEBUG_TOKEN"),
        ("wrong", "ask for get on /debug/objects/team-a/orders (the ClusterRole debug-reader)"),
    ],
)
def test_a_refusal_says_what_to_ask_for(
    desk: Desk, aws: AdminClient, port: Port, token: str, words: str
) -> None:
    settle(desk, aws, "orders")
    desk.env = {"MCPS_DEBUG_TOKEN": token}
    said = desk("why", "orders", "--debug-address", port.url).output
    assert words in said
    assert "is in its log" in said


@pytest.mark.parametrize("address", ["127.0.0.1:8443", "ftp://host", "http://127.0.0.1:1"])
def test_a_wrong_address_leaves_the_rest_told(desk: Desk, aws: AdminClient, address: str) -> None:
    settle(desk, aws, "orders")
    said = desk("why", "orders", "--debug-address", address).output
    assert "The operator itself was not asked." in said
    assert "Who has to act: nobody" in said


def test_kubectl_leads_to_the_pod_that_leads(
    desk: Desk, aws: AdminClient, port: Port, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(desk, aws, "orders")
    flags = ("--metrics-bind-address=:8443", "--metrics-secure=false")
    operator_pod(desk, "operator-0", *flags)
    operator_pod(desk, "operator-1", *flags)
    lease = {"metadata": {"name": names.LEASE_NAME}, "spec": {"holderIdentity": "operator-1"}}
    desk.api.store.create(LEASES, "team-a", lease)
    monkeypatch.setattr(debug, "_own_authorization", lambda _: "Bearer right")
    number = port.url.rpartition(":")[2]
    desk.env = {"KUBECTL": kubectl(tmp_path, f'echo "Forwarding from 127.0.0.1:{number} -> 8443"', "cat")}
    assert "The operator itself, of generation 1: all is as it should be" in desk("why", "orders").output
    called = (tmp_path / "called").read_text(encoding="utf-8").split()
    assert called == ["port-forward", "-n", "team-a", "pod/operator-1", ":8443"]
    desk.env = {"KUBECTL": kubectl(tmp_path, "echo 'error: forbidden: pods/portforward' >&2", "exit 1")}
    assert "Ask for create on pods/portforward there" in desk("why", "orders").output


def test_without_pods_to_be_seen_an_address_is_asked_for(
    desk: Desk, aws: AdminClient, tmp_path: Path
) -> None:
    settle(desk, aws, "orders")
    desk.env = {"KUBECTL": kubectl(tmp_path)}
    assert "No operator's pod here serves metrics" in desk("why", "orders").output
    refuse(desk, PODS)
    assert "cannot be seen" in desk("why", "orders").output
    desk.env = {"KUBECTL": "no-such-program"}
    assert "There is no kubectl" in desk("why", "orders").output
