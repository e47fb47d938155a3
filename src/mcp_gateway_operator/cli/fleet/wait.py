"""`wait`: until MCPServers are Ready, or can never be without somebody's help."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any, Final

import click

from mcp_gateway_operator.cli.fleet.choose import Choice, choice_of, choice_options
from mcp_gateway_operator.cli.fleet.command import NOT_SO, asking
from mcp_gateway_operator.cli.fleet.reach import Scope, with_cluster
from mcp_gateway_operator.cli.fleet.view import line_of
from mcp_gateway_operator.cli.options import Duration
from mcp_gateway_operator.cli.say import say
from mcp_gateway_operator.runtime.cluster import Cluster

LOOK: Final = 1.0
"""Seconds between two looks."""
LOOKS_SHARE: Final = 10
"""Between two looks at least so many times what the last one took."""


@asking(
    "wait",
    examples="""
    wait orders
    wait -n team-a --all --timeout 5m
    wait orders --for deleted
    """,
)
@choice_options
@click.option("--for", "goal", type=click.Choice(["ready", "deleted"]), default="ready", show_default=True)
@click.option("--timeout", type=Duration(), default="5m", show_default=True, help="Then give up.")
def command(*, scope: Scope, goal: str, timeout: float, **given: Any) -> None:
    """Wait until all of these are Ready for their newest generation, or are deleted.

    It ends at once when one is Stalled, since only somebody's help then makes it Ready: the message says
    whose.

    Exit status: 0 when all are, 2 when one is stalled or time is up, 1 when that cannot be found out.
    """
    choice = choice_of(scope, **given)
    work = partial(_wait, choice=choice, goal=goal, timeout=timeout)
    if status := with_cluster(scope, work):
        raise SystemExit(status)


async def _wait(cluster: Cluster, choice: Choice, goal: str, timeout: float) -> int:  # noqa: ASYNC109  -- ends with words
    """Look until the goal is reached; return the exit status."""
    gone, told = goal == "deleted", set[str]()
    end = time.monotonic() + timeout
    while True:
        began = time.monotonic()
        lines = list(map(line_of, await choice.objects(cluster, none_is_fine=gone)))
        late = [line for line in lines if gone or not line.ready]
        for line in lines:
            if line.ready and not gone and line.title not in told:
                told.add(line.title)
                say(f"{line.title} is Ready.")
        if not late:
            return 0
        stalled = [line for line in late if line.stalled and not gone]
        if stalled or time.monotonic() >= end:
            why = (
                "is stalled"
                if stalled
                else f"is {'still there' if gone else 'not Ready'} after {timeout:g} s"
            )
            for line in stalled or late:
                say(f"{line.title} {why}: {line.reason}: {line.message}", err=True)
            return NOT_SO
        pause = max(LOOK, LOOKS_SHARE * (time.monotonic() - began))
        await asyncio.sleep(min(pause, max(0.0, end - time.monotonic())))
