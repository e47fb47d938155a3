"""A web page that somebody visits cannot use the admin API of a simulator on the same machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from agentcore_simulator import Settings, SimulatorServer

from .conftest import GATEWAY, client

JSON = "application/json"
LATENCY = json.dumps({"latency": 0.001})


def ask(
    simulator: SimulatorServer, method: str, path: str, body: str | None = None, **headers: str
) -> tuple[int, Any]:
    """Send one request with just these headers (names with _ for -) and Host, if it is not among them."""
    address = urlsplit(simulator.url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=20)
    connection.putrequest(method, path, skip_host="host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        for one in value.split("|"):
            connection.putheader(name.replace("_", "-"), one)
    if body is not None:
        connection.putheader("content-length", str(len(body.encode())))
    connection.endheaders(body.encode() if body else None)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text)


@pytest.fixture(scope="module")
def everywhere() -> Iterator[SimulatorServer]:
    """A simulator on every address, which is also known as `sim.internal`."""
    with SimulatorServer(Settings(), host="0.0.0.0", admin_hosts=["sim.internal"]) as running:
        running.url = running.url.replace("0.0.0.0", "127.0.0.1")
        yield running


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:8787", "127.0.0.1", "127.9.9.9:1", "localhost", "LOCALHOST:8787", "localhost.:80"),
        *("dev.localhost:3000", "[::1]:8787", "[::ffff:127.0.0.1]:8787"),
    ],
)
def test_names_of_this_machine_are_welcome(simulator: SimulatorServer, host: str) -> None:
    assert ask(simulator, "GET", "/_sim/health", host=host)[0] == 200
    status, _ = ask(
        simulator, "PATCH", "/_sim/settings", LATENCY, host=host, origin=f"http://{host}", content_type=JSON
    )
    assert status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("rebound.example.com:8787", "localhost.example.com", "127.0.0.1.example.com", "203.0.113.9"),
        *("[2001:db8::1]:80", "0.0.0.0:8787", "", "x", "[::1", "127.0.0.1:8787|rebound.example.com"),
        *("user@127.0.0.1", "127.0.0.1/x", "127.0.0.1 rebound.example.com"),
    ],
)
def test_a_rebound_name_reads_and_changes_nothing(simulator: SimulatorServer, host: str) -> None:
    for method, path, body in (
        ("GET", "/_sim/state", None),
        ("GET", "/_sim/snapshot", None),
        ("POST", "/_sim/reset", ""),
        ("PATCH", "/_sim/settings", LATENCY),
        ("DELETE", f"/_sim/gateways/{GATEWAY}", None),
        ("GET", "/_sim/no-such-thing", None),
    ):
        status, said = ask(simulator, method, path, body, host=host, content_type=JSON)
        assert status == 403
        assert "--admin-host" in said["message"]
    assert simulator.admin.state()["gateways"]
    assert simulator.admin.settings()["latency"] == 0


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "https://example.com",
            "http://127.0.0.1.example.com",
            "null",
            "",
            "file://",
            "localhost",
            "http://[",
        ),
        *("http://203.0.113.9:8787", "http://localhost|https://example.com", "chrome-extension://abcdef"),
    ],
)
def test_a_page_of_another_site_changes_nothing(simulator: SimulatorServer, origin: str) -> None:
    """A browser says in Origin whose page a request comes from, and sends it with every POST."""
    for method, path, body in (
        ("POST", "/_sim/reset", ""),
        ("POST", "/_sim/reset", None),
        ("PATCH", "/_sim/settings", LATENCY),
        ("DELETE", f"/_sim/gateways/{GATEWAY}", None),
    ):
        status, said = ask(simulator, method, path, body, origin=origin, content_type=JSON)
        assert status == 403
        assert "Origin" in said["message"]
    assert simulator.admin.state()["gateways"]


@pytest.mark.parametrize(
    "kind",
    [
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""),
        *("application/json|text/plain", "text/json-ish", "text/plain; application/json"),
    ],
)
def test_what_a_form_can_send_is_refused(simulator: SimulatorServer, kind: str) -> None:
    """A page may send these without asking anybody (Fetch standard, CORS-safelisted request headers)."""
    for method, path in (("POST", "/_sim/faults"), ("PATCH", "/_sim/settings"), ("POST", "/_sim/situation")):
        status, said = ask(simulator, method, path, LATENCY, **({"content_type": kind} if kind else {}))
        assert status == 415
        assert "-H 'content-type: application/json'" in said["message"]
    assert simulator.admin.settings()["latency"] == 0
    assert simulator.admin.faults() == []


def test_json_is_taken_with_its_parameters_and_a_situation_as_yaml(simulator: SimulatorServer) -> None:
    kind = "Application/JSON; charset=utf-8"
    assert ask(simulator, "PATCH", "/_sim/settings", LATENCY, content_type=kind)[0] == 200
    document = "settings: {latency: 0.002}\n"
    assert ask(simulator, "POST", "/_sim/situation", document, content_type="application/yaml")[0] == 200
    assert ask(simulator, "PATCH", "/_sim/settings", LATENCY, content_type="application/yaml")[0] == 415
    assert simulator.admin.settings()["latency"] == 0.002


def test_requests_without_a_body_need_no_content_type(simulator: SimulatorServer) -> None:
    """`curl -X POST .../_sim/reset` goes on working."""
    assert ask(simulator, "POST", "/_sim/reset")[0] == 200
    assert simulator.admin.state()["gateways"] == []


def test_on_every_address_any_address_and_the_named_names_are_welcome(everywhere: SimulatorServer) -> None:
    """An address cannot be rebound; a name can, so it has to be told."""
    for host in ("203.0.113.9:8787", "[2001:db8::1]:8787", "0.0.0.0:8787", "sim.internal", "SIM.internal:80"):
        assert ask(everywhere, "GET", "/_sim/health", host=host)[0] == 200
    for host in ("rebound.example.com", "internal", "sim.internal.example.com"):
        assert ask(everywhere, "GET", "/_sim/health", host=host)[0] == 403


def test_the_control_plane_itself_asks_for_no_particular_name(simulator: SimulatorServer) -> None:
    """Clients reach it under whatever name their AWS_ENDPOINT_URL has; it changes nothing unsigned."""
    host = "simulator.internal:8787"

    def rename(request: Any, **_: Any) -> None:
        request.headers["Host"] = host

    control = client(simulator.url)
    control.meta.events.register("before-sign", rename)
    assert len(control.list_gateways()["items"]) == 1
