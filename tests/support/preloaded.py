"""Loads what `run` does, with AWS's models; only what the operators of tests are forked from imports it."""

from __future__ import annotations

from mcp_gateway_operator.agentcore.aws import sdk
from mcp_gateway_operator.cli import main, process, run
from tests.support import forked

__all__ = ["forked", "main", "process", "run"]

_session = sdk.new_session("us-east-1")
_session.set_credentials("none", "none")
sdk.new_client(_session, user_agent="none/0", connections=1)
sdk.new_sts_client(_session, user_agent="none/0")
