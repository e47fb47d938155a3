"""The fixture `agentcore` in somebody else's test suite."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PLUGIN = "agentcore_simulator.pytest_plugin"

SUITE = """
import boto3
import pytest

SERVER = {"mcp": {"mcpServer": {"endpoint": "https://tools.example.com/mcp"}}}

@pytest.mark.parametrize("attempt", [1, 2])
def test_each_test_has_a_fresh_one(agentcore, attempt):
    control = boto3.client("bedrock-agentcore-control")  # finds it through the environment
    assert control.list_gateway_targets(gatewayIdentifier=agentcore.gateway_id)["items"] == []
    control.create_gateway_target(
        gatewayIdentifier=agentcore.gateway_id, name="tools", targetConfiguration=SERVER
    )
    agentcore.admin.freeze()
    agentcore.admin.configure(latency=0.01)
    agentcore.admin.add_fault(operation="GetGateway", count=None)
    assert agentcore.admin.counts()["operations"] == {"ListGatewayTargets": 1, "CreateGatewayTarget": 1}

def test_settings_do_not_leak(agentcore):
    assert agentcore.admin.settings()["latency"] == 0
    agentcore.client().get_gateway(gatewayIdentifier=agentcore.gateway_id)
    assert agentcore.client("sts").get_caller_identity()["Account"] == "123456789012"

@pytest.mark.agentcore(gateways=["a-abcdefghij", "b-abcdefghij"], settings={"account": "210987654321"})
def test_the_marker_sets_it_up(agentcore):
    assert agentcore.gateway_id == "a-abcdefghij"
    assert len(agentcore.client().list_gateways()["items"]) == 2
    assert agentcore.client("sts").get_caller_identity()["Account"] == "210987654321"
"""


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  -- our own interpreter
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=110, check=False
    )


def test_users_get_a_control_plane_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    # The entry point would register the plug-in a second time where the package is installed.
    plugin = ("-p", "no:agentcore", "-p", PLUGIN, "-p", "no:asyncio")
    done = run("-m", "pytest", "-q", "-W", "error", "--strict-markers", *plugin, cwd=tmp_path)
    assert "4 passed" in done.stdout, done.stdout + done.stderr


def test_an_unused_plugin_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        f"import sys, pytest; before = set(sys.modules); import {PLUGIN}; "
        "heavy = {'boto3', 'botocore', 'uvicorn', 'msgspec', 'yaml', 'asyncio'}; "
        "print(sorted((set(sys.modules) - before) & heavy))"
    )
    done = run("-c", code, cwd=tmp_path)
    assert done.stdout.strip() == "[]", done.stderr
