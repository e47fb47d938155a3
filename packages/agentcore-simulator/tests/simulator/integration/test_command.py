"""The simulator as a process."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import GATEWAY, client, eventually, server

README = Path(__file__).parents[3] / "README.md"


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the URL it prints."""
    process = subprocess.Popen(  # noqa: S603  -- our own command
        [sys.executable, "-m", "agentcore_simulator", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        name, _, url = process.stdout.readline().strip().partition("=")
        assert name == "AWS_ENDPOINT_URL", process.communicate()
        yield process, url
    finally:
        process.kill()
        process.communicate()


def refused(*arguments: str) -> str:
    """The error output of a command line that must not start."""
    done = subprocess.run(  # noqa: S603  -- our own command
        [sys.executable, "-m", "agentcore_simulator", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


def help_text() -> str:
    """What `--help` prints."""
    return subprocess.run(
        [sys.executable, "-m", "agentcore_simulator", "--help"], capture_output=True, text=True, check=True
    ).stdout


def test_a_ready_file_that_cannot_be_written(tmp_path: Path) -> None:
    assert "Cannot write" in refused("--port", "0", "--ready-file", str(tmp_path / "missing" / "ready"))


def test_it_prints_its_url_and_serves_the_gateway(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    there = f"222222222222/eu-west-1/{GATEWAY}"
    options = ("--gateway", GATEWAY, "--gateway", there, "--account", "210987654321")
    with running(*options, "--ready-file", str(ready)) as (_, url):
        assert ready.read_text() == f"{url}\n"
        shown = client(url).get_gateway(gatewayIdentifier=GATEWAY)
        assert shown["gatewayArn"] == f"arn:aws:bedrock-agentcore:us-east-1:210987654321:gateway/{GATEWAY}"
        other = client(url, region_name="eu-west-1", aws_access_key_id="222222222222")
        shown = other.get_gateway(gatewayIdentifier=GATEWAY)
        assert shown["gatewayArn"] == f"arn:aws:bedrock-agentcore:eu-west-1:222222222222:gateway/{GATEWAY}"


@pytest.mark.parametrize("where", ["README", "--help"])
def test_the_exports_that_are_shown_are_all_that_boto3_needs(where: str, tmp_path: Path) -> None:
    """boto3, unlike other SDKs, takes no Region from AWS_REGION."""
    shown = README.read_text() if where == "README" else help_text()
    exports = dict(re.findall(r"(AWS_\w+)=(\S+)", "\n".join(re.findall(r"export (.*)", shown))))
    (program,) = re.findall(r"### boto3\n+```python\n(.*?)```", README.read_text(), re.DOTALL)
    with running("--gateway", GATEWAY) as (_, url):
        assert exports["AWS_ENDPOINT_URL"] == "http://127.0.0.1:8787"
        done = subprocess.run(  # noqa: S603  -- the documentation's program
            [sys.executable, "-c", program],
            env={**exports, "AWS_ENDPOINT_URL": url, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stdout == "CREATING\n", done.stderr


def test_sigterm_ends_it_at_once_and_quietly() -> None:
    with running() as (process, url):
        client(url).list_gateways()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
        assert time.monotonic() - began < 10
        assert errors == ""


def test_profile_and_latency_are_taken_over() -> None:
    with running("--profile", "aws", "--latency", "10", "--no-quotas") as (_, url):
        client(url).list_gateways()
        for _ in range(15):  # more than AWS's rate allows
            client(url).list_gateways()


def test_mistakes_are_explained() -> None:
    assert "is not a gateway id" in refused("--port", "0", "--gateway", "Demo")
    assert "ACCOUNT/REGION/ID" in refused("--port", "0", "--gateway", f"eu-west-1/{GATEWAY}")
    assert "account" in refused("--port", "0", "--gateway", f"12/eu-west-1/{GATEWAY}")
    assert "account" in refused("--port", "0", "--account", "12")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "Try --port 0" in refused("--port", str(taken.getsockname()[1]))


def test_state_outlives_the_process(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with running("--gateway", GATEWAY, "--state", str(state)) as (process, url):
        made = client(url).create_gateway_target(
            gatewayIdentifier=GATEWAY, name="tools", targetConfiguration=server()
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    with running("--gateway", GATEWAY, "--state", str(state)) as (_, url):
        control = client(url)
        shown = control.get_gateway_target(gatewayIdentifier=GATEWAY, targetId=made["targetId"])
        assert shown["name"] == "tools"
        control.delete_gateway_target(gatewayIdentifier=GATEWAY, targetId=made["targetId"])
        eventually(lambda: made["targetId"] not in state.read_text())
        # Killed without warning: what the file had is still there.
    with running("--state", str(state)) as (_, url):
        assert client(url).list_gateway_targets(gatewayIdentifier=GATEWAY)["items"] == []


def test_a_damaged_state_file_is_refused_and_kept(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{broken")
    assert "not a state of a simulator" in refused("--port", "0", "--state", str(state))
    assert state.read_text() == "{broken"


def test_a_scenario_file_is_applied_or_refused(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(
        f"gateways: [{{gatewayId: {GATEWAY}}}]\nsettings: {{denied_actions: [ListGateways]}}\n"
    )
    with running("--scenario", str(scenario)) as (_, url):
        control = client(url)
        assert control.get_gateway(gatewayIdentifier=GATEWAY)["status"] == "READY"
        with pytest.raises(control.exceptions.AccessDeniedException):
            control.list_gateways()
    scenario.write_text("colour: red\n")
    assert "colour" in refused("--port", "0", "--scenario", str(scenario))
