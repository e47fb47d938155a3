"""The way to AWS: the caller's own credentials, reading alone, at half the rate that AWS allows."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import click

from mcp_gateway_operator.agentcore.aws import Boto3AgentCore, Boto3Sessions
from mcp_gateway_operator.cli.fleet.reads import AT_A_TIME, AsCaller, Paced
from mcp_gateway_operator.cli.fleet.tables import is_terminal
from mcp_gateway_operator.cli.startup import USER_AGENT, StartupError, network_of_environment, region_of
from mcp_gateway_operator.shown import counted

TELL_AFTER: Final = 2.0
"""Seconds of reading after which a person at a terminal is told how far it is."""


@asynccontextmanager
async def reading(region: str, *, assume: bool) -> AsyncIterator[Paced]:
    """Give what reads from AWS in a Region, "" for the one that the environment names.

    Args:
        region: where.
        assume: roles that MCPGateways name are assumed.

    Raises:
        ClickException: no Region is known, or the network cannot be used as it is configured.
    """
    try:
        where, network = region_of(region), network_of_environment()
    except StartupError as error:
        raise click.ClickException(str(error)) from error
    with network.authorities() as authorities:
        port = Boto3AgentCore(
            region=where,
            user_agent=USER_AGENT,
            at_a_time=AT_A_TIME,
            authorities=authorities,
            proxy_for=lambda url: str(network.proxy_for(url) or ""),
        )
        progress = _Progress()
        try:
            opener = AsCaller(port, Boto3Sessions(port), assume=assume)
            yield Paced(port, opener=opener, on_call=progress.step)
        finally:
            progress.end()
            await port.close()


class _Progress:
    """Tells a person how many calls were made, when they take long; a program is told nothing."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()
        self._calls = 0

    def step(self) -> None:
        """Count one call."""
        self._calls += 1
        now = time.monotonic()
        if is_terminal(sys.stderr) and now - self._began > TELL_AFTER and now - self._told > 1.0:
            self._told = now
            click.echo(f"\rReading from AWS: {counted(self._calls, 'call')} ...", nl=False, err=True)

    def end(self) -> None:
        """Clear the line."""
        if self._told > self._began:
            click.echo("\r" + " " * 50 + "\r", nl=False, err=True)
